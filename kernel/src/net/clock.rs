//! Wayfarer's time in smoltcp's units, microseconds.

use core::time::Duration;

use smoltcp::time::Instant as TcpInstant;
use wayfarer_proto::time::Instant;

const NANOS_PER_MICRO: u64 = 1000;

/// The last whole microsecond.
pub(super) fn to_tcp(time: Instant) -> TcpInstant {
    TcpInstant::from_micros(i64::try_from(time.0 / NANOS_PER_MICRO).unwrap_or(i64::MAX))
}

/// Times before the boot become the boot: smoltcp says "at once" that way.
pub(super) fn from_tcp(time: TcpInstant) -> Instant {
    let micros = u64::try_from(time.total_micros()).unwrap_or(0);
    Instant(micros.saturating_mul(NANOS_PER_MICRO))
}

/// Durations beyond what smoltcp can add to a time without overflow become a year.
pub(super) fn duration(duration: Duration) -> smoltcp::time::Duration {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    duration.min(YEAR).into()
}
