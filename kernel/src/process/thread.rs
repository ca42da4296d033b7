//! The part of a thread that travels. All of it is data (decision D2).

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_machine::UserContext;
use wayfarer_proto::id::{CallSeq, Tid, UserAddr};
use wayfarer_proto::linux::signal::{SS_DISABLE, SigAltStack};
use wayfarer_proto::message::{CpuTime, OutBytes};
use wayfarer_proto::time::Instant;

use super::CallTime;
use crate::executor::{TaskHandle, WaitQueue};
use crate::syscall::{Call, Reply};

/// What a thread does while it does not run user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InCall {
    /// The system call, or `None` for an exchange the kernel began (a fault, a null request).
    pub call: Option<Call>,
    /// The transaction whose answer it awaits, if home has been asked.
    pub awaits: Option<CallSeq>,
    /// When its local wait ends: absolute, so that it can go on elsewhere.
    pub deadline: Option<Instant>,
}

/// Home's answer, as it reaches the thread.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Memory to write first.
    pub outs: Vec<OutBytes>,
    /// The answer.
    pub reply: Reply,
}

/// The body half of a thread.
pub struct BodyThread {
    /// The thread id; execve(2) gives the caller the leader's.
    pub tid: Cell<Tid>,
    /// Registers and floating-point state.
    pub context: RefCell<UserContext>,
    /// `None` while it runs user code.
    pub in_call: Cell<Option<InCall>>,
    /// Home wants a null request (rule 4).
    pub attention: Cell<bool>,
    /// Woken for an attention and by what ends a local wait.
    pub woken: WaitQueue,
    /// Cleared, and its futex woken, when the thread exits (set_tid_address(2)).
    pub clear_child_tid: Cell<UserAddr>,
    /// The robust futex list (set_robust_list(2)).
    pub robust_list: Cell<UserAddr>,
    /// The alternate signal stack.
    pub alt_stack: Cell<SigAltStack>,
    /// CPU time used.
    pub cpu: Cell<CpuTime>,
    /// How much of it short calls on this node have used.
    pub call_time: CallTime,
    /// Calls made on this node, for [`Roam`](wayfarer_proto::roam::Roam).
    pub calls: Cell<u32>,
    /// What a local wait waited for has come: the thread must see it before it may be stopped, for
    /// it will not come again.
    pub claimed: Cell<bool>,
    /// A result is being put in place: what is done cannot be done again.
    pub committed: Cell<bool>,
    delivered: RefCell<Option<(CallSeq, Delivered)>>,
    /// Whether its task may be ended where it waits: all of its state is data now.
    stoppable: Cell<bool>,
    /// Woken when `stoppable` becomes true.
    pub stopped: WaitQueue,
    task: RefCell<Option<TaskHandle>>,
}

impl BodyThread {
    /// A thread that will start with `context`.
    pub fn new(tid: Tid, context: UserContext) -> Self {
        Self {
            tid: Cell::new(tid),
            context: RefCell::new(context),
            in_call: Cell::new(None),
            attention: Cell::new(false),
            woken: WaitQueue::new(),
            clear_child_tid: Cell::default(),
            robust_list: Cell::default(),
            alt_stack: Cell::new(NO_ALT_STACK),
            cpu: Cell::default(),
            call_time: CallTime::default(),
            calls: Cell::new(0),
            claimed: Cell::new(false),
            committed: Cell::new(false),
            delivered: RefCell::new(None),
            stoppable: Cell::new(false),
            stopped: WaitQueue::new(),
            task: RefCell::new(None),
        }
    }

    /// Hands the thread home's answer to its transaction `seq`.
    pub fn deliver(&self, seq: CallSeq, delivered: Delivered) {
        *self.delivered.borrow_mut() = Some((seq, delivered));
        self.woken.wake_all();
    }

    /// Waits for the answer to transaction `seq`.
    pub async fn delivered(&self, seq: CallSeq) -> Delivered {
        let _stoppable = self.stoppable();
        let answer = || {
            let mut delivered = self.delivered.borrow_mut();
            match delivered.take() {
                Some((other, answer)) if other == seq => Some(answer),
                other => {
                    *delivered = other;
                    None
                }
            }
        };
        self.woken.wait_until(answer).await
    }

    /// Makes the thread of a new child wait for its first word from home (rule 6).
    pub fn await_first_reply(&self, seq: CallSeq) {
        self.in_call.set(Some(InCall { call: None, awaits: Some(seq), deadline: None }));
    }

    /// Says that the thread's task may be ended while the guard lives.
    pub fn stoppable(&self) -> Stoppable<'_> {
        self.stoppable.set(true);
        self.stopped.wake_all();
        Stoppable { thread: self }
    }

    /// Whether what the thread does now can be begun again from its data.
    pub fn is_repeatable(&self) -> bool {
        !self.committed.get() && self.in_call.get().is_none_or(|state| state.awaits.is_none())
    }

    /// Whether the thread's task may be ended now: it waits, and what it waits for has not come.
    pub fn is_stoppable(&self) -> bool {
        self.stoppable.get() && !self.claimed.get() && self.delivered.borrow().is_none()
    }

    /// Remembers the task that runs the thread.
    pub fn set_task(&self, task: TaskHandle) {
        *self.task.borrow_mut() = Some(task);
    }

    /// Ends the task that runs the thread if it may be ended; whether the thread has none now.
    pub fn rest(&self) -> bool {
        if self.is_stoppable() {
            self.halt();
        }
        self.task.borrow().is_none()
    }

    /// Ends the task that runs the thread.
    pub fn halt(&self) {
        let task = self.task.borrow_mut().take();
        if let Some(task) = task {
            task.cancel();
        }
    }
}

/// A stretch in which a thread's task may be ended.
pub struct Stoppable<'a> {
    thread: &'a BodyThread,
}

impl Drop for Stoppable<'_> {
    fn drop(&mut self) {
        self.thread.stoppable.set(false);
    }
}

/// No alternate stack, as after execve(2).
pub const NO_ALT_STACK: SigAltStack =
    SigAltStack { base: 0, flags: SS_DISABLE, padding: 0, size: 0 };
