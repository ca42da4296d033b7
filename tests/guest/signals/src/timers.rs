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
    assert_eq!((first, second), (0, 100), "the second tells what was left of the first");
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
    signal::count(SIGALRM, 0);
    signal::alarm(Duration::from_millis(30));
    signal::alarm(Duration::ZERO);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(signal::caught(SIGALRM), 0);
    // SAFETY: asks for an error: a null pointer where one is not allowed.
    assert_eq!(unsafe { libc::getitimer(9 as _, ptr::null_mut()) }, -1);
}

/// Counts the process's own running time: a sleep does not advance it.
pub(crate) fn virtual_timer() {
    signal::count(SIGVTALRM, 0);
    set(libc::ITIMER_VIRTUAL, Duration::from_millis(20), Duration::ZERO);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(signal::caught(SIGVTALRM), 0, "asleep");
    let began = Instant::now();
    while signal::caught(SIGVTALRM) == 0 && began.elapsed() < Duration::from_secs(10) {
        black_box(0);
    }
    assert_eq!(signal::caught(SIGVTALRM), 1);
}
