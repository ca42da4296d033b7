//! How many bodies are on their way at once.
//!
//! An order to move begins its time limits when it is under way, so those that find no berth wait
//! before: ten thousand processes that are to leave are late, and none is refused.

use alloc::rc::Rc;
use core::cell::Cell;

use crate::executor::WaitQueue;

/// How many images a node takes in at once, and how many bodies of its home are on their way
/// elsewhere. Each has a large buffer: were there one for every body that wants to come, nothing
/// would be left to take them in with.
const BERTHS: usize = 16;

/// The room for images that travel in one direction.
#[derive(Default)]
pub struct Berths {
    taken: Cell<usize>,
    changed: WaitQueue,
}

impl Berths {
    /// Waits until there is room for one more. Who came first is woken first.
    pub async fn take(self: &Rc<Self>) -> Berth {
        // A waiter that is dropped may have been woken already, for room that another can use.
        let _pass = PassOn(self);
        self.changed.wait_until(|| self.has_room().then_some(())).await;
        self.taken.set(self.taken.get() + 1);
        Berth(Rc::clone(self))
    }

    fn has_room(&self) -> bool {
        self.taken.get() < BERTHS
    }

    fn wake_next(&self) {
        if self.has_room() {
            self.changed.wake_first();
        }
    }
}

/// Wakes the next waiter, if there is still room, when this one waits no longer.
struct PassOn<'a>(&'a Berths);

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        self.0.wake_next();
    }
}

/// Room for one image, until it is whole or given up.
pub struct Berth(Rc<Berths>);

impl Drop for Berth {
    fn drop(&mut self) {
        self.0.taken.set(self.0.taken.get() - 1);
        self.0.wake_next();
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::pin::Pin;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::{Context, Poll, Waker};
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    type Taking = Pin<Box<dyn Future<Output = Berth>>>;

    fn taking(berths: &Rc<Berths>) -> Taking {
        let berths = Rc::clone(berths);
        Box::pin(async move { berths.take().await })
    }

    fn poll(taking: &mut Taking, bell: &Arc<Bell>) -> Option<Berth> {
        let waker = Waker::from(Arc::clone(bell));
        match taking.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(berth) => Some(berth),
            Poll::Pending => None,
        }
    }

    fn full(berths: &Rc<Berths>) -> Vec<Berth> {
        let bell = Arc::default();
        (0..BERTHS).map(|_| poll(&mut taking(berths), &bell).unwrap()).collect()
    }

    #[test]
    fn a_berth_that_is_given_up_wakes_one_waiter_the_first() {
        let berths = Rc::<Berths>::default();
        let mut taken = full(&berths);
        let mut waiters: Vec<_> = (0..3).map(|_| (taking(&berths), Arc::default())).collect();
        for (waiter, bell) in &mut waiters {
            assert!(poll(waiter, bell).is_none());
        }
        taken.pop();
        let woken: Vec<_> =
            waiters.iter().map(|(_, bell)| bell.0.load(Ordering::Relaxed)).collect();
        assert_eq!(woken, [1, 0, 0]);
        let (first, bell) = &mut waiters[0];
        assert!(poll(first, bell).is_some());
    }

    #[test]
    fn a_waiter_that_goes_when_it_is_woken_wakes_the_next() {
        let berths = Rc::<Berths>::default();
        let mut taken = full(&berths);
        let (mut first, mut second) = (taking(&berths), taking(&berths));
        let bells = [Arc::default(), Arc::default()];
        assert!(poll(&mut first, &bells[0]).is_none() && poll(&mut second, &bells[1]).is_none());
        taken.pop();
        drop(first);
        assert_eq!(bells[1].0.load(Ordering::Relaxed), 1);
        assert!(poll(&mut second, &bells[1]).is_some());
    }
}
