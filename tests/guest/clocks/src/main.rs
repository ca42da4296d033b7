//! Clocks and sleeping (clock_gettime(2), clock_nanosleep(2)).

use std::io;
use std::process::ExitCode;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use guest_common::child;
use guest_common::signal;
use libc::{CLOCK_MONOTONIC, CLOCK_REALTIME, clockid_t, timespec};

fn main() -> ExitCode {
    guest_common::run(&[
        ("monotonic_never_goes_back", monotonic),
        ("sleep_is_long_enough", sleep_is_long_enough),
        ("sleep_until", sleep_until),
        ("sleep_until_the_past", sleep_until_the_past),
        ("interrupted_sleep_until", interrupted_sleep_until),
        ("wrong_arguments", wrong_arguments),
        ("wall_clock", wall_clock),
        ("clocks_agree", clocks_agree),
        ("processor_time", processor_time),
        ("resolution", resolution),
        ("sleepers_wake_at_their_time", sleepers_wake_at_their_time),
    ])
}

fn now(clock: clockid_t) -> Duration {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure outlives the call.
    signal::check(unsafe { libc::clock_gettime(clock, &mut time) }, "clock_gettime");
    duration(time)
}

fn duration(time: timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).expect("after the epoch");
    Duration::new(seconds, u32::try_from(time.tv_nsec).expect("below a second"))
}

fn to_timespec(time: Duration) -> timespec {
    timespec {
        tv_sec: i64::try_from(time.as_secs()).expect("a short time"),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// Sleeps until `deadline`; returns the error number or zero.
fn sleep_until_on(clock: clockid_t, deadline: Duration) -> i32 {
    let deadline = to_timespec(deadline);
    // SAFETY: the structure outlives the call; an absolute sleep leaves no rest.
    unsafe { libc::clock_nanosleep(clock, libc::TIMER_ABSTIME, &deadline, ptr::null_mut()) }
}

fn monotonic() {
    let mut last = now(CLOCK_MONOTONIC);
    for _ in 0..20_000 {
        let time = now(CLOCK_MONOTONIC);
        assert!(time >= last, "{time:?} after {last:?}");
        last = time;
    }
}

fn sleep_is_long_enough() {
    for length in [0, 1, 3, 20].map(Duration::from_millis) {
        let began = Instant::now();
        thread::sleep(length);
        let took = began.elapsed();
        assert!(took >= length && took < length + Duration::from_secs(60), "{length:?}: {took:?}");
    }
}

fn sleep_until() {
    for clock in [CLOCK_MONOTONIC, CLOCK_REALTIME] {
        let deadline = now(clock) + Duration::from_millis(20);
        assert_eq!(sleep_until_on(clock, deadline), 0);
        assert!(now(clock) >= deadline);
    }
}

fn sleep_until_the_past() {
    let began = Instant::now();
    assert_eq!(sleep_until_on(CLOCK_MONOTONIC, Duration::from_nanos(1)), 0);
    assert!(began.elapsed() < Duration::from_secs(60));
}

fn interrupted_sleep_until() {
    signal::count(libc::SIGALRM, libc::SA_RESTART);
    signal::alarm_again_and_again(Duration::from_millis(100));
    let deadline = now(CLOCK_MONOTONIC) + Duration::from_secs(1000);
    assert_eq!(sleep_until_on(CLOCK_MONOTONIC, deadline), libc::EINTR);
    signal::alarm(Duration::ZERO);
    assert!(signal::caught(libc::SIGALRM) >= 1);
    assert!(now(CLOCK_MONOTONIC) < deadline);
}

fn wrong_arguments() {
    for (seconds, nanoseconds) in [(0, 1_000_000_000), (0, -1), (-1, 0)] {
        let request = timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        // SAFETY: the structure outlives the call.
        let result = unsafe { libc::nanosleep(&request, ptr::null_mut()) };
        let error = io::Error::last_os_error().raw_os_error();
        assert_eq!((result, error), (-1, Some(libc::EINVAL)), "{seconds} s {nanoseconds} ns");
    }
    let mut time = to_timespec(Duration::ZERO);
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::clock_gettime(999, &mut time) }, -1, "no such clock");
}

fn wall_clock() {
    let since_epoch = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let before = since_epoch();
    let year_2024 = Duration::from_secs(54 * 365 * 24 * 3600);
    assert!(before > year_2024, "{before:?} since 1970");
    // SAFETY: a null pointer asks for the value only.
    let seconds = u64::try_from(unsafe { libc::time(ptr::null_mut()) }).unwrap();
    let after = since_epoch();
    assert!(before.as_secs() <= seconds + 1 && seconds <= after.as_secs(), "{before:?} {seconds}");
}

/// Both clocks at the same moment: nothing came between the two looks.
fn both_clocks() -> (Duration, Duration) {
    loop {
        let steady = now(CLOCK_MONOTONIC);
        let wall = now(CLOCK_REALTIME);
        if now(CLOCK_MONOTONIC) - steady < Duration::from_millis(5) {
            return (wall, steady);
        }
    }
}

/// Both clocks run at the same speed.
fn clocks_agree() {
    let (wall, steady) = both_clocks();
    thread::sleep(Duration::from_millis(50));
    let (wall_then, steady_then) = both_clocks();
    let (wall, steady) = (wall_then - wall, steady_then - steady);
    assert!(wall.abs_diff(steady) < Duration::from_millis(20), "{wall:?} {steady:?}");
}

/// What a process uses that sleeps for 100 ms.
fn used_asleep() -> Duration {
    let before = now(libc::CLOCK_PROCESS_CPUTIME_ID);
    thread::sleep(Duration::from_millis(100));
    now(libc::CLOCK_PROCESS_CPUTIME_ID) - before
}

fn processor_time() {
    // A host that stops the processor in the middle of a few instructions makes them take long.
    let slept = (0..5).map(|_| used_asleep()).min().unwrap();
    assert!(slept < Duration::from_millis(80), "asleep: {slept:?}");
    let (began, before) = (Instant::now(), now(libc::CLOCK_PROCESS_CPUTIME_ID));
    let used = || now(libc::CLOCK_PROCESS_CPUTIME_ID) - before;
    while used() < Duration::from_millis(20) {
        assert!(began.elapsed() < Duration::from_secs(60), "busy: {:?}", used());
        std::hint::black_box(());
    }
}

fn resolution() {
    let mut time = to_timespec(Duration::ZERO);
    // SAFETY: the structure outlives the call.
    signal::check(unsafe { libc::clock_getres(CLOCK_MONOTONIC, &mut time) }, "clock_getres");
    assert!(duration(time) > Duration::ZERO && duration(time) <= Duration::from_millis(10));
}

fn sleepers_wake_at_their_time() {
    let (mut reader, writer) = io::pipe().unwrap();
    let start = Instant::now();
    let children: Vec<_> = [120_u8, 20, 70]
        .into_iter()
        .map(|milliseconds| {
            let delay = Duration::from_millis(milliseconds.into());
            child::fork_later(delay, || {
                // A sleeper that woke early says 0.
                let word = if start.elapsed() >= delay { milliseconds } else { 0 };
                rustix::io::write(&writer, &[word]).unwrap();
            })
        })
        .collect();
    drop(writer);
    let mut woken = Vec::new();
    io::Read::read_to_end(&mut reader, &mut woken).unwrap();
    woken.sort_unstable();
    assert_eq!(woken, [20, 70, 120]);
    children.into_iter().for_each(|child| assert_eq!(child::wait(child), child::End::Exited(0)));
}
