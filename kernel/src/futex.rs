//! Threads that wait on a word of their memory (futex(2)).
//!
//! The queues belong to an address space, so they are local wherever the body is. Only their
//! waiters' calls travel: a wait is queued again on arrival, after its word is checked again.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wayfarer_proto::id::UserAddr;

use crate::executor::WaitQueue;

/// One thread's wait.
#[derive(Default)]
struct Waiter {
    bitset: u32,
    woken: Cell<bool>,
    queue: WaitQueue,
}

/// The waiters of one address space, by address.
#[derive(Default)]
pub struct Futexes {
    words: RefCell<BTreeMap<UserAddr, VecDeque<Rc<Waiter>>>>,
}

/// A place in a futex's queue; dropping it leaves the queue.
pub struct Waiting<'a> {
    futexes: &'a Futexes,
    waiter: Rc<Waiter>,
}

impl Futexes {
    /// Queues the caller on the word at `address`.
    pub fn enqueue(&self, address: UserAddr, bitset: u32) -> Waiting<'_> {
        let waiter = Rc::new(Waiter { bitset, ..Waiter::default() });
        self.words.borrow_mut().entry(address).or_default().push_back(Rc::clone(&waiter));
        Waiting { futexes: self, waiter }
    }

    /// Wakes up to `count` waiters on `address` whose bit set meets `bitset`; says how many.
    pub fn wake(&self, address: UserAddr, count: usize, bitset: u32) -> usize {
        let mut words = self.words.borrow_mut();
        let Some(queue) = words.get_mut(&address) else { return 0 };
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
            words.remove(&address);
        }
        woken
    }

    /// Moves up to `count` waiters from one word to another; says how many.
    pub fn requeue(&self, from: UserAddr, to: UserAddr, count: usize) -> usize {
        let mut words = self.words.borrow_mut();
        let Some(queue) = words.get_mut(&from) else { return 0 };
        let moved: VecDeque<_> = queue.drain(..count.min(queue.len())).collect();
        if queue.is_empty() {
            words.remove(&from);
        }
        let number = moved.len();
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
        // A requeue may have moved it, so every queue is asked.
        self.futexes.words.borrow_mut().retain(|_, queue| {
            queue.retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
            !queue.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: UserAddr = UserAddr(0x1000);
    const OTHER: UserAddr = UserAddr(0x2000);

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
