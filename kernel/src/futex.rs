//! Threads that wait on a word of their memory (futex(2)).
//!
//! The queues are those of a node, by the memory behind the word, so processes that share memory
//! meet in them. Only their waiters' calls travel: a wait is queued again on arrival, after its
//! word is checked again.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::sorted::SortedMap;

use crate::memory::FutexKey;
use crate::process::BodyThread;

/// What a thread waits on a word for. Only who means the same can wake it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A wake.
    Wake,
    /// To have the lock that the word is (`FUTEX_LOCK_PI`).
    Lock,
    /// To be handed over to this lock (`FUTEX_WAIT_REQUEUE_PI`).
    Handover(FutexKey),
}

/// One thread's wait on one word; it may have others (futex_waitv(2)).
struct Waiter {
    thread: Rc<BodyThread>,
    /// The word; a requeue changes it.
    key: Cell<FutexKey>,
    bitset: u32,
    purpose: Purpose,
    woken: Cell<bool>,
}

/// The waiters of a node, by word.
#[derive(Default)]
pub struct Futexes {
    words: RefCell<SortedMap<FutexKey, VecDeque<Rc<Waiter>>>>,
}

/// A place in a futex's queue; dropping it leaves the queue.
pub struct Waiting<'a> {
    futexes: &'a Futexes,
    waiter: Rc<Waiter>,
}

impl Futexes {
    /// Queues a thread on a word, for a wake whose bit set meets `bitset`.
    pub fn enqueue(
        &self,
        thread: &Rc<BodyThread>,
        key: FutexKey,
        bitset: u32,
        purpose: Purpose,
    ) -> Waiting<'_> {
        let (thread, woken) = (Rc::clone(thread), Cell::new(false));
        let waiter = Rc::new(Waiter { thread, key: Cell::new(key), bitset, purpose, woken });
        self.words.borrow_mut().get_or_default(key).push_back(Rc::clone(&waiter));
        Waiting { futexes: self, waiter }
    }

    /// Wakes up to `count` waiters on a word whose bit set meets `bitset`; says how many.
    ///
    /// # Errors
    /// `EINVAL` if somebody waits there for anything but `purpose`.
    pub fn wake(
        &self,
        key: FutexKey,
        count: usize,
        bitset: u32,
        purpose: Purpose,
    ) -> Result<usize, Errno> {
        self.require(key, purpose)?;
        Ok(self.wake_any(key, count, bitset))
    }

    /// As [`wake`](Self::wake), whatever they wait for: who could wake them has ended.
    pub fn wake_any(&self, key: FutexKey, count: usize, bitset: u32) -> usize {
        let mut words = self.words.borrow_mut();
        let Some(queue) = words.get_mut(&key) else { return 0 };
        let mut woken = 0;
        queue.retain(|waiter| {
            if woken == count || waiter.bitset & bitset == 0 {
                return true;
            }
            woken += 1;
            waiter.woken.set(true);
            waiter.thread.claimed.set(true);
            waiter.thread.woken.wake_all();
            false
        });
        if queue.is_empty() {
            words.remove(&key);
        }
        woken
    }

    /// Checks that nobody waits on a word for anything but `purpose`.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn require(&self, key: FutexKey, purpose: Purpose) -> Result<(), Errno> {
        let words = self.words.borrow();
        let others = |queue: &VecDeque<Rc<Waiter>>| queue.iter().any(|it| it.purpose != purpose);
        if words.get(&key).is_some_and(others) { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// Whether anybody waits on a word.
    pub fn has_waiters(&self, key: FutexKey) -> bool {
        self.words.borrow().contains_key(&key)
    }

    /// Moves up to `count` waiters for a wake from one word to another; says how many.
    ///
    /// # Errors
    /// `EINVAL` if somebody waits there for anything else.
    pub fn requeue(&self, from: FutexKey, to: FutexKey, count: usize) -> Result<usize, Errno> {
        self.require(from, Purpose::Wake)?;
        let mut words = self.words.borrow_mut();
        let Some(queue) = words.get_mut(&from) else { return Ok(0) };
        let moved: VecDeque<_> = queue.drain(..count.min(queue.len())).collect();
        if queue.is_empty() {
            words.remove(&from);
        }
        let number = moved.len();
        moved.iter().for_each(|waiter| waiter.key.set(to));
        if number > 0 {
            words.get_or_default(to).extend(moved);
        }
        Ok(number)
    }
}

impl Waiting<'_> {
    /// Waits for a wake.
    pub async fn woken(&self) {
        self.waiter.thread.woken.wait_until(|| self.is_woken().then_some(())).await;
    }

    /// Whether the wake has come, whatever else has.
    pub fn is_woken(&self) -> bool {
        self.waiter.woken.get()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.waiter.woken.get() {
            self.waiter.thread.claimed.set(false);
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
        let first = futexes.enqueue(&thread(1), WORD, 1, Purpose::Wake);
        let second = futexes.enqueue(&thread(2), WORD, 2, Purpose::Wake);
        assert_eq!(futexes.wake(WORD, 1, 2, Purpose::Wake), Ok(1));
        assert!(second.is_woken() && !first.is_woken());
        assert_eq!(futexes.wake(WORD, 9, u32::MAX, Purpose::Wake), Ok(1));
        assert_eq!(futexes.wake(WORD, 9, u32::MAX, Purpose::Wake), Ok(0));
    }

    #[test]
    fn a_requeued_waiter_can_still_leave() {
        let futexes = Futexes::default();
        let waiting = futexes.enqueue(&thread(1), WORD, u32::MAX, Purpose::Wake);
        assert_eq!(futexes.requeue(WORD, OTHER, 1), Ok(1));
        drop(waiting);
        assert_eq!(futexes.wake(OTHER, 1, u32::MAX, Purpose::Wake), Ok(0));
        assert!(futexes.words.borrow().is_empty());
    }

    #[test]
    fn who_waits_for_a_lock_is_not_woken_by_others() {
        let futexes = Futexes::default();
        let handover = Purpose::Handover(OTHER);
        let waiting = futexes.enqueue(&thread(1), WORD, u32::MAX, handover);
        for wrong in [Purpose::Wake, Purpose::Lock, Purpose::Handover(WORD)] {
            assert_eq!(futexes.wake(WORD, 1, u32::MAX, wrong), Err(Errno::EINVAL));
        }
        assert_eq!(futexes.requeue(WORD, OTHER, 1), Err(Errno::EINVAL));
        assert!(!waiting.is_woken());
        assert_eq!(futexes.wake(WORD, 1, u32::MAX, handover), Ok(1));
    }

    /// The word may not say that the wake came, so a wait begun again elsewhere would not end.
    #[test]
    fn a_woken_thread_is_not_stopped_before_it_knows() {
        let (futexes, thread) = (Futexes::default(), thread(1));
        let waiting = futexes.enqueue(&thread, WORD, u32::MAX, Purpose::Wake);
        let stoppable = thread.stoppable();
        assert!(thread.is_stoppable());
        assert_eq!(futexes.wake(WORD, 1, u32::MAX, Purpose::Wake), Ok(1));
        assert!(!thread.is_stoppable());
        drop((stoppable, waiting));
        assert!(!thread.claimed.get());
    }
}
