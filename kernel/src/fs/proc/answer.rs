//! Answers that may take a while: the process may be on another node.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use wayfarer_proto::errno::Errno;

use crate::executor::WaitQueue;

/// The place for an answer. Whoever was asked gives it once; whoever asked sleeps on
/// [`changes`](Self::changes) until it is there.
#[derive(Default)]
pub struct Answer {
    outcome: RefCell<Option<Result<Vec<u8>, Errno>>>,
    changes: WaitQueue,
}

impl Answer {
    /// A place without an answer.
    pub fn pending() -> Rc<Self> {
        Rc::default()
    }

    /// Gives the answer.
    pub fn give(&self, outcome: Result<Vec<u8>, Errno>) {
        self.outcome.replace(Some(outcome));
        self.changes.wake_all();
    }

    /// Takes the answer out, if it is there.
    pub fn take(&self) -> Option<Result<Vec<u8>, Errno>> {
        self.outcome.take()
    }

    /// Looks at the answer: `EAGAIN` until it is there.
    pub(super) fn with<T>(&self, look: impl FnOnce(&[u8]) -> Result<T, Errno>) -> Result<T, Errno> {
        match &*self.outcome.borrow() {
            None => Err(Errno::EAGAIN),
            Some(Err(error)) => Err(*error),
            Some(Ok(bytes)) => look(bytes),
        }
    }

    /// Wakes when the answer is there.
    pub const fn changes(&self) -> &WaitQueue {
        &self.changes
    }
}
