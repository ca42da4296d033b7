//! Time as a number: the sessions and the simulator never read a clock.

use core::ops::{Add, Sub};
use core::time::Duration;

/// Nanoseconds since the node booted (`CLOCK_MONOTONIC`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// A time that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The time since `earlier`; zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The first of these times that there are and that come; `None` if there is none.
    ///
    /// Without the branches of an iterator of options, for the loop that every message passes.
    pub fn first<const N: usize>(times: [Option<Self>; N]) -> Option<Self> {
        let earlier = |first: Self, time: &Option<Self>| first.min(time.unwrap_or(Self::NEVER));
        let first = times.iter().fold(Self::NEVER, earlier);
        (first != Self::NEVER).then_some(first)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_some_times_is_one_that_comes() {
        let (early, late) = (Some(Instant(3)), Some(Instant(7)));
        assert_eq!(Instant::first([None, late, early]), early);
        assert_eq!(Instant::first([Some(Instant::NEVER), late]), late);
        assert_eq!(Instant::first([None, Some(Instant::NEVER)]), None);
    }
}
