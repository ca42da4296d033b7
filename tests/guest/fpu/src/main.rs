//! The registers of the floating-point and vector units, and all others: nothing that happens to
//! a thread may change them but itself.

mod general;
mod vector;
mod x87;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use guest_common::child::{self, End};
use guest_common::signal;
use libc::{SIGALRM, c_int, siginfo_t, ucontext_t};

fn main() -> ExitCode {
    guest_common::run(&[
        ("xmm_over_a_signal", vector::xmm_over_a_signal),
        ("ymm_over_a_signal", vector::ymm_over_a_signal),
        ("xmm_over_system_calls", vector::xmm_over_system_calls),
        ("ymm_over_system_calls", vector::ymm_over_system_calls),
        ("xmm_is_copied_by_fork", vector::xmm_is_copied_by_fork),
        ("rounding_over_a_signal", vector::rounding_over_a_signal),
        ("rounding_over_system_calls", vector::rounding_over_system_calls),
        ("x87_over_a_signal", x87::over_a_signal),
        ("x87_over_system_calls", x87::over_system_calls),
        ("x87_control_word", x87::control_word),
        ("general_registers_over_a_signal", general::over_a_signal),
        ("general_registers_over_system_calls", general::over_system_calls),
        ("flags_over_a_signal", general::flags_over_a_signal),
        ("processes_do_not_mix", processes_do_not_mix),
        ("threads_do_not_mix", threads_do_not_mix),
        ("handlers_compute", handlers_compute),
    ])
}

/// Set by the handler below; what runs in assembly spins until then.
static FLAG: AtomicU32 = AtomicU32::new(0);

extern "C" fn spoil(_: c_int, _: &mut siginfo_t, _: &mut ucontext_t) {
    vector::spoil();
    x87::spoil();
    FLAG.store(1, Ordering::SeqCst);
}

/// An alarm will come soon, whose handler spoils every register it can.
fn expect_spoiling() {
    FLAG.store(0, Ordering::SeqCst);
    signal::handle(SIGALRM, libc::SA_RESTART, spoil);
    signal::alarm(Duration::from_millis(5));
}

/// Calls that block or travel, between which registers must keep: number and two arguments.
fn calls(time: &libc::timespec) -> [[u64; 3]; 6] {
    let time = std::ptr::from_ref(time).expose_provenance() as u64;
    let number = |call: libc::c_long| u64::try_from(call).expect("call numbers are positive");
    [
        [number(libc::SYS_getppid), 0, 0],
        [number(libc::SYS_sched_yield), 0, 0],
        [number(libc::SYS_nanosleep), time, 0],
        [0x1000, 2, 0],
        [number(libc::SYS_lseek), 1000, 0],
        [0x1000, 1, 0],
    ]
}

/// One millisecond.
const SHORT: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// A long sum that depends on every rounding on its way.
fn series(seed: u32) -> f64 {
    let mut value = f64::from(seed) + 0.5;
    for index in 1..200_000 {
        value = (value * 1.000_001 + f64::from(index).sqrt()).rem_euclid(1000.0) + 0.001;
    }
    value
}

fn processes_do_not_mix() {
    let children: Vec<_> = (0..4)
        .map(|seed| {
            child::fork(move || {
                let first = series(seed);
                let again = series(std::hint::black_box(seed));
                i32::from(first.to_bits() != again.to_bits())
            })
        })
        .collect();
    let own = series(99);
    children.into_iter().for_each(|child| assert_eq!(child::wait(child), End::Exited(0)));
    assert_eq!(own.to_bits(), series(std::hint::black_box(99)).to_bits());
}

fn threads_do_not_mix() {
    let alone: Vec<u64> = (0..4).map(|seed| series(seed).to_bits()).collect();
    let threads: Vec<_> = (0..4).map(|seed| std::thread::spawn(move || series(seed))).collect();
    let together: Vec<u64> =
        threads.into_iter().map(|thread| thread.join().unwrap().to_bits()).collect();
    assert_eq!(alone, together);
}

extern "C" fn compute(_: c_int, _: &mut siginfo_t, _: &mut ucontext_t) {
    let value = (1..200).map(f64::from).map(f64::sqrt).sum::<f64>();
    FLAG.fetch_add(u32::from(value > 1.0), Ordering::SeqCst);
}

/// Handlers that compute, in the middle of a computation, many times.
fn handlers_compute() {
    let expected = series(7).to_bits();
    FLAG.store(0, Ordering::SeqCst);
    signal::handle(SIGALRM, libc::SA_RESTART, compute);
    while FLAG.load(Ordering::SeqCst) < 20 {
        signal::alarm(Duration::from_micros(300));
        assert_eq!(series(std::hint::black_box(7)).to_bits(), expected);
    }
    signal::alarm(Duration::ZERO);
}
