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

/// One thread's wait.
struct Waiter {
    /// The word; a requeue changes it.
    key: Cell<FutexKey>,
    bitset: u32,
    woken: Cell<bool>,
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
    /// Queues the caller on a word.
    pub fn enqueue(&self, key: FutexKey, bitset: u32) -> Waiting<'_> {
        let (woken, queue) = (Cell::new(false), WaitQueue::new());
        let waiter = Rc::new(Waiter { key: Cell::new(key), bitset, woken, queue });
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
            waiter.woken.set(true);
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
        let waiter = &self.waiter;
        waiter.queue.wait_until(|| waiter.woken.get().then_some(())).await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.waiter.woken.get() {
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
    use super::*;

    const WORD: FutexKey = FutexKey::Shared { object: 1, offset: 0x1000 };
    const OTHER: FutexKey = FutexKey::Shared { object: 2, offset: 0x1000 };

    #[test]
    fn wakes_in_order_and_by_bits() {
        let futexes = Futexes::default();
        let first = futexes.enqueue(WORD, 1);
        let second = futexes.enqueue(WORD, 2);
        assert_eq!(futexes.wake(WORD, 1, 2), 1);
        assert!(second.waiter.woken.get() && !first.waiter.woken.get());
        assert_eq!(futexes.wake(WORD, 9, u32::MAX), 1);
        assert_eq!(futexes.wake(WORD, 9, u32::MAX), 0);
    }

    #[test]
    fn a_requeued_waiter_can_still_leave() {
        let futexes = Futexes::default();
        let waiting = futexes.enqueue(WORD, u32::MAX);
        assert_eq!(futexes.requeue(WORD, OTHER, 1), 1);
        drop(waiting);
        assert_eq!(futexes.wake(OTHER, 1, u32::MAX), 0);
        assert!(futexes.words.borrow().is_empty());
    }
}
