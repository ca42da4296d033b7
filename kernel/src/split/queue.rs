//! One mutation, then drain: inputs that come while a driver works wait for their turn.

use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell};

/// The inputs of a session, and whether somebody is at work on them.
pub(super) struct Queue<I> {
    inputs: RefCell<VecDeque<I>>,
    busy: Cell<bool>,
}

impl<I> Default for Queue<I> {
    fn default() -> Self {
        Self { inputs: RefCell::default(), busy: Cell::new(false) }
    }
}

impl<I> Queue<I> {
    /// Adds an input. Says whether the caller shall work: nobody else does.
    pub(super) fn push(&self, input: I) -> bool {
        self.inputs.borrow_mut().push_back(input);
        !self.busy.replace(true)
    }

    /// Begins work without an input of its own. Says whether the caller shall do it.
    pub(super) fn begin(&self) -> bool {
        !self.busy.replace(true)
    }

    /// Whether nothing waits. (The caller may be the one at work.)
    pub(super) fn is_empty(&self) -> bool {
        self.inputs.borrow().is_empty()
    }

    /// The next input; `None` ends the caller's work.
    pub(super) fn next(&self) -> Option<I> {
        let input = self.inputs.borrow_mut().pop_front();
        if input.is_none() {
            self.busy.set(false);
        }
        input
    }
}
