//! One mutation, then drain: inputs that come while a driver works wait for their turn.

use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell};

/// What a driver does next.
pub(super) enum Step<I> {
    /// Tells the session this, then drains it.
    Input(I),
    /// Drains the session: somebody has changed it directly.
    Drain,
}

/// The inputs of a session, and whether somebody is at work on them.
pub(super) struct Queue<I> {
    inputs: RefCell<VecDeque<I>>,
    changed: Cell<bool>,
    busy: Cell<bool>,
}

impl<I> Default for Queue<I> {
    fn default() -> Self {
        Self { inputs: RefCell::default(), changed: Cell::new(false), busy: Cell::new(false) }
    }
}

impl<I> Queue<I> {
    /// Adds an input. Says whether the caller shall work: nobody else does.
    pub(super) fn push(&self, input: I) -> bool {
        self.inputs.borrow_mut().push_back(input);
        !self.busy.replace(true)
    }

    /// Notes that the session was changed directly. Says whether the caller shall work.
    pub(super) fn mark_changed(&self) -> bool {
        self.changed.set(true);
        !self.busy.replace(true)
    }

    /// Whether nothing waits. (The caller may be the one at work.)
    pub(super) fn is_empty(&self) -> bool {
        self.inputs.borrow().is_empty() && !self.changed.get()
    }

    /// Gives back the room of many inputs.
    pub(super) fn shrink(&self) {
        self.inputs.borrow_mut().shrink_to(1);
    }

    /// What to do next; `None` ends the caller's work.
    pub(super) fn next(&self) -> Option<Step<I>> {
        if self.changed.take() {
            return Some(Step::Drain);
        }
        let input = self.inputs.borrow_mut().pop_front();
        if input.is_none() {
            self.busy.set(false);
        }
        input.map(Step::Input)
    }
}
