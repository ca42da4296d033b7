//! The clock, the preemption tick and the idle wait.

use core::arch::asm;
use core::arch::x86_64::_rdtsc;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::interrupts::{TIMER_VECTOR, local};
use crate::trap;

/// The node's monotonic clock: nanoseconds since the machine was started, from the time-stamp
/// counter. A copy of it is the same clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The counter's value at time 0.
    start: u64,
    /// Nanoseconds in a count, times 2^32.
    ns_per_count: u64,
    /// Counts in a second.
    hertz: u64,
}

/// How long the counter is compared with the timer at start, at least. The error of one comparison
/// is some 100 ns at each end, so 5 ms give about 40 parts in a million.
const CALIBRATION_NS: u64 = 5_000_000;

/// Readings from which the closest pair is taken at each end.
const READINGS: usize = 24;

/// A comparison of the counter with the timer that has begun. Until it ends nothing else may use
/// the timer; the machine is set up meanwhile.
#[derive(Debug)]
pub(crate) struct Calibration {
    first_count: u64,
    first_ns: u64,
}

impl Calibration {
    /// Begins; the time of the clock to come is 0 now.
    pub(crate) fn begin() -> Calibration {
        local::start_counting();
        let (first_count, first_ns) = closest_pair();
        Calibration { first_count, first_ns }
    }

    /// Ends, [`CALIBRATION_NS`] after the beginning at the earliest. If the host let us wait so
    /// long that the timer has run out, the comparison is made again.
    pub(crate) fn end(self) -> Clock {
        let again = (local::counted_ns() >= local::LONGEST_NS).then(Calibration::begin);
        let compared = again.as_ref().unwrap_or(&self);
        while local::counted_ns() < compared.first_ns + CALIBRATION_NS {
            core::hint::spin_loop();
        }
        let (last_count, last_ns) = closest_pair();
        local::stop_counting();
        let (counts, ns) = (last_count - compared.first_count, last_ns - compared.first_ns);
        Clock::from_pairs(self.first_count, counts, ns)
    }
}

impl Clock {
    /// The clock that starts at `start` and gains `counts` in `ns`.
    fn from_pairs(start: u64, counts: u64, ns: u64) -> Clock {
        let (counts, ns) = (counts.max(1), ns.max(1));
        let scaled = (u128::from(ns) << 32) / u128::from(counts);
        let hertz = u128::from(counts) * 1_000_000_000 / u128::from(ns);
        let fits = "a counter of more than one hertz and less than 4 GHz times 2^32";
        Clock {
            start,
            ns_per_count: u64::try_from(scaled).expect(fits),
            hertz: u64::try_from(hertz).expect(fits),
        }
    }

    /// Nanoseconds since the machine was started.
    pub fn now_ns(&self) -> u64 {
        self.ns_at(counter())
    }

    /// The time at which the time-stamp counter had this value; 0 if that was before the start.
    pub fn ns_at(&self, count: u64) -> u64 {
        let counts = u128::from(count.saturating_sub(self.start));
        // 2^64 ns are 584 years.
        ((counts * u128::from(self.ns_per_count)) >> 32) as u64
    }

    /// How fast the time-stamp counter runs.
    pub fn counter_hertz(&self) -> u64 {
        self.hertz
    }

    /// Interrupts user code once, `ns` nanoseconds from now (4.2 s at most), or earlier: an alarm
    /// that was set before and has not come is left as it is, unless it would come too late.
    pub fn set_tick(&self, ns: u64) {
        self.alarm(self.now_ns(), ns);
    }

    /// Halts until an interrupt comes, or until the clock shows `deadline_ns`, or after 4 s; at
    /// once when the deadline has passed or an interrupt is pending. The tick, or an alarm of an
    /// earlier halt, may end it before.
    pub fn idle_until(&self, deadline_ns: Option<u64>) {
        if let Some(deadline) = deadline_ns {
            let now = self.now_ns();
            let left = deadline.saturating_sub(now);
            if left == 0 {
                return;
            }
            self.alarm(now, left);
        }
        // SAFETY: the kernel is in a state to be interrupted: the handler only counts and
        // acknowledges. STI takes effect after HLT has begun, so no wake-up is lost.
        unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
    }

    /// Sees to it that the timer interrupts `ns` nanoseconds from `now` or earlier. To set it is
    /// dear where the machine is emulated, since that wakes another thread of the emulator, and
    /// most deadlines are further away than the last one: those wait until that has passed.
    fn alarm(&self, now: u64, ns: u64) {
        static SET_FOR: AtomicU64 = AtomicU64::new(0);
        static RUNG_BEFORE: AtomicU64 = AtomicU64::new(0);
        let rung = trap::count(TIMER_VECTOR);
        let at = now.saturating_add(ns.min(local::LONGEST_NS));
        // The timer and the counter are two clocks: what has rung is not believed to be to come,
        // and what is late is set again.
        let is_set = RUNG_BEFORE.load(Ordering::Relaxed) == rung
            && (now + 1..=at).contains(&SET_FOR.load(Ordering::Relaxed));
        if !is_set {
            SET_FOR.store(at, Ordering::Relaxed);
            RUNG_BEFORE.store(rung, Ordering::Relaxed);
            local::start_timer(at - now);
        }
    }
}

/// Reads the time-stamp counter.
pub fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and the kernel may always read it.
    unsafe { _rdtsc() }
}

/// The counter and the timer, read as close to each other as possible.
fn closest_pair() -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    // Not unrolled: where the machine is emulated, each copy would have to be translated.
    for _ in 0..black_box(READINGS) {
        let before = counter();
        let ns = local::counted_ns();
        let width = counter() - before;
        if width < best.0 {
            best = (width, before + width / 2, ns);
        }
    }
    (best.1, best.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_scales_the_counter() {
        let clock = Clock::from_pairs(1000, 13_000_000, 5_000_000);
        assert_eq!(clock.counter_hertz(), 2_600_000_000);
        assert_eq!(clock.ns_at(1000), 0);
        assert_eq!(clock.ns_at(0), 0, "before the start");
        let year_ns = 365 * 86_400 * 1_000_000_000_u64;
        let counts = u128::from(year_ns) * 13 / 5;
        let shown = clock.ns_at(1000 + u64::try_from(counts).unwrap());
        assert!(year_ns.abs_diff(shown) < 20_000_000, "rounding: 1 ns in 2^32 of 2.6 counts");
    }

    #[test]
    fn the_clock_never_runs_backwards() {
        let clock = Clock::from_pairs(0, 2_600_123_456, 1_000_000_000);
        let mut last = 0;
        for count in (0..10_000_000).step_by(7) {
            let now = clock.ns_at(count);
            assert!(now >= last);
            last = now;
        }
    }
}
