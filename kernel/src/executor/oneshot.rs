//! A value that one task gives and another awaits.

use alloc::rc::Rc;
use core::cell::RefCell;

use super::WaitQueue;

struct Shared<T> {
    value: RefCell<Option<T>>,
    given: WaitQueue,
}

/// The giving end of a [`Slot`].
pub struct Promise<T> {
    shared: Rc<Shared<T>>,
}

/// Where the value will be.
pub struct Slot<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Slot<T> {
    /// An empty slot and the promise to fill it.
    pub fn new() -> (Promise<T>, Self) {
        let shared = Rc::new(Shared { value: RefCell::new(None), given: WaitQueue::new() });
        (Promise { shared: Rc::clone(&shared) }, Self { shared })
    }

    /// Waits for the value. `None` if the promise was dropped unfulfilled.
    pub async fn take(self) -> Option<T> {
        let shared = &self.shared;
        shared
            .given
            .wait_until(|| match shared.value.borrow_mut().take() {
                Some(value) => Some(Some(value)),
                None if Rc::strong_count(shared) == 1 => Some(None),
                None => None,
            })
            .await
    }
}

impl<T> Promise<T> {
    /// Gives the value.
    pub fn fulfil(self, value: T) {
        *self.shared.value.borrow_mut() = Some(value);
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        // The waiter looks at the strong count, which falls right after this.
        self.shared.given.wake_all();
    }
}
