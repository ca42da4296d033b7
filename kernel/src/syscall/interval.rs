//! What setitimer(2) sets, for the timer at home and for those that the body counts.

use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::time::{Itimerval, Timeval};

/// Time until the next expiration, and the interval after it; zero means none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    pub(super) value: Duration,
    pub(super) interval: Duration,
}

impl Setting {
    /// # Errors
    /// `EINVAL` if a span is none.
    pub(super) fn parse(value: &Itimerval) -> Result<Self, Errno> {
        let span = |seconds, microseconds| Timeval { seconds, microseconds }.to_duration();
        Ok(Self {
            value: span(value.value_seconds, value.value_micros)?,
            interval: span(value.interval_seconds, value.interval_micros)?,
        })
    }

    pub(super) fn format(self) -> Itimerval {
        let value = Timeval::from_duration(self.value);
        let interval = Timeval::from_duration(self.interval);
        Itimerval {
            interval_seconds: interval.seconds,
            interval_micros: interval.microseconds,
            value_seconds: value.seconds,
            value_micros: value.microseconds,
        }
    }
}
