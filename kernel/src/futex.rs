//! Threads that wait on a word of their memory (futex(2)).
//!
//! The queues are those of a node, by the memory behind the word, so processes that share memory
//! meet in them. Only their waiters' calls travel: a wait is queued again on arrival, after its
//! word is checked again.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use crate::executor::WaitQueue;
use crate::memory::FutexKey;
use crate::process::BodyThread;

/// One thread's wait.
struct Waiter {
    thread: Rc<BodyThread>,
    /// The word; a requeue changes it.
    key: Cell<FutexKey>,
    bitset: u32,
    queue: WaitQueue,
}

/// The waiters of a node, by word.
#[derive(Default)]
pub struct Futexes {
    words: RefCell<BTreeMap<FutexKey, VecDeque<Rc<Waiter>>>>,
}

/// A place in a futex's queue; dropping it leaves the queue.
pub struct Waiting<'a> {
    futexes: &'a Futexes,
    waiter: Rc<Waiter>,
}

impl Futexes {
    /// Queues a thread on a word.
    pub fn enqueue(&self, thread: &Rc<BodyThread>, key: FutexKey, bitset: u32) -> Waiting<'_> {
        let (thread, queue) = (Rc::clone(thread), WaitQueue::new());
        let waiter = Rc::new(Waiter { thread, key: Cell::new(key), bitset, queue });
        self.words.borrow_mut().entry(key).or_default().push_back(Rc::clone(&waiter));
        Waiting { futexes: self, waiter }
    }

    /// Wakes up to `count` waiters on a word whose bit set meets `bitset`; says how many.
    pub fn wake(&self, key: FutexKey, count: usize, bitset: u32) -> usize {
        let mut words = self.words.borrow_mut();
        let Some(queue) = words.get_mut(&key) else { return 0 };
        let mut woken = 0;
        queue.retain(|waiter| {
            if woken == count || waiter.bitset & bitset == 0 {
                return true;
            }
            woken += 1;
            waiter.thread.claimed.set(true);
            waiter.queue.wake_all();
            false
        });
        if queue.is_empty() {
            words.remove(&key);
        }
        woken
    }

    /// Whether anybody waits on a word.
    pub fn has_waiters(&self, key: FutexKey) -> bool {
        self.words.borrow().contains_key(&key)
    }

    /// Moves up to `count` waiters from one word to another; says how many.
    pub fn requeue(&self, from: FutexKey, to: FutexKey, count: usize) -> usize {
        let mut words = self.words.borrow_mut();
        let Some(queue) = words.get_mut(&from) else { return 0 };
        let moved: VecDeque<_> = queue.drain(..count.min(queue.len())).collect();
        if queue.is_empty() {
            words.remove(&from);
        }
        let number = moved.len();
        moved.iter().for_each(|waiter| waiter.key.set(to));
        if number > 0 {
            words.entry(to).or_default().extend(moved);
        }
        number
    }
}

impl Waiting<'_> {
    /// Waits for a wake.
    pub async fn woken(&self) {
        self.waiter.queue.wait_until(|| self.is_woken().then_some(())).await;
    }

    /// Whether the wake has come, whatever else has.
    pub fn is_woken(&self) -> bool {
        self.waiter.thread.claimed.get()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.waiter.thread.claimed.take() {
            return;
        }
        let mut words = self.futexes.words.borrow_mut();
        let key = self.waiter.key.get();
        let Some(queue) = words.get_mut(&key) else { return };
        queue.retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        if queue.is_empty() {
            words.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use wayfarer_machine::UserContext;
    use wayfarer_proto::id::Tid;

    use super::*;

    const WORD: FutexKey = FutexKey::Shared { frame: 1, offset: 0x1000 };
    const OTHER: FutexKey = FutexKey::Shared { frame: 2, offset: 0x1000 };

    fn thread(tid: i32) -> Rc<BodyThread> {
        Rc::new(BodyThread::new(Tid(tid), UserContext::new()))
    }

    #[test]
    fn wakes_in_order_and_by_bits() {
        let futexes = Futexes::default();
        let first = futexes.enqueue(&thread(1), WORD, 1);
        let second = futexes.enqueue(&thread(2), WORD, 2);
        assert_eq!(futexes.wake(WORD, 1, 2), 1);
        assert!(second.is_woken() && !first.is_woken());
        assert_eq!(futexes.wake(WORD, 9, u32::MAX), 1);
        assert_eq!(futexes.wake(WORD, 9, u32::MAX), 0);
    }

    #[test]
    fn a_requeued_waiter_can_still_leave() {
        let futexes = Futexes::default();
        let waiting = futexes.enqueue(&thread(1), WORD, u32::MAX);
        assert_eq!(futexes.requeue(WORD, OTHER, 1), 1);
        drop(waiting);
        assert_eq!(futexes.wake(OTHER, 1, u32::MAX), 0);
        assert!(futexes.words.borrow().is_empty());
    }

    /// The word may not say that the wake came, so a wait begun again elsewhere would not end.
    #[test]
    fn a_woken_thread_is_not_stopped_before_it_knows() {
        let (futexes, thread) = (Futexes::default(), thread(1));
        let waiting = futexes.enqueue(&thread, WORD, u32::MAX);
        let stoppable = thread.stoppable();
        assert!(thread.is_stoppable());
        assert_eq!(futexes.wake(WORD, 1, u32::MAX), 1);
        assert!(!thread.is_stoppable());
        drop((stoppable, waiting));
        assert!(!thread.claimed.get());
    }
}
