//! How long an idle node waits awake before it halts.
//!
//! A frame through shared memory is there within a microsecond, and the bell that wakes a halted
//! node takes a hundred or two: so a node that has just heard of a peer looks for a while. Where
//! that is in vain, since the peer waits for something else or shares this node's processor, it
//! would only take time from others; then the node halts at once for the next few times, twice as
//! many after each failure.

use core::cell::Cell;

/// How long to look, in nanoseconds: what the peer needs that has to be woken first, twice over,
/// lest each of the two halts while the other is on its way.
const LONGEST: u64 = 500_000;

/// How many waits at most pass between two attempts.
const MOST_SKIPPED: u32 = 64;

/// How many times it was in vain, and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Waits that are not to be tried.
    skip: Cell<u32>,
    /// How many waits the next failure will skip.
    penalty: Cell<u32>,
}

impl Patience {
    /// Looks until `ready`, unless that has been in vain lately; whether it became so. `now` is a
    /// clock in nanoseconds, and nothing is waited for after `deadline`.
    pub(crate) fn wait(
        &self,
        now: impl Fn() -> u64,
        deadline: Option<u64>,
        ready: impl Fn() -> bool,
    ) -> bool {
        if let Some(left) = self.skip.get().checked_sub(1) {
            self.skip.set(left);
            return false;
        }
        let limit = now() + LONGEST;
        let until = deadline.map_or(limit, |deadline| deadline.min(limit));
        while now() < until {
            if ready() {
                self.penalty.set(0);
                return true;
            }
        }
        // What was due earlier says nothing of the peer.
        if until == limit {
            self.skip.set(self.penalty.get());
            self.penalty.set((2 * self.penalty.get() + 1).min(MOST_SKIPPED));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits once on a clock that advances by a microsecond a look; whether it looked at all.
    fn looks(patience: &Patience, ready_after: u64, deadline: Option<u64>) -> (bool, u64) {
        let time = Cell::new(0);
        let now = || {
            time.set(time.get() + 1000);
            time.get()
        };
        let ready = patience.wait(now, deadline, || time.get() > ready_after);
        (ready, time.get())
    }

    #[test]
    fn looks_until_the_frame_is_there() {
        let patience = Patience::default();
        let (ready, at) = looks(&patience, 10_000, None);
        assert!(ready && at < 13_000, "{at}");
    }

    #[test]
    fn gives_up_and_tries_less_often_each_time() {
        let patience = Patience::default();
        let attempts: Vec<bool> = (0..12).map(|_| looks(&patience, u64::MAX, None).1 > 0).collect();
        let tried: Vec<usize> = (0..12).filter(|&at| attempts[at]).collect();
        assert_eq!(tried, [0, 1, 3, 7]);
        while looks(&patience, 0, None).1 == 0 {}
        assert!(looks(&patience, u64::MAX, None).1 > 0, "after a success it looks at once");
        assert!(looks(&patience, u64::MAX, None).1 > 0, "and one failure is forgiven");
    }

    #[test]
    fn a_deadline_is_no_failure() {
        let patience = Patience::default();
        for _ in 0..10 {
            let (ready, at) = looks(&patience, u64::MAX, Some(5000));
            assert!(!ready && (1..8000).contains(&at), "{at}");
        }
    }
}
