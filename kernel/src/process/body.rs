//! The half of a process that travels: its address space and the user contexts of its threads.

use alloc::rc::Rc;
use alloc::string::String;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use wayfarer_machine::OutOfFrames;
use wayfarer_proto::id::{CallSeq, ProcessKey, Tid};
use wayfarer_proto::message::{CpuTime, IoCounts, Usage};
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::table::Sysno;

use super::freeze::Freezer;
use super::{BodyThread, CpuTimers};
use crate::executor::{WaitQueue, yield_now};
use crate::memory::{AddressSpace, ForkStep};
use crate::syscall::Call;

/// An address space; a vfork child borrows its parent's.
pub struct Memory {
    /// The mappings.
    pub space: RefCell<AddressSpace>,
}

impl Memory {
    /// A copy for a child of fork(2), made in steps.
    ///
    /// # Errors
    /// [`OutOfFrames`] when there are none for its page table.
    pub async fn fork(&self) -> Result<Rc<Self>, OutOfFrames> {
        let mut child = self.space.borrow().begin_fork()?;
        let mut page = 0;
        loop {
            let step = self.space.borrow_mut().fork_step(&mut child, page)?;
            match step {
                ForkStep::At(next) => page = next,
                ForkStep::Done => return Ok(Self::new(child)),
            }
            yield_now().await;
        }
    }

    /// Frees an old address space in steps, unless somebody else has it too.
    pub async fn dissolve(memory: Rc<Self>) {
        let Some(memory) = Rc::into_inner(memory) else { return };
        while memory.space.borrow_mut().shed() {
            yield_now().await;
        }
    }

    /// Wraps an address space.
    pub fn new(space: AddressSpace) -> Rc<Self> {
        Rc::new(Self { space: RefCell::new(space) })
    }
}

/// What a body's clocks read more than its node's monotonic clock: set by home, carried along, so
/// that no move makes time jump (section 5).
#[derive(Clone, Copy, Default, Debug)]
pub struct Clocks {
    /// CLOCK_MONOTONIC, in nanoseconds; wraps.
    pub monotonic: u64,
    /// CLOCK_REALTIME more than CLOCK_MONOTONIC.
    pub realtime: Duration,
}

/// The ids that a program asks for most: known at the body, so that it need not ask home.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The real and the effective user.
    pub user: (u32, u32),
    /// The real and the effective group.
    pub group: (u32, u32),
}

/// Whether calls of this kind read or write: those that [`Body::count_io`] counts.
#[inline]
pub(super) const fn transfers(call: Sysno) -> bool {
    const LOW: u64 = 1 << Sysno::read.number()
        | 1 << Sysno::write.number()
        | 1 << Sysno::pread64.number()
        | 1 << Sysno::pwrite64.number()
        | 1 << Sysno::readv.number()
        | 1 << Sysno::writev.number()
        | 1 << Sysno::sendfile.number();
    let number = call.number();
    // Of the others too many are taken for such calls, which costs time and is no mistake.
    number >= Sysno::preadv.number() || LOW >> (number % 64) & (number < 64) as u64 != 0
}

/// The user context of a process.
pub struct Body {
    /// Which process.
    pub key: ProcessKey,
    /// The program's name, for reports and traces.
    pub name: RefCell<String>,
    /// The address space; execve(2) replaces it.
    memory: RefCell<Rc<Memory>>,
    /// The threads, by id.
    pub threads: RefCell<SortedMap<Tid, Rc<BodyThread>>>,
    /// Who it is.
    pub identity: Cell<Identity>,
    /// Its clocks.
    pub clocks: Cell<Clocks>,
    /// CPU time used by all threads, those that have ended included.
    pub cpu: Cell<CpuTime>,
    /// What it has read and written.
    pub io: Cell<IoCounts>,
    /// The timers that count that time.
    pub cpu_timers: CpuTimers,
    /// A thread has asked to move on by itself; the others need not ask before it is answered.
    pub roaming: Cell<bool>,
    /// Calls served where the body was, away from home.
    pub local_calls: Cell<u64>,
    stopped: Cell<bool>,
    resumed: WaitQueue,
    /// How the threads are stopped for a move.
    pub(super) freezer: Freezer,
    seq: Cell<CallSeq>,
}

impl Body {
    /// A body without threads.
    pub fn new(key: ProcessKey, name: String, memory: Rc<Memory>) -> Rc<Self> {
        Rc::new(Self {
            key,
            name: RefCell::new(name),
            memory: RefCell::new(memory),
            threads: RefCell::default(),
            identity: Cell::default(),
            clocks: Cell::default(),
            cpu: Cell::default(),
            io: Cell::default(),
            cpu_timers: CpuTimers::default(),
            roaming: Cell::new(false),
            local_calls: Cell::new(0),
            stopped: Cell::new(false),
            resumed: WaitQueue::new(),
            freezer: Freezer::default(),
            seq: Cell::default(),
        })
    }

    /// The address space.
    pub fn memory(&self) -> Rc<Memory> {
        Rc::clone(&self.memory.borrow())
    }

    /// Whether a thread may be about to make a mapping that home has granted.
    pub fn is_mapping(&self) -> bool {
        let maps = |call: Call| matches!(call.sysno, Sysno::mmap | Sysno::shmat);
        let threads = self.threads.borrow();
        threads.values().any(|thread| thread.in_call.get().and_then(|at| at.call).is_some_and(maps))
    }

    /// Replaces the address space and gives the old one.
    pub fn replace_memory(&self, memory: Rc<Memory>) -> Rc<Memory> {
        self.memory.replace(memory)
    }

    /// The thread with this id.
    pub fn thread(&self, tid: Tid) -> Option<Rc<BodyThread>> {
        self.threads.borrow().get(&tid).cloned()
    }

    /// Makes a thread ask home what there is for it, before it next runs user code.
    pub fn attention(&self, tid: Tid) {
        if let Some(thread) = self.thread(tid) {
            thread.attention.set(true);
            thread.woken.wake_all();
        }
    }

    /// Stops every thread before it next runs user code, or lets them go on.
    pub fn set_stopped(&self, stopped: bool) {
        self.stopped.set(stopped);
        self.resumed.wake_all();
    }

    /// Whether the threads must not run.
    pub fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Waits while the process is stopped.
    pub async fn wait_resumed(&self) {
        self.resumed.wait_until(|| (!self.stopped.get()).then_some(())).await;
    }

    /// The number of the process's next transaction.
    pub fn next_seq(&self) -> CallSeq {
        let seq = CallSeq(self.seq.get().0.wrapping_add(1));
        self.seq.set(seq);
        seq
    }

    /// The number of its latest transaction.
    pub fn last_seq(&self) -> CallSeq {
        self.seq.get()
    }

    /// Goes on counting where a former body, or a session, stopped.
    pub fn set_last_seq(&self, seq: CallSeq) {
        self.seq.set(seq);
    }

    /// What the process has used, as far as its body knows.
    pub fn usage(&self) -> Usage {
        Usage { cpu: self.cpu.get(), io: self.io.get(), local_calls: self.local_calls.get() }
    }

    /// Counts a call that has read or written, if it is one that does.
    pub fn count_io(&self, call: Sysno, bytes: u64) {
        let (reads, writes) = match call {
            Sysno::read | Sysno::pread64 | Sysno::readv | Sysno::preadv | Sysno::preadv2 => (1, 0),
            Sysno::write | Sysno::pwrite64 | Sysno::writev | Sysno::pwritev | Sysno::pwritev2 => {
                (0, 1)
            }
            Sysno::sendfile | Sysno::copy_file_range => (1, 1),
            _ => return,
        };
        let mut io = self.io.get();
        io.reads += reads;
        io.writes += writes;
        io.bytes_read = io.bytes_read.saturating_add(reads * bytes);
        io.bytes_written = io.bytes_written.saturating_add(writes * bytes);
        self.io.set(io);
    }

    /// Home's wall clock was set.
    pub fn step_clock(&self, realtime_offset_ns: i64) {
        let realtime = Duration::from_nanos(realtime_offset_ns.try_into().unwrap_or(0));
        self.clocks.set(Clocks { realtime, ..self.clocks.get() });
    }

    /// Frees the memory of a body whose threads have ended, in steps, unless somebody else has it
    /// too.
    pub async fn shed_memory(&self) {
        while self.shed_some() {
            yield_now().await;
        }
    }

    fn shed_some(&self) -> bool {
        let memory = self.memory.borrow();
        Rc::strong_count(&memory) == 1 && memory.space.borrow_mut().shed()
    }

    /// Ends all threads for good, and a freeze that waits for one.
    pub fn end(&self) {
        self.halt();
        self.threads.borrow_mut().clear();
        self.thaw();
    }

    /// Ends the tasks of all threads where they wait. Their contexts stay as they are.
    pub fn halt(&self) {
        let threads: alloc::vec::Vec<_> = self.threads.borrow().values().cloned().collect();
        for thread in threads {
            thread.halt();
        }
    }
}
