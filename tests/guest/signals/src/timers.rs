//! Timers that send signals (alarm(2), setitimer(2)).

use std::hint::black_box;
use std::ptr;
use std::time::{Duration, Instant};

use guest_common::signal;
use libc::{SIGALRM, SIGVTALRM, c_int, itimerval, timeval};

/// `SI_KERNEL`: sent by the kernel.
const SI_KERNEL: i32 = 0x80;

fn set(which: c_int, first: Duration, interval: Duration) -> itimerval {
    let value = |time: Duration| timeval {
        tv_sec: i64::try_from(time.as_secs()).unwrap(),
        tv_usec: i64::from(time.subsec_micros()),
    };
    let new = itimerval { it_interval: value(interval), it_value: value(first) };
    let mut old = new;
    // SAFETY: both structures outlive the call.
    signal::check(unsafe { libc::setitimer(which as _, &new, &mut old) }, "setitimer");
    old
}

fn remaining(which: c_int) -> itimerval {
    let zero = timeval { tv_sec: 0, tv_usec: 0 };
    let mut now = itimerval { it_interval: zero, it_value: zero };
    // SAFETY: the structure outlives the call.
    signal::check(unsafe { libc::getitimer(which as _, &mut now) }, "getitimer");
    now
}

pub(crate) fn alarm() {
    signal::record(SIGALRM, 0);
    let began = Instant::now();
    // SAFETY: `alarm` takes a number.
    let (first, second) = unsafe { (libc::alarm(100), libc::alarm(1)) };
    assert!(first == 0 && (2..=100).contains(&second), "{second}: what was left of the first");
    signal::wait_for(SIGALRM, 1);
    assert!(began.elapsed() >= Duration::from_millis(990), "{:?}", began.elapsed());
    assert_eq!(signal::last().code, SI_KERNEL);
}

pub(crate) fn interval_timer() {
    signal::count(SIGALRM, libc::SA_RESTART);
    let interval = Duration::from_millis(10);
    let began = Instant::now();
    set(libc::ITIMER_REAL, interval, interval);
    let set_to = remaining(libc::ITIMER_REAL);
    assert_eq!((set_to.it_interval.tv_sec, set_to.it_interval.tv_usec), (0, 10_000));
    signal::wait_for(SIGALRM, 3);
    let old = set(libc::ITIMER_REAL, Duration::ZERO, Duration::ZERO);
    assert!(began.elapsed() >= interval * 3 - Duration::from_millis(1), "{:?}", began.elapsed());
    assert_eq!(old.it_interval.tv_usec, 10_000);
    let off = remaining(libc::ITIMER_REAL);
    assert_eq!((off.it_value.tv_sec, off.it_value.tv_usec), (0, 0));
}

pub(crate) fn called_off() {
    loop {
        signal::count(SIGALRM, 0);
        signal::alarm(Duration::from_millis(30));
        signal::alarm(Duration::ZERO);
        let came_before = signal::caught(SIGALRM);
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(signal::caught(SIGALRM), came_before);
        if came_before == 0 {
            break;
        }
    }
    // SAFETY: asks for an error: a null pointer where one is not allowed.
    assert_eq!(unsafe { libc::getitimer(9 as _, ptr::null_mut()) }, -1);
}

/// The process's own running time.
fn used() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    signal::check(result, "clock_gettime");
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

/// Counts the process's own running time: a sleep does not advance it.
pub(crate) fn virtual_timer() {
    signal::count(SIGVTALRM, 0);
    let (length, before) = (Duration::from_millis(20), used());
    set(libc::ITIMER_VIRTUAL, length, Duration::ZERO);
    std::thread::sleep(length * 3);
    // A host that stops the processor in the middle of a few instructions makes them take long.
    assert!(signal::caught(SIGVTALRM) == 0 || used() - before >= length, "asleep");
    let began = Instant::now();
    while signal::caught(SIGVTALRM) == 0 && began.elapsed() < Duration::from_secs(60) {
        black_box(0);
    }
    assert_eq!(signal::caught(SIGVTALRM), 1);
}
