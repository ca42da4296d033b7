//! Waiting for a moment.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use wayfarer_proto::time::Instant;

use super::{Either, select};

#[derive(Default)]
struct Inner {
    now: Cell<Instant>,
    waiting: RefCell<BTreeMap<(Instant, u64), Waker>>,
    next: Cell<u64>,
}

/// The kernel's timers, by deadline. Cheap to clone.
#[derive(Clone, Default)]
pub struct Timers {
    inner: Rc<Inner>,
}

/// A deadline came before the thing that was waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

impl Timers {
    /// No timers, at time zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time of the latest [`Timers::fire`].
    pub fn now(&self) -> Instant {
        self.inner.now.get()
    }

    /// Tells the time and wakes every task whose deadline has come.
    pub fn fire(&self, now: Instant) {
        self.inner.now.set(now);
        loop {
            let due = {
                let mut waiting = self.inner.waiting.borrow_mut();
                match waiting.first_entry() {
                    Some(entry) if entry.key().0 <= now => entry.remove(),
                    _ => return,
                }
            };
            due.wake();
        }
    }

    /// The earliest deadline anybody waits for.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inner.waiting.borrow().first_key_value().map(|(key, _)| key.0)
    }

    /// Waits until `deadline`.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep { timers: self.clone(), deadline, key: None }
    }

    /// Waits for `future`, but not past `deadline` (`None`: for ever).
    ///
    /// # Errors
    /// [`Elapsed`] if the deadline came first; the future is dropped.
    pub async fn timeout<T>(
        &self,
        deadline: Option<Instant>,
        future: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let Some(deadline) = deadline else { return Ok(future.await) };
        match select(future, self.sleep_until(deadline)).await {
            Either::First(value) => Ok(value),
            Either::Second(()) => Err(Elapsed),
        }
    }
}

/// Waits until a deadline.
pub struct Sleep {
    timers: Timers,
    deadline: Instant,
    key: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let inner = Rc::clone(&self.timers.inner);
        if inner.now.get() >= self.deadline {
            return Poll::Ready(());
        }
        let key = *self.key.get_or_insert_with(|| inner.next.replace(inner.next.get() + 1));
        inner.waiting.borrow_mut().insert((self.deadline, key), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.timers.inner.waiting.borrow_mut().remove(&(self.deadline, key));
        }
    }
}
