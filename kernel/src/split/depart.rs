//! A body leaves: what it needs, how its threads stop, and its image on the way out.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

use wayfarer_body::{ImageWriter, Input};
use wayfarer_machine::{Registers, Room};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::{IMAGE_PORT, Purpose, hello};
use wayfarer_proto::id::{Epoch, NodeId};
use wayfarer_proto::image::{ContentHash, Header, LocalWait, Record, Thread, ThreadState};
use wayfarer_proto::message::{Refusal, Requirements, Ticket, Totals};
use wayfarer_proto::time::Instant;

use super::body::BodyDriver;
use super::memory::wire_args;
use super::wire::{Heard, Wire};
use crate::executor::{Priority, yield_now};
use crate::memory::{CleanFilePages, FootprintCount, PageRun, Travel};
use crate::net::{Connection, Kind};
use crate::process::{Body, BodyThread, CpuTimer, InCall};

/// Frames a channel and the kernel's own bookkeeping take beside the image.
const OVERHEAD_FRAMES: u64 = 64;

impl BodyDriver {
    /// Says what the body needs of another node.
    pub(super) fn survey(self: &Rc<Self>) {
        let driver = Rc::clone(self);
        self.kernel.spawner.spawn(Priority::Service, async move {
            let body = driver.body.borrow().clone();
            let result = match &body {
                Some(body) => driver.requirements(body).await,
                None => Err(Refusal { errno: Errno::ESRCH, reason: "it has no body".into() }),
            };
            driver.input(Input::Surveyed(result));
        });
    }

    async fn requirements(&self, body: &Rc<Body>) -> Result<Requirements, Refusal> {
        let memory = body.memory();
        let mut count = FootprintCount::default();
        while !memory.space.borrow().count_footprint(&mut count, CleanFilePages::Skip) {
            yield_now().await;
        }
        let needed = count.footprint();
        let requirements = self.kernel.offer(needed.frames + OVERHEAD_FRAMES);
        Ok(Requirements { shared_frames: needed.shared, ..requirements })
    }

    /// Stops every thread: those that wait stop where they wait, the others finish what they do
    /// up to their next passage to user mode.
    pub(super) fn freeze(self: &Rc<Self>) {
        if let Some(process) = &*self.process.borrow() {
            process.begin_transit();
        }
        let Some(body) = self.body.borrow().clone() else { return };
        let driver = Rc::clone(self);
        let (thaws, frozen) = (body.thaws(), body.freeze());
        self.kernel.spawner.spawn(Priority::Service, async move {
            let left = frozen.await && driver.leave_files(&body).await;
            // A freeze that was called off meanwhile is over, though another may have begun.
            if left && body.thaws() == thaws {
                driver.input(Input::Frozen);
            }
        });
    }

    /// A body that stands gives its files back, once nobody at home works on its memory. False if
    /// that cannot be: the freeze is called off, or the body lost.
    async fn leave_files(self: &Rc<Self>, body: &Body) -> bool {
        let served =
            || (!self.session.borrow().is_serving() && self.giving.get() == 0).then_some(());
        self.served.wait_until(served).await;
        body.key.home == self.kernel.node || self.return_files(body).await
    }

    /// The move is off: every thread goes on from what its data say.
    pub(super) fn thaw(self: &Rc<Self>, stopped: bool) {
        self.departed.set(false);
        let image = self.image.borrow_mut().take();
        if let Some(image) = image {
            image.close();
        }
        if let Some(process) = &*self.process.borrow() {
            process.settle();
        }
        self.start_threads(stopped);
    }

    /// Starts the task of every thread of the body, but of those that never stopped.
    pub(super) fn start_threads(self: &Rc<Self>, stopped: bool) {
        let Some(body) = self.body.borrow().clone() else { return };
        body.set_stopped(stopped);
        body.thaw();
        // Those in a wait first, so that they wait again before another thread can wake them.
        let threads: Vec<_> = body.threads.borrow().values().cloned().collect();
        let (first, then): (Vec<_>, Vec<_>) =
            threads.into_iter().partition(|thread| thread.in_call.get().is_some());
        for thread in first.into_iter().chain(then).filter(|thread| thread.rest()) {
            if let Some(running) = self.running(thread.tid.get()) {
                running.start();
            }
        }
    }

    /// Streams the image straight to the target (rule 7).
    pub(super) fn depart(self: &Rc<Self>, node: NodeId, ticket: Ticket) {
        let driver = Rc::clone(self);
        self.kernel.spawner.spawn(Priority::Service, async move {
            match driver.stream(node, ticket).await {
                Ok(totals) => {
                    driver.departed.set(true);
                    driver.input(Input::ImageSent { totals });
                }
                Err(errno) => driver.input(Input::DepartFailed { errno }),
            }
        });
    }

    async fn stream(self: &Rc<Self>, node: NodeId, ticket: Ticket) -> Result<Totals, Errno> {
        let body = self.body.borrow().clone().ok_or(Errno::ESRCH)?;
        let home = self.process.borrow().as_ref().and_then(|process| process.home());
        if let Some(home) = home {
            let maps = self.kernel.coherent_maps(&home);
            body.memory().space.borrow_mut().make_coherent(&maps);
        }
        let network = self.kernel.network.clone().ok_or(Errno::ENETUNREACH)?;
        let connection = network.connect(node, IMAGE_PORT, Kind::Image).await;
        let connection = connection.map_err(|_| Errno::EHOSTUNREACH)?;
        let mut out = Outgoing { connection, writer: ImageWriter::default() };
        out.send(&hello(Purpose::Image { token: ticket.token })).await?;
        self.stream_state(&mut out, &body).await?;
        let epoch = self.session.borrow().epoch();
        let remembered = ticket.remembered;
        let travel = Travel { epoch, remembered, clean: CleanFilePages::Skip };
        stream_pages(&mut out, &body, &travel).await?;
        let totals = out.writer.totals().clone();
        // The end goes out through the session, once it knows that this body is in doubt.
        let wire = Wire::start(&self.kernel.spawner, out.connection, |_: Heard<'_>| {});
        *self.image.borrow_mut() = Some(wire);
        Ok(totals)
    }

    async fn stream_state(&self, out: &mut Outgoing, body: &Rc<Body>) -> Result<(), Errno> {
        let regions: Vec<_> = body.memory().space.borrow().image_regions().collect();
        let threads: Vec<_> = body.threads.borrow().values().cloned().collect();
        let header = self.header(body, regions.len(), threads.len());
        out.record(&Record::Header { header }).await?;
        for region in regions {
            out.record(&Record::Region { region }).await?;
        }
        for thread in threads {
            let thread = thread_record(body, &thread);
            out.record(&Record::Thread { thread }).await?;
        }
        Ok(())
    }

    fn header(&self, body: &Body, regions: usize, threads: usize) -> Header {
        let memory = body.memory();
        let layout = memory.space.borrow().layout();
        let clocks = body.clocks.get();
        let name = || self.kernel.random.borrow_mut().next_u64();
        let session = self.session.borrow();
        Header {
            process: body.key,
            epoch: Epoch(session.epoch().0.wrapping_add(1)),
            memory: memory.space.borrow_mut().name(name),
            name: body.name.borrow().clone(),
            requirements: self.kernel.offer(0),
            usage: body.usage(),
            cpu_timers: (cpu_timer(&body.cpu_timers.user), cpu_timer(&body.cpu_timers.profile)),
            identity: (body.identity.get().user, body.identity.get().group),
            monotonic: Instant(self.kernel.now().0.wrapping_add(clocks.monotonic)),
            realtime_offset_ns: i64::try_from(clocks.realtime.as_nanos()).unwrap_or(i64::MAX),
            brk_start: layout.heap_start,
            brk: layout.heap_end,
            last_seq: body.last_seq(),
            regions: regions as u32,
            threads: threads as u32,
        }
    }
}

/// The connection an image leaves by, and the totals of what left.
struct Outgoing {
    connection: Connection,
    writer: ImageWriter,
}

impl Outgoing {
    async fn record(&mut self, record: &Record) -> Result<(), Errno> {
        let bytes = self.writer.record(record);
        self.send(&bytes).await
    }

    /// Sends a run of pages from where they lie to where they leave.
    async fn content(&mut self, run: &PageRun) -> Result<(), Errno> {
        let head = self.writer.pages(run.first, run.changed, run.frames.len());
        self.send(&head).await?;
        let mut hash = ContentHash::EMPTY;
        let put = |index: usize, room: Room<'_>| run.frames[index].read_mixing(room, hash.lanes());
        let sent = self.connection.write_pages(run.frames.len(), put).await;
        sent.map_err(|_| Errno::ECONNRESET)?;
        let tail = self.writer.content(run.frames.len(), &hash);
        self.send(&tail).await
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        self.connection.write_all(bytes).await.map_err(|_| Errno::ECONNRESET)
    }
}

/// Sends the pages that no region tells, in runs, as far as the target has not got them already;
/// zero pages are not sent.
async fn stream_pages(out: &mut Outgoing, body: &Body, travel: &Travel) -> Result<(), Errno> {
    let memory = body.memory();
    let mut from = 0;
    loop {
        let run = memory.space.borrow().next_run(from, travel);
        let Some(run) = run else { return Ok(()) };
        from = run.end();
        if run.same {
            let record = out.writer.same(run.first, run.changed, run.count);
            out.send(&record).await?;
        } else {
            out.content(&run).await?;
        }
        yield_now().await;
    }
}

fn thread_record(body: &Body, thread: &BodyThread) -> Thread {
    let context = thread.context.borrow();
    Thread {
        tid: thread.tid.get(),
        registers: registers(&context.registers).to_vec(),
        fpu: context.fpu_image(),
        alt_stack: thread.alt_stack.get(),
        clear_tid: thread.clear_child_tid.get(),
        robust_list: (thread.robust_list.get(), 24),
        cpu: thread.cpu.get(),
        state: state(body, thread.in_call.get()),
    }
}

/// When a timer expires, which is never at 0, and its interval.
fn cpu_timer(timer: &Cell<CpuTimer>) -> (u64, u64) {
    let CpuTimer { expires, interval } = timer.get();
    (expires.map_or(0, |at| at.max(1)), interval)
}

/// Where a stopped thread stands. Deadlines travel on the body's own clock.
fn state(body: &Body, in_call: Option<InCall>) -> ThreadState {
    let Some(state) = in_call else { return ThreadState::Running };
    match (state.awaits, state.call) {
        (Some(seq), call) => ThreadState::AwaitReply {
            seq,
            call: call.map(|call| (call.sysno.number(), wire_args(&call))),
        },
        (None, Some(call)) => {
            let own = |at: Instant| Instant(at.0.wrapping_add(body.clocks.get().monotonic));
            let deadline = state.deadline.map_or(Instant::NEVER, own);
            let (number, args) = (call.sysno.number(), wire_args(&call));
            ThreadState::LocalWait { wait: LocalWait { number, args, deadline } }
        }
        (None, None) => ThreadState::Running,
    }
}

/// The registers in the order of [`Thread::registers`].
fn registers(r: &Registers) -> [u64; 20] {
    [
        r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12,
        r.r13, r.r14, r.r15, r.rip, r.rflags, r.fs_base, r.gs_base,
    ]
}

/// The registers that [`Thread::registers`] holds.
///
/// # Errors
/// `EINVAL` unless there are as many as there must be.
pub(super) fn parse_registers(words: &[u64]) -> Result<Registers, Errno> {
    let words: &[u64; 20] = words.try_into().map_err(|_| Errno::EINVAL)?;
    let mut r = Registers::default();
    [
        r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12,
        r.r13, r.r14, r.r15, r.rip, r.rflags, r.fs_base, r.gs_base,
    ] = *words;
    Ok(r)
}
