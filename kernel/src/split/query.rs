//! What home asks about a body that is away: its mappings, for `/proc/PID/maps`.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_body::Input as BodyInput;
use wayfarer_deputy::{BodyLost, Input};
use wayfarer_proto::codec::{Reader, Wire};
use wayfarer_proto::image::Region;
use wayfarer_proto::limits;
use wayfarer_proto::message::Query;

use super::{BodyDriver, DeputyDriver};
use crate::executor::{Priority, Slot};
use crate::process::Body;

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

impl DeputyDriver {
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
        let mut bytes = match (&body, query) {
            (Some(body), Query::Maps) => regions(body),
            (Some(body), Query::Status) => {
                let resident = body.memory().space.borrow().resident_pages() as u64;
                [resident.to_le_bytes(), body.cpu.get().to_le_bytes()].concat()
            }
            (Some(body), Query::Return) => return self.end_and_return(id, body),
            (None, _) => Vec::new(),
        };
        bytes.truncate(limits::WINDOW);
        self.input(BodyInput::Answer { id, bytes });
    }

    /// The process ends: its threads stop, those who wait for their locks are told, and its files
    /// get what they lack.
    fn end_and_return(self: &Rc<Self>, id: u32, body: &Rc<Body>) {
        body.halt();
        let (driver, body) = (Rc::clone(self), Rc::clone(body));
        self.kernel.spawner.spawn(Priority::Service, async move {
            let threads: Vec<_> = body.threads.borrow().values().cloned().collect();
            let memory = driver.process.borrow().as_ref().and_then(|cell| cell.local_memory());
            if let Some(memory) = memory {
                for thread in threads {
                    memory.release_robust(&driver.kernel.futexes, &thread).await;
                }
            }
            driver.return_files(&body).await;
            driver.input(BodyInput::Answer { id, bytes: Vec::new() });
        });
    }
}
