//! `time.h`: clocks, timers and their structures.

use core::time::Duration;

use crate::errno::Errno;

/// `CLOCK_REALTIME`.
pub const CLOCK_REALTIME: i32 = 0;
/// `CLOCK_MONOTONIC`.
pub const CLOCK_MONOTONIC: i32 = 1;
/// `CLOCK_PROCESS_CPUTIME_ID`.
pub const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
/// `CLOCK_THREAD_CPUTIME_ID`.
pub const CLOCK_THREAD_CPUTIME_ID: i32 = 3;
/// `CLOCK_MONOTONIC_RAW`.
pub const CLOCK_MONOTONIC_RAW: i32 = 4;
/// `CLOCK_REALTIME_COARSE`.
pub const CLOCK_REALTIME_COARSE: i32 = 5;
/// `CLOCK_MONOTONIC_COARSE`.
pub const CLOCK_MONOTONIC_COARSE: i32 = 6;
/// `CLOCK_BOOTTIME`.
pub const CLOCK_BOOTTIME: i32 = 7;

/// The bits of a negative clock that say what it counts (clock_getcpuclockid(3)).
pub const CPUCLOCK_KIND: i32 = 3;
/// `CPUCLOCK_VIRT`: time in user mode only.
pub const CPUCLOCK_VIRT: i32 = 1;
/// `CLOCKFD`: the clock of a descriptor.
pub const CLOCKFD: i32 = 3;
/// `CPUCLOCK_PERTHREAD_MASK`: the clock of a thread, not of a process.
pub const CPUCLOCK_THREAD: i32 = 4;

/// `TIMER_ABSTIME` of clock_nanosleep(2).
pub const TIMER_ABSTIME: u64 = 1;

/// `ITIMER_REAL`.
pub const ITIMER_REAL: u64 = 0;
/// `ITIMER_VIRTUAL`.
pub const ITIMER_VIRTUAL: u64 = 1;
/// `ITIMER_PROF`.
pub const ITIMER_PROF: u64 = 2;

layout! {
    /// `struct timespec`.
    Timespec {
        /// Whole seconds.
        seconds: i64,
        /// Nanoseconds, 0 to 999,999,999.
        nanoseconds: i64,
    }
    /// `struct timeval`.
    Timeval {
        /// Whole seconds.
        seconds: i64,
        /// Microseconds, 0 to 999,999.
        microseconds: i64,
    }
    /// `struct itimerval`, as two `struct timeval`.
    Itimerval {
        /// Seconds between expirations; 0 with `interval_micros` for a single one.
        interval_seconds: i64,
        /// Microseconds part of the interval.
        interval_micros: i64,
        /// Seconds until the next expiration.
        value_seconds: i64,
        /// Microseconds part of the value; both 0 disarm.
        value_micros: i64,
    }
}

impl Timespec {
    /// This span as a duration.
    ///
    /// # Errors
    /// `EINVAL` for a negative span or nanoseconds out of range, as nanosleep(2) says.
    pub fn to_duration(self) -> Result<Duration, Errno> {
        let seconds = u64::try_from(self.seconds).map_err(|_| Errno::EINVAL)?;
        match u32::try_from(self.nanoseconds) {
            Ok(nanos @ 0..=999_999_999) => Ok(Duration::new(seconds, nanos)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// A duration as `struct timespec`; saturates.
    pub fn from_duration(duration: Duration) -> Self {
        Self {
            seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: i64::from(duration.subsec_nanos()),
        }
    }
}

impl Timeval {
    /// This span as a duration.
    ///
    /// # Errors
    /// `EINVAL` for a negative span or microseconds out of range.
    pub fn to_duration(self) -> Result<Duration, Errno> {
        let seconds = u64::try_from(self.seconds).map_err(|_| Errno::EINVAL)?;
        match u32::try_from(self.microseconds) {
            Ok(micros @ 0..=999_999) => Ok(Duration::new(seconds, micros * 1000)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// A duration as `struct timeval`; saturates, and drops what is below a microsecond.
    pub fn from_duration(duration: Duration) -> Self {
        Self {
            seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            microseconds: i64::from(duration.subsec_micros()),
        }
    }
}
