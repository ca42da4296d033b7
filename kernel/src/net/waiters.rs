//! The tasks that wait for one direction of a connection.

use alloc::vec::Vec;
use core::task::Waker;

/// Wakers to be woken once, at the next change. They lie within the stack, which is not borrowed
/// across an await, so that a place in an [`executor`](crate::executor) wait queue, which is,
/// would not do. A waker is kept once however often it comes, so a
/// task that is polled again and again does not fill the list.
#[derive(Default)]
pub(super) struct Waiters(Vec<Waker>);

impl Waiters {
    pub(super) fn register(&mut self, waker: &Waker) {
        if !self.0.iter().any(|known| known.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    pub(super) fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}
