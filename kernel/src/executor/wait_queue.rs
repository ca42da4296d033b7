//! Where tasks wait for a condition that other tasks change.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use wayfarer_proto::linux::poll::PollEvents;

/// Something that is told of every wake, at once, instead of waiting as a task (epoll(7)).
pub trait Listener {
    /// The queue was woken, because of these events. Whoever wakes may have borrowed what he
    /// changes, so this only takes a note.
    fn woken(&self, events: PollEvents);
}

/// Tasks that wait for something to change. Whoever changes it wakes them all; each looks again.
#[derive(Default)]
pub struct WaitQueue {
    /// By ascending key.
    waiters: RefCell<Vec<(u64, Waker)>>,
    next: Cell<u64>,
    listeners: RefCell<Vec<Weak<dyn Listener>>>,
}

impl WaitQueue {
    /// A queue in which nobody waits.
    pub const fn new() -> Self {
        Self {
            waiters: RefCell::new(Vec::new()),
            next: Cell::new(0),
            listeners: RefCell::new(Vec::new()),
        }
    }

    /// Wakes every waiter, whatever has changed.
    pub fn wake_all(&self) {
        self.wake(PollEvents::all());
    }

    /// Wakes every waiter because a file became ready for `events`. Tasks look for themselves;
    /// listeners hear of it only if the events concern them.
    pub fn wake(&self, events: PollEvents) {
        self.tell(events);
        let mut waiters = self.waiters.borrow_mut();
        if waiters.len() > 1 {
            let all = core::mem::take(&mut *waiters);
            drop(waiters);
            all.into_iter().for_each(|(_, waker)| waker.wake());
        } else {
            // The room stays: mostly there is one who waits again and again.
            let only = waiters.pop();
            drop(waiters);
            if let Some((_, waker)) = only {
                waker.wake();
            }
        }
    }

    /// Wakes the task that has waited longest; its condition may be that of one only.
    pub fn wake_first(&self) {
        let mut waiters = self.waiters.borrow_mut();
        let first = (!waiters.is_empty()).then(|| waiters.remove(0));
        drop(waiters);
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }

    /// Tells `listener` of every wake from now on, as long as it exists.
    pub fn listen(&self, listener: &Rc<dyn Listener>) {
        let mut listeners = self.listeners.borrow_mut();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Rc::downgrade(listener));
    }

    fn tell(&self, events: PollEvents) {
        if self.listeners.borrow().is_empty() {
            return;
        }
        let listeners: Vec<_> = self.listeners.borrow().iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.woken(events);
        }
    }

    /// Waits until `condition` gives a value. It is asked at once, then after every wake.
    pub async fn wait_until<T>(&self, mut condition: impl FnMut() -> Option<T>) -> T {
        let mut place = Place { queue: self, key: None };
        poll_fn(|context| match condition() {
            Some(value) => Poll::Ready(value),
            None => {
                place.enter(context.waker());
                Poll::Pending
            }
        })
        .await
    }

    /// Waits for one wake, whatever the reason. To be polled again is not to be woken: a task
    /// that waits for several things is polled for each.
    pub async fn wait(&self) {
        let mut place = Place { queue: self, key: None };
        poll_fn(|context| {
            if place.was_woken() {
                return Poll::Ready(());
            }
            place.enter(context.waker());
            Poll::Pending
        })
        .await;
    }

    /// Registers a waker directly, for a future that waits on several queues at once. The entry
    /// leaves with the next wake or when the returned place is dropped.
    pub fn register(&self, waker: &Waker) -> Place<'_> {
        let mut place = Place { queue: self, key: None };
        place.enter(waker);
        place
    }
}

/// A waiter's entry in the queue; dropping it takes the entry out.
pub struct Place<'a> {
    queue: &'a WaitQueue,
    key: Option<u64>,
}

impl Place<'_> {
    fn enter(&mut self, waker: &Waker) {
        let mut waiters = self.queue.waiters.borrow_mut();
        match self.key.map(|key| (key, find(&waiters, key))) {
            Some((_, Ok(place))) => waiters[place].1.clone_from(waker),
            Some((key, Err(place))) => waiters.insert(place, (key, waker.clone())),
            None => {
                // The next key is the largest: it goes to the end.
                let key = self.queue.next.replace(self.queue.next.get() + 1);
                if waiters.is_empty() {
                    // Most queues never have two.
                    waiters.reserve_exact(1);
                }
                waiters.push((key, waker.clone()));
                self.key = Some(key);
            }
        }
    }

    /// Whether it was entered, and has left with a wake.
    fn was_woken(&self) -> bool {
        self.key.is_some_and(|key| find(&self.queue.waiters.borrow(), key).is_err())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let mut waiters = self.queue.waiters.borrow_mut();
        let left = find(&waiters, key).map(|place| waiters.remove(place));
        // A waker may own anything: it is dropped without the borrow.
        drop(waiters);
        drop(left);
    }
}

/// Where the waiter with this key is, or would be.
fn find(waiters: &[(u64, Waker)], key: u64) -> Result<usize, usize> {
    waiters.binary_search_by_key(&key, |(key, _)| *key)
}
