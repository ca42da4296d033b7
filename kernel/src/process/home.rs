//! The half of a process that stays: identity, descriptors, signals, family (decision D7).

use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::id::{Pid, Tid};
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{SigInfo, Signal, SignalSet};
use wayfarer_proto::message::{CpuTime, Usage};
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::time::Instant;

use super::{
    Credentials, Files, HomeThread, MappedFiles, PosixTimers, ProcessCell, ResourceLimits,
};
use crate::executor::{TaskHandle, WaitQueue};
use crate::ipc::Undo;
use crate::signal::{Disposition, Handlers, Pending};

/// What a program is called, for procfs and reports.
#[derive(Clone, Default)]
pub struct ProgramName {
    /// The base name of the executable, at most 15 bytes (`/proc/PID/comm`).
    pub comm: String,
    /// The executable's path (`/proc/PID/exe`).
    pub path: String,
    /// The arguments, each followed by NUL (`/proc/PID/cmdline`).
    pub arguments: Vec<u8>,
    /// The environment it was started with, each variable followed by NUL (`/proc/PID/environ`).
    pub environment: Vec<u8>,
    /// The auxiliary vector it was started with (`/proc/PID/auxv`).
    pub auxiliary: Vec<u8>,
}

/// What a process did while its body was away (thesis, chapter 5), for reports.
#[derive(Default)]
pub struct Away {
    /// Whether it ever was.
    pub ever: Cell<bool>,
    /// Calls served where the body was.
    pub local: Cell<u64>,
    /// Calls forwarded home.
    pub remote: Cell<u64>,
    /// Calls in which both halves took part.
    pub special: Cell<u64>,
    /// Signals whose handlers ran away from home.
    pub signals: Cell<u64>,
    /// Round trips on its channels.
    pub round_trips: Cell<u64>,
    /// Segments sent again on its channels.
    pub retransmissions: Cell<u64>,
}

/// The system context of a process: whole or split, it stays on the node it was created on.
pub struct Home {
    /// The process id.
    pub pid: Pid,
    /// The process group.
    pub group: Cell<Pid>,
    /// The session.
    pub session: Cell<Pid>,
    /// Who it is: of the process as a whole, as the C library sees to on Linux.
    pub credentials: RefCell<Credentials>,
    /// Descriptors, current directory, umask.
    pub files: Files,
    /// Signal handlers.
    pub signals: Handlers,
    /// Signals sent to the process as a whole.
    pub pending: RefCell<Pending>,
    /// The threads, by id.
    pub threads: RefCell<SortedMap<Tid, Rc<HomeThread>>>,
    /// Resource limits; shared with those who have not changed theirs since fork(2).
    pub limits: RefCell<Rc<ResourceLimits>>,
    /// The program; shared as the limits are.
    pub program: RefCell<Rc<ProgramName>>,
    /// Adopts the orphans among its descendants, as init does (`PR_SET_CHILD_SUBREAPER`).
    pub adopts: Cell<bool>,
    /// What it gets when its parent ends (`PR_SET_PDEATHSIG`).
    pub death_signal: Cell<Option<Signal>>,
    /// The parent; init adopts orphans.
    pub parent: RefCell<Weak<Home>>,
    /// Children, zombies included.
    pub children: RefCell<SortedMap<Pid, Rc<Home>>>,
    /// Woken when a child changes state.
    pub child_changed: WaitQueue,
    /// A change of state that the parent has not waited for yet (stop or continue).
    pub unreported: Cell<Option<WaitStatus>>,
    /// A vfork child that has neither executed nor ended: its parent waits.
    pub borrows_memory: Cell<bool>,
    /// Woken when the process has executed a program or ended, and borrows no memory.
    pub memory_returned: WaitQueue,
    /// The armed ITIMER_REAL, if any.
    pub real_timer: RefCell<Option<RealTimer>>,
    /// The timers of timer_create(2). A child has none.
    pub timers: PosixTimers,
    /// What its end takes back of its semop(2).
    pub semaphore_undo: RefCell<Undo>,
    /// The execution domain (personality(2)): recorded.
    pub personality: Cell<u32>,
    /// What was written to `/proc/PID/oom_score_adj`: recorded.
    pub oom_adjustment: Cell<i32>,
    /// When it was created.
    pub started: Cell<Instant>,
    /// Files that the body has mapped.
    pub maps: MappedFiles,
    /// Programs it has executed since it was forked.
    pub executions: Cell<u32>,
    /// Those that its parent had when it was made.
    pub parent_executions: Cell<u32>,
    /// The signal that tells its parent of its end, if any does (clone(2)).
    pub exit_signal: Cell<Option<Signal>>,
    /// What it did while its body was away.
    pub away: Away,
    /// The generation of its body (decision D6).
    pub epoch: Cell<u32>,
    /// CPU time of children that were waited for.
    pub children_cpu: Cell<CpuTime>,
    /// CPU time of the process, as far as it is known at home.
    pub cpu: Cell<CpuTime>,
    stopped: Cell<Option<Signal>>,
    exiting: Cell<Option<WaitStatus>>,
    zombie: Cell<bool>,
    /// Woken when the process shall exit, and again when it has. Process descriptors share it.
    pub exit_changed: Rc<WaitQueue>,
    /// Woken when a signal is sent. Signal descriptors share it.
    pub signal_arrived: Rc<WaitQueue>,
    cell: RefCell<Weak<ProcessCell>>,
}

/// An armed interval timer (setitimer(2), alarm(2)).
pub struct RealTimer {
    /// When it expires next.
    pub deadline: Instant,
    /// The interval after that; zero for none.
    pub interval: core::time::Duration,
    /// The task that sends SIGALRM.
    pub task: TaskHandle,
}

impl Home {
    /// The home of a new process with one thread.
    pub fn new(pid: Pid, group: Pid, session: Pid, files: Files, signals: Handlers) -> Rc<Self> {
        let home = Rc::new(Self {
            pid,
            group: Cell::new(group),
            session: Cell::new(session),
            credentials: RefCell::default(),
            files,
            signals,
            pending: RefCell::default(),
            threads: RefCell::default(),
            limits: RefCell::default(),
            program: RefCell::default(),
            adopts: Cell::new(false),
            death_signal: Cell::new(None),
            parent: RefCell::default(),
            children: RefCell::default(),
            child_changed: WaitQueue::new(),
            unreported: Cell::new(None),
            borrows_memory: Cell::new(false),
            memory_returned: WaitQueue::new(),
            real_timer: RefCell::new(None),
            timers: PosixTimers::default(),
            semaphore_undo: RefCell::default(),
            personality: Cell::new(0),
            oom_adjustment: Cell::new(0),
            started: Cell::default(),
            maps: MappedFiles::default(),
            executions: Cell::new(0),
            parent_executions: Cell::new(0),
            exit_signal: Cell::new(Some(Signal::SIGCHLD)),
            away: Away::default(),
            epoch: Cell::new(0),
            children_cpu: Cell::default(),
            cpu: Cell::default(),
            stopped: Cell::new(None),
            exiting: Cell::new(None),
            zombie: Cell::new(false),
            exit_changed: Rc::default(),
            signal_arrived: Rc::default(),
            cell: RefCell::default(),
        });
        home.add_thread(pid.leader());
        home
    }

    /// Adds a thread and gives its home half.
    pub fn add_thread(&self, tid: Tid) -> Rc<HomeThread> {
        let thread = Rc::new(HomeThread::new(tid));
        self.threads.borrow_mut().insert(tid, Rc::clone(&thread));
        thread
    }

    /// The thread with this id.
    pub fn thread(&self, tid: Tid) -> Option<Rc<HomeThread>> {
        self.threads.borrow().get(&tid).cloned()
    }

    /// What a thread is called: as its program, unless it says otherwise (`PR_SET_NAME`).
    pub fn name_of(&self, thread: Option<&HomeThread>) -> String {
        let own = thread.and_then(|thread| thread.name.borrow().clone());
        own.unwrap_or_else(|| self.program.borrow().comm.clone())
    }

    /// Tells the home which process it is the home of.
    pub fn attach(&self, cell: &Rc<ProcessCell>) {
        *self.cell.borrow_mut() = Rc::downgrade(cell);
    }

    /// The process, while it has a body somewhere.
    pub fn cell(&self) -> Option<Rc<ProcessCell>> {
        self.cell.borrow().upgrade()
    }

    /// The status the process ends with, once it has begun to.
    pub fn exiting(&self) -> Option<WaitStatus> {
        self.exiting.get()
    }

    /// Whether only the status is left, for the parent to collect.
    pub fn is_zombie(&self) -> bool {
        self.zombie.get()
    }

    /// Whether the process is stopped, and by what.
    pub fn stopped(&self) -> Option<Signal> {
        self.stopped.get()
    }

    /// Begins the end of the process; the first reason counts. Its reaper does the rest.
    pub fn begin_exit(&self, status: WaitStatus) {
        if self.exiting.get().is_none() {
            self.exiting.set(Some(status));
            self.interrupt_all();
            self.exit_changed.wake_all();
        }
    }

    /// Notes what the body says it has used.
    pub fn note_usage(&self, usage: &Usage) {
        self.cpu.set(usage.cpu);
        self.away.local.set(usage.local_calls);
    }

    /// Turns the process into a zombie and tells its parent (wait(2), NOTES).
    pub fn become_zombie(&self) {
        self.zombie.set(true);
        self.exit_changed.wake_all();
        self.end_borrowing();
        if let Some(status) = self.exiting.get() {
            self.tell_parent(status);
        }
    }

    /// The vfork parent may go on.
    pub fn end_borrowing(&self) {
        self.borrows_memory.set(false);
        self.memory_returned.wake_all();
    }

    /// Sends a signal to the process (kill(2)).
    pub fn post(&self, info: SigInfo) {
        if self.prepare_post(&info) {
            return;
        }
        if self.is_discarded(&info, None) || !self.pending.borrow_mut().push(info) {
            return;
        }
        self.signal_arrived.wake_all();
        let taker = self.taker_of(info.signal);
        if let Some(thread) = taker {
            self.notify(&thread);
        }
    }

    /// Sends a signal to one thread (tgkill(2)).
    pub fn post_to(&self, thread: &HomeThread, info: SigInfo) {
        if self.prepare_post(&info) {
            return;
        }
        if !self.is_discarded(&info, Some(thread)) && thread.pending.borrow_mut().push(info) {
            self.signal_arrived.wake_all();
            self.notify(thread);
        }
    }

    /// A synchronous fault: its handler runs now, or the process ends (signal(7)).
    pub fn force(&self, thread: &HomeThread, info: SigInfo) {
        let blocked = thread.mask.get().contains(info.signal);
        match self.signals.disposition(info.signal) {
            Disposition::Caught(_) if !blocked => {
                thread.pending.borrow_mut().push(info);
            }
            _ => self.begin_exit(WaitStatus::Signaled(info.signal.number())),
        }
    }

    /// Stops the process (SIGSTOP and its kin).
    pub fn stop(&self, signal: Signal) {
        if self.stopped.replace(Some(signal)).is_some() {
            return;
        }
        if let Some(cell) = self.cell() {
            cell.set_stopped(true);
        }
        self.interrupt_all();
        self.tell_parent(WaitStatus::Stopped(signal.number()));
    }

    /// Wakes what may have to end because of a signal, a stop or the end of the process.
    pub fn interrupt_all(&self) {
        for thread in self.threads.borrow().values() {
            thread.interrupt.wake_all();
        }
    }

    /// Sends again the attentions that may be lost when the body changes its place.
    pub fn renew_attention(&self) {
        let threads: Vec<_> = self.threads.borrow().values().cloned().collect();
        for thread in threads {
            if thread.must_interrupt(self) {
                self.notify(&thread);
            }
        }
    }

    /// What a signal does the moment it is sent; says whether that was all.
    fn prepare_post(&self, info: &SigInfo) -> bool {
        if self.exiting.get().is_some() {
            return true;
        }
        match info.signal {
            Signal::SIGKILL => {
                self.begin_exit(WaitStatus::Signaled(Signal::SIGKILL.number()));
                return true;
            }
            Signal::SIGCONT => {
                self.discard_pending(SignalSet::STOPS);
                self.resume();
            }
            signal if SignalSet::STOPS.contains(signal) => {
                self.discard_pending(SignalSet::only(Signal::SIGCONT));
            }
            _ => {}
        }
        false
    }

    fn resume(&self) {
        if self.stopped.take().is_none() {
            return;
        }
        if let Some(cell) = self.cell() {
            cell.set_stopped(false);
        }
        self.tell_parent(WaitStatus::Continued);
    }

    /// Forgets pending signals of `set`, of the process and of every thread.
    pub fn discard_pending(&self, set: SignalSet) {
        self.pending.borrow_mut().discard(set);
        for thread in self.threads.borrow().values() {
            thread.pending.borrow_mut().discard(set);
        }
    }

    /// An ignored signal is dropped when it is sent, unless it is blocked: its handler may change.
    fn is_discarded(&self, info: &SigInfo, target: Option<&HomeThread>) -> bool {
        let blocked = match target {
            Some(thread) => thread.mask.get().union(thread.awaited.get()).contains(info.signal),
            None => self
                .taker_of(info.signal)
                .is_none_or(|taker| taker.awaited.get().contains(info.signal)),
        };
        let effect = self.signals.disposition(info.signal);
        !blocked && matches!(effect, Disposition::Ignored | Disposition::Continues)
    }

    /// The thread that shall take a process-directed signal: the first that waits for it, else the
    /// first that does not block it.
    fn taker_of(&self, signal: Signal) -> Option<Rc<HomeThread>> {
        let threads = self.threads.borrow();
        let waits = threads.values().find(|thread| thread.awaited.get().contains(signal));
        let open = || threads.values().find(|thread| !thread.mask.get().contains(signal));
        waits.or_else(open).cloned()
    }

    /// Makes `thread` look at its signals: interrupts its call, or asks for its attention (rule 4).
    fn notify(&self, thread: &HomeThread) {
        if !thread.must_interrupt(self) && !thread.finds_awaited(self) {
            return;
        }
        thread.interrupt.wake_all();
        if !thread.has_open_call()
            && let Some(cell) = self.cell()
        {
            cell.attention(thread.tid);
        }
    }

    /// Tells the parent of a change of state: a signal, and a wake for its wait4(2).
    fn tell_parent(&self, status: WaitStatus) {
        let Some(parent) = self.parent.borrow().upgrade() else { return };
        super::wait::child_changed(&parent, self, status);
    }
}
