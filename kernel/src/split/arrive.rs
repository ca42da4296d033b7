//! A body arrives: its image becomes an address space and threads, which wait for the verdict.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_body::{ImageSink, Input};
use wayfarer_machine::{FrameReservation, OutOfFrames, UserContext};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Epoch, NodeId, ProcessKey};
use wayfarer_proto::image::{ContentHash, Header, Record, Thread, ThreadState};
use wayfarer_proto::limits;
use wayfarer_proto::message::Remembered;
use wayfarer_proto::table::Sysno;
use wayfarer_proto::time::Instant;

use super::berths::Berth;
use super::body::BodyDriver;
use super::depart::parse_registers;
use crate::executor::Priority;
use crate::kernel::Kernel;
use crate::memory::{Arrival, ImageError};
use crate::process::{Body, BodyThread, Clocks, CpuTimer, Identity, InCall, Memory, ProcessCell};
use crate::syscall::Call;

/// What has arrived of a body.
pub struct Parts {
    /// It goes with them: a body that is whole waits for the verdict without it, for as long as the
    /// others of its group take.
    _berth: Berth,
    memory: Arrival,
    /// The epoch at whose end the body left what this node has kept of it.
    left: Option<Epoch>,
    header: Option<Header>,
    threads: Vec<Thread>,
    /// The node.
    node: NodeId,
    /// When the header came: transit counts from there.
    began: Instant,
}

impl Parts {
    /// Promises a body the frames it says it needs (decision D6).
    ///
    /// # Errors
    /// [`OutOfFrames`] if there are fewer.
    pub fn admit(
        kernel: &Kernel,
        process: ProcessKey,
        frames: u64,
        berth: Berth,
    ) -> Result<Self, OutOfFrames> {
        let (remnant, left) = kernel.remnants.take(process).unzip();
        let memory = Arrival::admit(kernel.memory(), frames, remnant)?;
        let (node, began) = (kernel.node, kernel.now());
        let threads = Vec::new();
        Ok(Self { _berth: berth, memory, left, header: None, threads, node, began })
    }

    /// What this node has kept of the body's memory.
    pub fn remembered(&self) -> Option<Remembered> {
        self.memory.remembered(self.left?)
    }

    fn take(&mut self, record: Record) -> Result<(), ImageError> {
        match record {
            Record::Header { header } => {
                let home = header.process.home;
                self.memory.set_guest_of((home != self.node).then_some(home));
                self.memory.begin(header.memory, header.brk_start..header.brk)?;
                self.header = Some(header);
            }
            Record::Region { region } => self.memory.add_region(&region)?,
            Record::Thread { thread } => self.threads.push(thread),
            Record::Same { first, count, changed } => {
                self.memory.keep_pages(first..first.saturating_add(count), changed)?;
            }
            Record::Pages { .. } | Record::End { .. } => {}
        }
        Ok(())
    }
}

impl ImageSink for Parts {
    fn record(&mut self, record: Record) -> Result<(), Errno> {
        Ok(self.take(record)?)
    }

    fn pages(
        &mut self,
        first: u64,
        changed: Epoch,
        content: &[[u8; limits::PAGE]],
        hash: &mut ContentHash,
    ) -> Result<(), Errno> {
        Ok(self.memory.add_pages(first, changed, content, hash)?)
    }
}

impl BodyDriver {
    /// Takes bytes of the image; the driver is to be drained then. That concerns nothing but the
    /// session and memory: they may lie in a buffer of the network.
    pub(super) fn image_received(&self, bytes: &[u8]) {
        let now = self.kernel.now();
        if let Some(parts) = &mut *self.arrival.borrow_mut() {
            self.session.borrow_mut().image_received(now, bytes, parts);
        }
    }

    /// All records are there: the body is put together, but does not run yet.
    pub(super) fn complete(self: &Rc<Self>) {
        let parts = self.arrival.borrow_mut().take();
        let body = parts.ok_or(Errno::EINVAL).and_then(|parts| assemble(&self.kernel, parts));
        match body {
            Ok((body, room)) => {
                *self.room.borrow_mut() = Some(room);
                *self.body.borrow_mut() = Some(body);
                self.input(Input::Installed);
            }
            Err(errno) => self.input(Input::ArrivalFailed { errno }),
        }
    }

    /// The verdict: the body runs here from now on.
    pub(super) fn run(self: &Rc<Self>, stopped: bool) {
        let image = self.image.borrow_mut().take();
        if let Some(image) = image {
            image.close();
        }
        self.kernel.forget_arrival(self);
        // Whoever shares pages with it has come, too: there is room to page them in.
        self.room.take();
        let Some(body) = self.body.borrow().clone() else { return };
        if body.key.home == self.kernel.node {
            let Some(process) = self.kernel.processes.get(body.key) else { return };
            process.come_home(&body, self);
            self.set_process(&process);
        } else {
            let process = ProcessCell::guest(body, Rc::clone(self));
            self.set_process(&process);
            self.kernel.processes.insert(process);
        }
        self.start_threads(stopped);
    }
}

/// The body, and the room that is left of what was promised to it.
fn assemble(kernel: &Kernel, mut parts: Parts) -> Result<(Rc<Body>, FrameReservation), Errno> {
    let header = parts.header.ok_or(Errno::EINVAL)?;
    if let Some(rest) = parts.memory.take_remnant() {
        kernel.spawner.spawn(Priority::Service, Memory::dissolve(Memory::new(rest)));
    }
    let (space, room) = parts.memory.finish();
    let body = Body::new(header.process, header.name.clone(), Memory::new(space));
    body.clocks.set(clocks(kernel, &header, parts.began));
    let (user, group) = header.identity;
    body.identity.set(Identity { user, group });
    body.cpu.set(header.usage.cpu);
    body.io.set(header.usage.io);
    let timer =
        |(expires, interval)| CpuTimer { expires: (expires > 0).then_some(expires), interval };
    body.cpu_timers.user.set(timer(header.cpu_timers.0));
    body.cpu_timers.profile.set(timer(header.cpu_timers.1));
    body.local_calls.set(header.usage.local_calls);
    body.set_last_seq(header.last_seq);
    for record in parts.threads {
        let thread = thread(&body, &record)?;
        body.threads.borrow_mut().insert(record.tid, Rc::new(thread));
    }
    Ok((body, room))
}

/// CLOCK_MONOTONIC goes on where it was when the body was frozen, plus the time since the image
/// began to come: it never jumps back.
fn clocks(kernel: &Kernel, header: &Header, began: Instant) -> Clocks {
    let _ = kernel;
    Clocks {
        monotonic: header.monotonic.0.wrapping_sub(began.0),
        realtime: Duration::from_nanos(header.realtime_offset_ns.try_into().unwrap_or(0)),
    }
}

fn thread(body: &Body, record: &Thread) -> Result<BodyThread, Errno> {
    let mut context = UserContext::new();
    context.registers = parse_registers(&record.registers)?;
    context.set_fpu_image(&record.fpu).map_err(|_| Errno::EINVAL)?;
    let thread = BodyThread::new(record.tid, context);
    thread.cpu.set(record.cpu);
    thread.alt_stack.set(record.alt_stack);
    thread.clear_child_tid.set(record.clear_tid);
    thread.robust_list.set(record.robust_list.0);
    thread.in_call.set(in_call(body, record)?);
    Ok(thread)
}

fn in_call(body: &Body, record: &Thread) -> Result<Option<InCall>, Errno> {
    Ok(match &record.state {
        ThreadState::Running => None,
        ThreadState::AwaitReply { seq, call } => {
            let call = match call {
                None => None,
                Some((number, args)) => {
                    let sysno = Sysno::from_number((*number).into()).ok_or(Errno::EINVAL)?;
                    Some(Call { sysno, args: args.registers() })
                }
            };
            Some(InCall { call, awaits: Some(*seq), deadline: None })
        }
        ThreadState::LocalWait { wait } => {
            let sysno = Sysno::from_number(wait.number.into()).ok_or(Errno::EINVAL)?;
            let own = |at: Instant| Instant(at.0.wrapping_sub(body.clocks.get().monotonic));
            let deadline = (wait.deadline != Instant::NEVER).then(|| own(wait.deadline));
            let call = Call { sysno, args: wait.args.registers() };
            Some(InCall { call: Some(call), awaits: None, deadline })
        }
    })
}
