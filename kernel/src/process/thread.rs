//! The part of a thread that travels. All of it is data (decision D2).

use core::cell::{Cell, RefCell};

use wayfarer_machine::UserContext;
use wayfarer_proto::id::{CallSeq, Tid, UserAddr};
use wayfarer_proto::linux::signal::{SS_DISABLE, SigAltStack};
use wayfarer_proto::time::Instant;

use crate::executor::{TaskHandle, WaitQueue};
use crate::syscall::Call;

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

/// The body half of a thread.
pub struct BodyThread {
    /// The thread id.
    pub tid: Tid,
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
    seq: Cell<CallSeq>,
    task: RefCell<Option<TaskHandle>>,
}

impl BodyThread {
    /// A thread that will start with `context`.
    pub fn new(tid: Tid, context: UserContext) -> Self {
        Self {
            tid,
            context: RefCell::new(context),
            in_call: Cell::new(None),
            attention: Cell::new(false),
            woken: WaitQueue::new(),
            clear_child_tid: Cell::default(),
            robust_list: Cell::default(),
            alt_stack: Cell::new(NO_ALT_STACK),
            seq: Cell::default(),
            task: RefCell::new(None),
        }
    }

    /// The number of its next transaction.
    pub fn next_seq(&self) -> CallSeq {
        let seq = CallSeq(self.seq.get().0.wrapping_add(1));
        self.seq.set(seq);
        seq
    }

    /// The number of its latest transaction.
    pub fn last_seq(&self) -> CallSeq {
        self.seq.get()
    }

    /// Goes on counting where the thread's former body stopped.
    pub fn set_last_seq(&self, seq: CallSeq) {
        self.seq.set(seq);
    }

    /// Remembers the task that runs the thread.
    pub fn set_task(&self, task: TaskHandle) {
        *self.task.borrow_mut() = Some(task);
    }

    /// Ends the task that runs the thread.
    pub fn halt(&self) {
        let task = self.task.borrow_mut().take();
        if let Some(task) = task {
            task.cancel();
        }
    }
}

/// No alternate stack, as after execve(2).
pub const NO_ALT_STACK: SigAltStack =
    SigAltStack { base: 0, flags: SS_DISABLE, padding: 0, size: 0 };
