//! Time by the processor's counter: a system call would cost more than what is measured.

use std::time::{Duration, Instant};

use crate::marks::Marks;

/// How long the counter is compared with the clock.
const CALIBRATION: Duration = Duration::from_millis(20);

/// Readings of which the best is taken at either end.
const READINGS: usize = 100;

/// How fast the counter of this node runs.
pub(crate) struct Clock {
    ns_per_count: f64,
    /// Where what is timed is to be seen in a capture.
    marks: Option<Marks>,
}

impl Clock {
    /// Compares the counter with the clock.
    pub(crate) fn calibrate() -> Self {
        let (began, first) = pair();
        while began.elapsed() < CALIBRATION {}
        let (ended, last) = pair();
        let ns = ended.duration_since(began).as_nanos();
        Self { ns_per_count: ns as f64 / (last - first).max(1) as f64, marks: None }
    }

    /// Marks what it times from here on.
    pub(crate) fn marking(self, marks: Marks) -> Self {
        Self { marks: Some(marks), ..self }
    }

    /// How long `work` takes, in nanoseconds.
    pub(crate) fn time<T>(&self, work: impl FnOnce() -> T) -> (u64, T) {
        let marks = self.marks.as_ref();
        marks.inspect(|marks| marks.begin());
        let before = counter();
        let result = work();
        let counts = counter().saturating_sub(before);
        marks.inspect(|marks| marks.end());
        ((counts as f64 * self.ns_per_count) as u64, result)
    }
}

/// The clock and the counter at the same time. A process that has just moved, or whose processor
/// others want, may wait for milliseconds between the two: of many readings, that which took least.
fn pair() -> (Instant, u64) {
    let read = |_| {
        let before = counter();
        let now = Instant::now();
        let took = counter().saturating_sub(before);
        (took, now, before + took / 2)
    };
    let closest = (0..READINGS).map(read).min_by_key(|(took, ..)| *took);
    let (_, now, count) = closest.expect("there are several");
    (now, count)
}

fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and user code may read it.
    unsafe { std::arch::x86_64::_rdtsc() }
}
