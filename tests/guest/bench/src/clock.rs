//! Time by the processor's counter: a system call would cost more than what is measured.

use std::time::{Duration, Instant};

/// How long the counter is compared with the clock.
const CALIBRATION: Duration = Duration::from_millis(20);

/// How fast the counter of this node runs.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    ns_per_count: f64,
}

impl Clock {
    /// Compares the counter with the clock.
    pub(crate) fn calibrate() -> Self {
        let (began, first) = (Instant::now(), counter());
        while began.elapsed() < CALIBRATION {}
        let (ns, last) = (began.elapsed().as_nanos(), counter());
        Self { ns_per_count: ns as f64 / (last - first).max(1) as f64 }
    }

    /// How long `work` takes, in nanoseconds.
    pub(crate) fn time<T>(&self, work: impl FnOnce() -> T) -> (u64, T) {
        let before = counter();
        let result = work();
        let counts = counter().saturating_sub(before);
        ((counts as f64 * self.ns_per_count) as u64, result)
    }
}

fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and user code may read it.
    unsafe { std::arch::x86_64::_rdtsc() }
}
