//! The part of a thread that stays home: its mask, its signals, and its call in progress.

use alloc::string::String;
use core::cell::{Cell, RefCell};
use core::pin::pin;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, Tid};
use wayfarer_proto::linux::signal::SignalSet;

use super::program::COMM_MAX;
use super::{Home, Schedule};
use crate::executor::{Either, WaitQueue, select};
use crate::signal::{Pending, wants_attention};

/// The home half of a thread.
pub struct HomeThread {
    /// The thread id.
    pub tid: Tid,
    /// Its name, if it is not its program's (`PR_SET_NAME`).
    pub name: RefCell<Option<String>>,
    /// Blocked signals.
    pub mask: Cell<SignalSet>,
    /// The mask to restore after sigsuspend(2), ppoll(2), pselect(2).
    pub saved_mask: Cell<Option<SignalSet>>,
    /// Signals that sigtimedwait(2) waits for. They count as blocked: not even one whose effect is
    /// nothing is thrown away.
    pub awaited: Cell<SignalSet>,
    /// Signals sent to this thread alone.
    pub pending: RefCell<Pending>,
    /// Woken when the call in progress may have to end.
    pub interrupt: WaitQueue,
    /// How it wants to be scheduled.
    pub schedule: Cell<Schedule>,
    call: Cell<Option<CallSeq>>,
    killed: Cell<bool>,
}

impl HomeThread {
    /// A thread that blocks no signal and makes no call.
    pub fn new(tid: Tid) -> Self {
        Self {
            tid,
            name: RefCell::default(),
            mask: Cell::default(),
            saved_mask: Cell::default(),
            awaited: Cell::default(),
            pending: RefCell::default(),
            interrupt: WaitQueue::new(),
            schedule: Cell::default(),
            call: Cell::new(None),
            killed: Cell::new(false),
        }
    }

    /// Gives it a name of its own, cut to what fits.
    pub fn set_name(&self, name: &str) {
        let length = (0..=COMM_MAX).rev().find(|length| name.is_char_boundary(*length));
        *self.name.borrow_mut() = Some(name[..length.unwrap_or(0).min(name.len())].into());
    }

    /// Whether a transaction is open: a signal then waits for its end (rule 4).
    pub fn has_open_call(&self) -> bool {
        self.call.get().is_some()
    }

    /// The transaction that is open.
    pub fn open_call(&self) -> Option<CallSeq> {
        self.call.get()
    }

    /// Opens a transaction. Says no if one is open: the body is at fault.
    pub fn open(&self, seq: CallSeq) -> bool {
        let free = self.call.get().is_none();
        if free {
            self.call.set(Some(seq));
        }
        free
    }

    /// Closes the transaction: its handler has ended.
    pub fn close(&self) {
        self.call.set(None);
    }

    /// Ends this thread alone: another one executes a new program.
    pub fn kill(&self) {
        self.killed.set(true);
        self.interrupt.wake_all();
    }

    /// Whether this thread was ended by another.
    pub fn is_killed(&self) -> bool {
        self.killed.get()
    }

    /// Whether an interruptible wait of this thread must end now.
    pub fn must_interrupt(&self, home: &Home) -> bool {
        if home.exiting().is_some() || self.killed.get() || home.stopped().is_some() {
            return true;
        }
        let pending = self.pending.borrow().set().union(home.pending.borrow().set());
        !pending.is_empty() && wants_attention(&home.signals, pending, self.mask.get())
    }

    /// Whether a signal that it waits for is there.
    pub fn finds_awaited(&self, home: &Home) -> bool {
        let pending = self.pending.borrow().set().union(home.pending.borrow().set());
        pending.0 & self.awaited.get().0 != 0
    }

    /// Whether only the end of the process or thread may end its wait.
    fn must_die(&self, home: &Home) -> bool {
        home.exiting().is_some() || self.killed.get()
    }

    /// Waits for `future` unless a signal comes first.
    ///
    /// # Errors
    /// `ERESTARTSYS` if the wait was interrupted.
    pub async fn interruptible<T>(
        &self,
        home: &Home,
        future: impl Future<Output = T>,
    ) -> Result<T, Errno> {
        let interrupted = self.interrupt.wait_until(|| self.must_interrupt(home).then_some(()));
        match select(future, pin!(interrupted)).await {
            Either::First(value) => Ok(value),
            Either::Second(()) => Err(Errno::ERESTARTSYS),
        }
    }

    /// Waits for `future` unless the thread is killed first (a vfork parent).
    ///
    /// # Errors
    /// `ERESTARTSYS` if the thread was killed.
    pub async fn killable<T>(
        &self,
        home: &Home,
        future: impl Future<Output = T>,
    ) -> Result<T, Errno> {
        let killed = self.interrupt.wait_until(|| self.must_die(home).then_some(()));
        match select(pin!(future), pin!(killed)).await {
            Either::First(value) => Ok(value),
            Either::Second(()) => Err(Errno::ERESTARTSYS),
        }
    }
}
