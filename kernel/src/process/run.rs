//! The life of a user thread: run, see why it came back, serve that, look for signals (D2).

use alloc::rc::Rc;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use wayfarer_machine::Trap;
use wayfarer_proto::console::Stage;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{
    BUS_ADRERR, FPE_FLTINV, FPE_INTDIV, ILL_ILLOPN, SI_KERNEL, SigDetail, SigInfo, Signal,
    TRAP_BRKPT,
};
use wayfarer_proto::message::CpuTime;
use wayfarer_proto::roam::Roam;
use wayfarer_proto::table::{Class, Sysno};
use wayfarer_proto::time::Instant;

use super::apply::SYSCALL_LENGTH;
use super::local_memory::{OUT_OF_MEMORY, Unresolved};
use super::quick::Quick;
use super::{Body, BodyThread, ProcessCell};
use crate::executor::{Priority, Subject, yield_now};
use crate::kernel::Kernel;
use crate::memory::AccessKind;
use crate::net::Network;
use crate::syscall::serve::AtOnce;
use crate::syscall::{Call, Reply, Request};

/// How often a thread that is about to run user code lets frames of peers go first: peers that
/// send without a pause must not keep it from running.
const MOST_YIELDS: usize = 4;

/// A thread that runs on this node: what the body half of a call knows.
#[derive(Clone)]
pub struct Running {
    /// This node.
    pub kernel: Rc<Kernel>,
    /// The process.
    pub process: Rc<ProcessCell>,
    /// Its body.
    pub body: Rc<Body>,
    /// The thread.
    pub thread: Rc<BodyThread>,
}

/// Whether a thread goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It runs user code again.
    Run,
    /// It has ended, or its process has.
    End,
}

/// Why a thread no longer runs freely.
enum Stop {
    /// User code was left for this, which is yet to be served.
    Trap(Trap),
    /// A call has been served; its answer has more to it than a result, or comes later.
    Reply(Call, Poll<Reply>),
    /// There is something else to look after.
    Disturbed,
}

/// A call that is being timed.
struct Timed<'a> {
    running: &'a Running,
    began: Instant,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let Self { running, began } = self;
        running.thread.call_time.note(running.kernel.now().since(*began));
    }
}

impl Running {
    /// Starts the thread's task; it goes on from whatever state its data say.
    pub fn start(self) {
        let spawner = self.kernel.spawner.clone();
        let thread = Rc::clone(&self.thread);
        let task = spawner.spawn(Priority::User, async move {
            self.run_charged().await;
        });
        thread.set_task(task);
    }

    /// Runs, and charges the thread with the time that this takes the kernel.
    async fn run_charged(&self) {
        let mut run = pin!(self.run());
        poll_fn(|context| {
            let (began, before) = (self.kernel.now(), self.thread.cpu.get().user);
            let polled = run.as_mut().poll(context);
            let spent = self.kernel.now().since(began).as_nanos() as u64;
            let user = self.thread.cpu.get().user - before;
            self.charge(CpuTime { user: 0, system: spent.saturating_sub(user) });
            polled
        })
        .await;
    }

    fn charge(&self, used: CpuTime) {
        self.thread.cpu.set(self.thread.cpu.get() + used);
        self.body.cpu.set(self.body.cpu.get() + used);
    }

    async fn run(&self) {
        let mut next = self.resume_call().await;
        let mut yields = 0;
        while next == Next::Run {
            if self.pass_to_user().await == Next::End {
                return;
            }
            if yields < MOST_YIELDS && self.frames_wait() {
                yields += 1;
                let _stoppable = self.thread.stoppable();
                yield_now().await;
                continue;
            }
            yields = 0;
            next = match self.run_freely() {
                Stop::Disturbed => Next::Run,
                Stop::Trap(trap) => self.serve(trap).await,
                Stop::Reply(call, Poll::Ready(reply)) => self.apply(Some(call), reply).await,
                Stop::Reply(_, Poll::Pending) => self.resume_call().await,
            };
        }
    }

    /// What must happen before user code runs: stops are honoured and attentions answered.
    async fn pass_to_user(&self) -> Next {
        loop {
            let body = &self.body;
            if body.is_freezing() {
                let _stoppable = self.thread.stoppable();
                core::future::pending::<()>().await;
            }
            if body.is_being_copied() {
                let _stoppable = self.thread.stoppable();
                body.wait_copied().await;
            }
            if body.is_stopped() {
                let _stoppable = self.thread.stoppable();
                body.wait_resumed().await;
            }
            if body.cpu_timers.are_armed() && self.expire_cpu_timers().await == Next::End {
                return Next::End;
            }
            if body.is_freezing() || body.is_being_copied() || body.is_stopped() {
                continue;
            }
            if !self.thread.attention.take() {
                return Next::Run;
            }
            let reply = self.transact(None, Request::Null).await;
            if self.apply(None, reply).await == Next::End {
                return Next::End;
            }
        }
    }

    /// Whether the network has frames of which no interrupt would tell while user code runs.
    fn frames_wait(&self) -> bool {
        self.kernel.network.as_ref().is_some_and(Network::rest)
    }

    /// Runs user code, and serves its calls as long as they end where they are made.
    fn run_freely(&self) -> Stop {
        let kernel = &self.kernel;
        let began = kernel.arm_slice();
        kernel.laps.mark(Stage::Unpacking);
        let stop = self.run_and_serve();
        kernel.laps.mark(Stage::User);
        let CpuTime { user, .. } = self.thread.call_time.divide(kernel.now().since(began));
        kernel.meter.excuse(Duration::from_nanos(user));
        self.charge(CpuTime { user, system: 0 });
        stop
    }

    fn run_and_serve(&self) -> Stop {
        let counts_calls = matches!(self.kernel.roam, Roam::Every(_) | Roam::Once(_));
        let is_watched = self.kernel.trace.get() || counts_calls;
        let (memory, mut quick) = (self.body.memory(), Quick::new(self));
        loop {
            let call = {
                let space = memory.space.borrow();
                let mut context = self.thread.context.borrow_mut();
                match context.run(space.page_table()) {
                    Trap::Syscall if !is_watched => Call::from_registers(&context.registers).ok(),
                    trap => return self.stop_at(trap),
                }
            };
            let Some(call) = call else { return self.stop_at(Trap::Syscall) };
            self.kernel.forget_stale_tick();
            let _timed = self.time_call();
            match quick.serve(&call) {
                None => return self.stop_at(Trap::Syscall),
                Some(AtOnce::Done(returned)) => self.return_from(call, returned),
                Some(AtOnce::Answered(reply)) => return Stop::Reply(call, reply),
            }
            if self.is_disturbed() {
                return Stop::Disturbed;
            }
        }
    }

    fn stop_at(&self, trap: Trap) -> Stop {
        match self.kernel.take_stale_tick() && trap == Trap::Interrupt {
            true => Stop::Disturbed,
            false => Stop::Trap(trap),
        }
    }

    /// Times a call until the guard is dropped, if it is to be timed.
    #[inline]
    fn time_call(&self) -> Option<Timed<'_>> {
        let is_due = self.thread.call_time.is_due();
        is_due.then(|| Timed { running: self, began: self.kernel.now() })
    }

    /// Whether the thread may not just go on.
    fn is_disturbed(&self) -> bool {
        let body = &self.body;
        // Without branches in between: to look at all costs less than to decide after each.
        let held = u8::from(body.is_freezing()) | u8::from(body.is_stopped());
        let asked = u8::from(self.thread.attention.get()) | u8::from(body.is_being_copied());
        held | asked | u8::from(body.cpu_timers.are_armed()) != 0
    }

    async fn serve(&self, trap: Trap) -> Next {
        match trap {
            Trap::Syscall => self.system_call().await,
            Trap::Interrupt => {
                self.kernel.interrupted();
                let _stoppable = self.thread.stoppable();
                yield_now().await;
                Next::Run
            }
            Trap::PageFault { address, write, instruction, .. } => {
                let kind = match (write, instruction) {
                    (true, _) => AccessKind::Write,
                    (_, true) => AccessKind::Execute,
                    _ => AccessKind::Read,
                };
                self.kernel.meter.subject(Subject::Words("page fault"));
                match self.local_memory().resolve(UserAddr(address), kind).await {
                    Ok(()) => Next::Run,
                    Err(Unresolved::Signal(info)) => self.fault(info).await,
                    Err(Unresolved::OutOfMemory) => {
                        let (key, node) = (self.body.key, self.kernel.node);
                        self.kernel.console.log(format_args!(
                            "out of memory on node {node}: process {key} is ended"
                        ));
                        self.die(OUT_OF_MEMORY).await
                    }
                }
            }
            Trap::Exception { vector, .. } => self.fault(self.exception(vector)).await,
        }
    }

    async fn system_call(&self) -> Next {
        let call = Call::from_registers(&self.thread.context.borrow().registers);
        match call {
            Ok(_) if self.roams_now() => self.roam().await,
            Ok(call) if self.kernel.trace.get() => {
                let began = self.kernel.now();
                let next = self.execute(call, None).await;
                self.trace(&call, began, next);
                // What is told would else pile up faster than it is read.
                self.kernel.console.room().await;
                next
            }
            Ok(call) => self.execute(call, None).await,
            Err(number) => self.extra_call(number).await,
        }
    }

    /// Whether the process shall move before the call it is about to make.
    fn roams_now(&self) -> bool {
        let at_home = self.body.key.home == self.kernel.node;
        let due = match self.kernel.roam {
            Roam::Stay | Roam::Period(_) => return false,
            Roam::Every(calls) => calls,
            Roam::Once(_) if !at_home => return false,
            Roam::Once(calls) => calls,
        };
        let calls = self.thread.calls.get() + 1;
        self.thread.calls.set(calls);
        let is_due = match self.kernel.roam {
            Roam::Once(_) => calls == due,
            _ => calls.is_multiple_of(due),
        };
        // One move at a time: what the other threads call meanwhile is served here.
        is_due && !self.body.roaming.replace(true)
    }

    /// Moves to the next node, and makes the call there: it is wound back first.
    async fn roam(&self) -> Next {
        self.thread.context.borrow_mut().registers.rip -= SYSCALL_LENGTH;
        let next = self.kernel.node.0 % self.kernel.nodes + 1;
        let call = Call { sysno: Sysno::migrate, args: [next.into(), 0, 0, 0, 0, 0] };
        let reply = self.transact(None, Request::Call(call)).await;
        self.body.roaming.set(false);
        self.apply(None, reply).await
    }

    /// A synchronous signal: home judges it.
    async fn fault(&self, info: SigInfo) -> Next {
        let reply = self.transact(None, Request::Fault(info)).await;
        self.apply(None, reply).await
    }

    /// The signal of a processor exception (Intel SDM volume 3, table 6-1).
    fn exception(&self, vector: u8) -> SigInfo {
        let (signal, code) = match vector {
            0 => (Signal::SIGFPE, FPE_INTDIV),
            1 => (Signal::SIGTRAP, TRAP_BRKPT),
            3 => (Signal::SIGTRAP, SI_KERNEL),
            4 | 5 | 13 => (Signal::SIGSEGV, SI_KERNEL),
            16 | 19 => (Signal::SIGFPE, FPE_FLTINV),
            11 | 12 | 17 => (Signal::SIGBUS, BUS_ADRERR),
            _ => (Signal::SIGILL, ILL_ILLOPN),
        };
        let address = match vector {
            3 | 4 | 5 | 13 => 0,
            _ => self.thread.context.borrow().registers.rip,
        };
        SigInfo { signal, code, detail: SigDetail::Fault { address } }
    }

    /// Goes on with what the thread did when its task was last ended.
    async fn resume_call(&self) -> Next {
        let Some(state) = self.thread.in_call.get() else { return Next::Run };
        match (state.awaits, state.call) {
            (Some(seq), call) => {
                let reply = self.await_reply(seq).await;
                self.finish(call, reply).await
            }
            (None, Some(call)) => self.execute(call, state.deadline).await,
            (None, None) => Next::Run,
        }
    }

    /// Ends the process: home is told, and its reaper ends this task.
    pub async fn die(&self, status: WaitStatus) -> Next {
        match self.process.home() {
            Some(home) => home.begin_exit(status),
            // Away from home the deputy judges, and nothing catches SIGKILL.
            None => {
                let info = SigInfo::kernel(Signal::SIGKILL);
                drop(self.transact(None, Request::Fault(info)).await);
            }
        }
        Next::End
    }

    /// Counts a call made away from home that home will not hear of.
    pub fn count_call(&self, class: Class) {
        if class == Class::Local && self.process.home().is_none() {
            self.body.local_calls.set(self.body.local_calls.get() + 1);
        }
    }

    /// CLOCK_MONOTONIC as this process reads it, in nanoseconds.
    pub fn monotonic(&self) -> u64 {
        self.kernel.now().0.wrapping_add(self.body.clocks.get().monotonic)
    }

    /// CLOCK_REALTIME more than CLOCK_MONOTONIC, as this process reads them.
    pub fn realtime_offset(&self) -> Duration {
        self.body.clocks.get().realtime
    }
}
