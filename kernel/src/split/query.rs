//! What home asks about a body that is away: its mappings and what it uses, for `/proc`; and its
//! memory, for other processes.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_body::Input as BodyInput;
use wayfarer_deputy::{BodyLost, Input};
use wayfarer_proto::codec::{Reader, Wire};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Tid;
use wayfarer_proto::image::Region;
use wayfarer_proto::limits;
use wayfarer_proto::message::{CpuTime, IoCounts, MemoryReply, MemoryRequest, Query};

use super::memory::serve_copy;
use super::{BodyDriver, DeputyDriver};
use crate::executor::{Priority, Slot};
use crate::fs::proc::{BodyFacts, RegionUse, ThreadUse};
use crate::memory::{END_PAGE, PAGE};
use crate::proc_source::{UsedRegion, measure, used_regions};
use crate::process::{Body, LocalMemory};

/// The regions of a body, one after the other: as many as an answer holds.
fn regions(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    for region in body.memory().space.borrow().image_regions() {
        let length = bytes.len();
        region.encode(&mut bytes);
        if bytes.len() > limits::WINDOW {
            bytes.truncate(length);
            break;
        }
    }
    bytes
}

/// The same with what is used of each, as many as an answer holds.
async fn used(body: Rc<Body>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (region, of) in used_regions(body).await {
        let length = bytes.len();
        region.encode(&mut bytes);
        for pages in [of.pages, of.resident, of.shared, of.changed, of.shared_changed] {
            pages.encode(&mut bytes);
        }
        if bytes.len() > limits::WINDOW {
            bytes.truncate(length);
            break;
        }
    }
    bytes
}

/// What a body has used, and its threads: as many as an answer holds.
fn status(facts: &BodyFacts) -> Vec<u8> {
    let mut bytes = Vec::new();
    facts.cpu.encode(&mut bytes);
    facts.io.encode(&mut bytes);
    (facts.virtual_bytes / PAGE).encode(&mut bytes);
    facts.resident_pages.encode(&mut bytes);
    for ThreadUse { tid, cpu, waits } in &facts.threads {
        let length = bytes.len();
        tid.encode(&mut bytes);
        cpu.encode(&mut bytes);
        waits.encode(&mut bytes);
        if bytes.len() > limits::WINDOW {
            bytes.truncate(length);
            break;
        }
    }
    bytes
}

fn decode_used(bytes: &[u8]) -> Option<Vec<UsedRegion>> {
    let mut reader = Reader::new(bytes);
    let mut used = Vec::new();
    while reader.remaining() > 0 {
        let region = Region::decode(&mut reader).ok()?;
        let mut pages = [0; 5];
        for count in &mut pages {
            *count = u64::decode(&mut reader).ok()?.min(END_PAGE);
        }
        let [pages, resident, shared, changed, shared_changed] = pages;
        // Nothing of it is believed: parts are no more than the whole.
        let (shared, changed) = (shared.min(resident), changed.min(resident));
        let shared_changed = shared_changed.min(shared).min(changed);
        let changed = changed.min(resident - (shared - shared_changed));
        used.push((region, RegionUse { pages, resident, shared, changed, shared_changed }));
    }
    Some(used)
}

impl DeputyDriver {
    /// Asks what the body has used; `None` if it is lost.
    pub async fn query_status(self: &Rc<Self>) -> Option<BodyFacts> {
        let bytes = self.query(Query::Status).await?;
        let mut reader = Reader::new(&bytes);
        let cpu = CpuTime::decode(&mut reader).ok()?;
        let io = IoCounts::decode(&mut reader).ok()?;
        let mut pages = || Some(u64::decode(&mut reader).ok()?.min(END_PAGE));
        let (virtual_bytes, resident_pages) = (pages()? * PAGE, pages()?);
        let mut threads = Vec::new();
        while reader.remaining() > 0 {
            let tid = Tid::decode(&mut reader).ok()?;
            let cpu = CpuTime::decode(&mut reader).ok()?;
            threads.push(ThreadUse { tid, cpu, waits: bool::decode(&mut reader).ok()? });
        }
        Some(BodyFacts { cpu, io, virtual_bytes, resident_pages, threads })
    }

    /// Asks for the body's regions and what is used of each; `None` if it is lost, or says what
    /// cannot be.
    pub async fn query_use(self: &Rc<Self>) -> Option<Vec<UsedRegion>> {
        decode_used(&self.query(Query::Use).await?)
    }

    /// Asks for the body's regions; `None` if it is lost, or sends what are no regions.
    pub async fn query_regions(self: &Rc<Self>) -> Option<Vec<Region>> {
        let bytes = self.query(Query::Maps).await?;
        let mut reader = Reader::new(&bytes);
        let mut regions = Vec::new();
        while reader.remaining() > 0 {
            regions.push(Region::decode(&mut reader).ok()?);
        }
        Some(regions)
    }

    /// Asks for something of the body's memory, for another process; `None` if it is lost, or says
    /// what is no answer to that.
    pub async fn query_memory(self: &Rc<Self>, request: MemoryRequest) -> Option<MemoryReply> {
        let expected = request.expected();
        let bytes = self.query(Query::Memory { request }).await?;
        let reply = MemoryReply::decode(&mut Reader::new(&bytes)).ok()?;
        expected.fits(&reply).then_some(reply)
    }

    /// Asks the body and waits for its answer; `None` if it is lost.
    pub(super) async fn query(self: &Rc<Self>, query: Query) -> Option<Vec<u8>> {
        let (promise, slot) = Slot::new();
        let id = self.next_query.get();
        self.next_query.set(id.wrapping_add(1));
        self.queries.borrow_mut().insert(id, promise);
        self.input(Input::Query { id, query });
        slot.take().await?.ok()
    }

    /// Has a body that is to end give back what it has of files, unless that takes too long.
    pub async fn return_files(self: &Rc<Self>) {
        let limit = self.kernel.now() + limits::BYE;
        let returned = self.query(Query::Return);
        if self.kernel.timers.timeout(Some(limit), returned).await.is_err() {
            let pid = self.home.pid;
            self.kernel.console.log(format_args!("process {pid}: what it stored to files is lost"));
        }
    }

    pub(super) fn answered(&self, id: u32, result: Result<Vec<u8>, BodyLost>) {
        if let Some(promise) = self.queries.borrow_mut().remove(&id) {
            promise.fulfil(result);
        }
    }
}

impl BodyDriver {
    pub(super) fn answer(self: &Rc<Self>, id: u32, query: &Query) {
        let body = self.body.borrow().clone();
        let bytes = match (body, query) {
            (Some(body), Query::Maps) => regions(&body),
            (Some(body), Query::Status) => status(&measure(&body)),
            (Some(body), Query::Use) => {
                // Counting takes its time.
                let driver = Rc::clone(self);
                self.kernel.spawner.spawn(Priority::Service, async move {
                    let bytes = used(body).await;
                    driver.input(BodyInput::Answer { id, bytes });
                });
                return;
            }
            (Some(_), Query::Memory { request }) => {
                return self.answer_with_memory(id, request.clone());
            }
            (Some(body), Query::Return) => return self.end_and_return(id, &body),
            (None, _) => Vec::new(),
        };
        self.input(BodyInput::Answer { id, bytes });
    }

    /// What is asked of the memory may have to be paged in.
    fn answer_with_memory(self: &Rc<Self>, id: u32, request: MemoryRequest) {
        let driver = Rc::clone(self);
        self.kernel.spawner.spawn(Priority::Service, async move {
            let reply = match driver.local_memory() {
                Some(memory) => serve_copy(&memory, request).await,
                None => MemoryReply::Failed { errno: Errno::ESRCH },
            };
            let mut bytes = Vec::new();
            reply.encode(&mut bytes);
            driver.input(BodyInput::Answer { id, bytes });
        });
    }

    fn local_memory(&self) -> Option<LocalMemory> {
        self.process.borrow().as_ref().and_then(|cell| cell.local_memory())
    }

    /// The process ends: its threads stop, those who wait for their locks are told, and its files
    /// get what they lack.
    fn end_and_return(self: &Rc<Self>, id: u32, body: &Rc<Body>) {
        body.halt();
        let (driver, body) = (Rc::clone(self), Rc::clone(body));
        self.kernel.spawner.spawn(Priority::Service, async move {
            let threads: Vec<_> = body.threads.borrow().values().cloned().collect();
            if let Some(memory) = driver.local_memory() {
                for thread in threads {
                    memory.release_robust(&driver.kernel.futexes, &thread).await;
                }
            }
            driver.return_files(&body).await;
            driver.input(BodyInput::Answer { id, bytes: Vec::new() });
        });
    }
}
