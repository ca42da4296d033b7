//! How long the calls of a thread take that end where they are made.
//!
//! To read the clock twice for each costs a fifth of it where the machine is emulated. So the clock
//! is read for one call of eight, which stands for all since the last one. Which one that is is
//! left to chance: a program's loop may have as many calls. What user code has used is the rest of
//! the time.

use core::cell::Cell;
use core::time::Duration;

use wayfarer_proto::message::CpuTime;

/// What is longer than this was a call unlike others, or the host let the node wait in the middle
/// of it: the rest stands for itself alone.
const USUAL: Duration = Duration::from_micros(100);

/// The calls of one thread, timed.
#[derive(Debug)]
pub struct CallTime {
    /// How many calls begin until one is timed.
    left: Cell<u32>,
    /// How many that one stands for.
    weight: Cell<u32>,
    chance: Cell<u32>,
    /// Nanoseconds that were found and not yet taken off any stretch.
    owed: Cell<u64>,
}

impl Default for CallTime {
    /// The first call is timed.
    fn default() -> Self {
        let (left, weight) = (Cell::new(1), Cell::new(1));
        Self { left, weight, chance: Cell::default(), owed: Cell::default() }
    }
}

impl CallTime {
    /// Whether the call that begins is to be timed.
    #[inline]
    pub fn is_due(&self) -> bool {
        let left = self.left.get().wrapping_sub(1);
        self.left.set(left);
        left == 0
    }

    /// Notes how long it took.
    #[cold]
    pub fn note(&self, taken: Duration) {
        let usual = taken.min(USUAL);
        let taken = usual * self.weight.get() + (taken - usual);
        self.owed.set(self.owed.get().saturating_add(taken.as_nanos() as u64));
        // The generator of Numerical Recipes, whose upper bits are the good ones.
        let chance = self.chance.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let weight = (chance >> 28) + 1;
        self.chance.set(chance);
        self.weight.set(weight);
        self.left.set(weight);
    }

    /// Divides a stretch of user code and such calls.
    pub fn divide(&self, stretch: Duration) -> CpuTime {
        let stretch = stretch.as_nanos() as u64;
        let system = self.owed.get().min(stretch);
        self.owed.set(self.owed.get() - system);
        CpuTime { user: stretch - system, system }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timed_calls_stand_for_all() {
        let times = CallTime::default();
        let (mut timed, mut system) = (0_u64, 0);
        for call in 0..80_000_u64 {
            // Every eighth call is long: who looked at every eighth would find all or none.
            let taken = if call % 8 == 0 { 9_000 } else { 1_000 };
            if times.is_due() {
                timed += 1;
                times.note(Duration::from_nanos(taken));
            }
            let CpuTime { user, system: found } = times.divide(Duration::from_nanos(20_000));
            assert_eq!(user + found, 20_000);
            system += found;
        }
        assert!((8_000..11_000).contains(&timed), "{timed}");
        assert!((140_000_000..180_000_000).contains(&system), "{system}");
    }

    #[test]
    fn an_accident_stands_for_itself() {
        let times = CallTime::default();
        times.note(Duration::ZERO);
        times.note(USUAL + Duration::from_secs(1));
        let CpuTime { system, .. } = times.divide(Duration::from_secs(9));
        assert!((1_000_100_000..=1_001_600_000).contains(&system), "{system}");
    }

    #[test]
    fn what_a_stretch_cannot_hold_the_next_one_does() {
        let times = CallTime::default();
        assert!(times.is_due());
        times.note(Duration::from_nanos(50));
        assert_eq!(times.divide(Duration::from_nanos(40)), CpuTime { user: 0, system: 40 });
        assert_eq!(times.divide(Duration::from_nanos(40)), CpuTime { user: 30, system: 10 });
        assert_eq!(times.divide(Duration::from_nanos(40)), CpuTime { user: 40, system: 0 });
    }
}
