//! One after the other.

use core::cell::Cell;

use crate::executor::WaitQueue;

/// Lets tasks do something one after the other, though each waits while it does it.
#[derive(Default)]
pub(super) struct Turns {
    taken: Cell<bool>,
    free: WaitQueue,
}

/// The turn of one task; dropping it lets the next one go on.
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for one's turn.
    pub(super) async fn take(&self) -> Turn<'_> {
        self.free.wait_until(|| (!self.taken.replace(true)).then_some(())).await;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.taken.set(false);
        self.0.free.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn the_second_waits_for_the_first() {
        let turns = Turns::default();
        let context = &mut Context::from_waker(Waker::noop());
        let Poll::Ready(first) = pin!(turns.take()).poll(context) else { panic!("nobody has it") };
        let mut second = pin!(turns.take());
        assert!(second.as_mut().poll(context).is_pending());
        drop(first);
        assert!(second.as_mut().poll(context).is_ready());
    }
}
