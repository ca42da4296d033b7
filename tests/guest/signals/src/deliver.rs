//! Handlers, masks, pending signals, the alternate stack.

use std::hint::black_box;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use guest_common::child::{self, End};
use guest_common::signal::{self, Mask};
use libc::{SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, c_int, siginfo_t, ucontext_t};

pub(crate) fn handler_runs() {
    signal::count(SIGUSR1, 0);
    signal::raise(SIGUSR1);
    signal::raise(SIGUSR1);
    assert_eq!(signal::caught(SIGUSR1), 2);
}

pub(crate) fn blocked_stays_pending() {
    signal::count(SIGUSR1, 0);
    let before = signal::block(&[SIGUSR1]);
    assert!(!signal::pending().has(SIGUSR1));
    signal::raise(SIGUSR1);
    assert_eq!(signal::caught(SIGUSR1), 0);
    assert!(signal::pending().has(SIGUSR1));
    signal::set_mask(&before);
    assert_eq!(signal::caught(SIGUSR1), 1);
    assert!(!signal::pending().has(SIGUSR1));
}

pub(crate) fn standard_signals_merge() {
    signal::count(SIGUSR1, 0);
    let before = signal::block(&[SIGUSR1]);
    for _ in 0..3 {
        signal::kill(child::own_pid(), SIGUSR1);
    }
    signal::set_mask(&before);
    assert_eq!(signal::caught(SIGUSR1), 1);
}

pub(crate) fn real_time_signals_queue() {
    let number = libc::SIGRTMIN() + 3;
    signal::count(number, 0);
    let before = signal::block(&[number]);
    for _ in 0..3 {
        signal::kill(child::own_pid(), number);
    }
    signal::set_mask(&before);
    assert_eq!(signal::caught(number), 3);
}

/// What handlers write down, in order. They run on this thread only, between its statements.
static NOTES: Mutex<Vec<&str>> = Mutex::new(Vec::new());

fn note(what: &'static str) {
    NOTES.lock().unwrap().push(what);
}

fn take_notes() -> Vec<&'static str> {
    std::mem::take(&mut NOTES.lock().unwrap())
}

extern "C" fn outer(signal: c_int, _: &mut siginfo_t, _: &mut ucontext_t) {
    let first = !NOTES.lock().unwrap().contains(&"outer begins");
    note("outer begins");
    if first {
        signal::raise(SIGUSR2);
        note(if signal::pending().has(SIGUSR2) { "inner waits" } else { "inner ran" });
        signal::raise(signal);
        note(if signal::pending().has(signal) { "outer waits" } else { "outer ran" });
    }
    note("outer ends");
}

extern "C" fn inner(signal: c_int, info: &mut siginfo_t, context: &mut ucontext_t) {
    note("inner");
    signal::record_one(signal, info, context);
}

pub(crate) fn mask_while_handling() {
    signal::count(SIGUSR2, 0);
    signal::handle(SIGUSR2, 0, inner);
    signal::handle_masking(SIGUSR1, 0, outer, &Mask::of(&[SIGUSR2]));
    signal::raise(SIGUSR1);
    let notes = take_notes();
    let expected = ["outer begins", "inner waits", "outer waits", "outer ends"];
    assert_eq!(notes[..4], expected);
    let mut rest = notes[4..].to_vec();
    rest.sort_unstable();
    assert_eq!(rest, ["inner", "outer begins", "outer ends"], "both came afterwards, once");
    let now = signal::set_mask(&Mask::empty());
    assert!(!now.has(SIGUSR1) && !now.has(SIGUSR2), "the mask is as before");
}

pub(crate) fn nested_handlers() {
    signal::count(SIGUSR2, 0);
    signal::handle(SIGUSR2, 0, inner);
    signal::handle(SIGUSR1, 0, outer);
    signal::raise(SIGUSR1);
    let expected = [
        "outer begins",
        "inner",
        "inner ran",
        "outer waits",
        "outer ends",
        "outer begins",
        "outer ends",
    ];
    assert_eq!(take_notes(), expected);
}

static DEPTH: AtomicUsize = AtomicUsize::new(0);
static DEEPEST: AtomicUsize = AtomicUsize::new(0);

extern "C" fn descend(signal: c_int, _: &mut siginfo_t, _: &mut ucontext_t) {
    let depth = DEPTH.fetch_add(1, Ordering::SeqCst) + 1;
    DEEPEST.fetch_max(depth, Ordering::SeqCst);
    if depth < 5 {
        signal::raise(signal);
    }
    DEPTH.fetch_sub(1, Ordering::SeqCst);
}

pub(crate) fn no_defer_nests() {
    signal::handle(SIGUSR1, libc::SA_NODEFER, descend);
    signal::raise(SIGUSR1);
    assert_eq!(DEEPEST.load(Ordering::SeqCst), 5);
}

pub(crate) fn reset_hand() {
    let end = child::fork_and_wait(|| {
        signal::count(SIGTERM, libc::SA_RESETHAND);
        signal::raise(SIGTERM);
        assert_eq!(signal::caught(SIGTERM), 1);
        signal::raise(SIGTERM);
        0
    });
    assert_eq!(end, End::Killed(SIGTERM));
}

static HANDLER_STACK: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_stack(_: c_int, _: &mut siginfo_t, _: &mut ucontext_t) {
    let local = 0_u8;
    HANDLER_STACK.store((&raw const local).addr(), Ordering::SeqCst);
}

pub(crate) fn alternate_stack() {
    let mut memory = vec![0_u8; 64 * 1024];
    let range = memory.as_ptr().addr()..memory.as_ptr().addr() + memory.len();
    let stack =
        libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    let mut old = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the memory stays alive until the old stack is set again, below.
    signal::check(unsafe { libc::sigaltstack(&stack, &mut old) }, "sigaltstack");
    signal::handle(SIGUSR1, libc::SA_ONSTACK, note_stack);
    signal::raise(SIGUSR1);
    assert!(range.contains(&HANDLER_STACK.load(Ordering::SeqCst)), "on the alternate stack");
    signal::handle(SIGUSR1, 0, note_stack);
    signal::raise(SIGUSR1);
    assert!(!range.contains(&HANDLER_STACK.load(Ordering::SeqCst)), "not without SA_ONSTACK");
    // SAFETY: the old stack was in use before.
    signal::check(unsafe { libc::sigaltstack(&old, ptr::null_mut()) }, "sigaltstack");
}

pub(crate) fn kill_cannot_be_caught() {
    for number in [libc::SIGKILL, libc::SIGSTOP] {
        // SAFETY: `signal` takes a number and a function or a constant.
        assert_eq!(unsafe { libc::signal(number, libc::SIG_IGN) }, libc::SIG_ERR);
    }
    let before = signal::block(&[libc::SIGKILL, libc::SIGSTOP, SIGUSR1]);
    let blocked = signal::set_mask(&before);
    assert!(blocked.has(SIGUSR1) && !blocked.has(libc::SIGKILL) && !blocked.has(libc::SIGSTOP));
}

/// A child has its parent's handlers and mask, but neither its pending signals nor its alarm.
pub(crate) fn fork_inherits() {
    signal::count(SIGUSR1, 0);
    signal::count(SIGALRM, 0);
    let before = signal::block(&[SIGUSR1, SIGALRM]);
    signal::raise(SIGUSR1);
    signal::alarm(Duration::from_millis(20));
    let end = child::fork_and_wait(|| {
        assert!(!signal::pending().has(SIGUSR1), "pending signals stay with the parent");
        let mask = signal::unblock(&[SIGUSR1]);
        assert!(mask.has(SIGUSR1) && mask.has(SIGALRM), "the mask is inherited");
        signal::raise(SIGUSR1);
        std::thread::sleep(Duration::from_millis(50));
        assert!(!signal::pending().has(SIGALRM), "the alarm stays with the parent");
        i32::try_from(signal::caught(SIGUSR1)).unwrap()
    });
    assert_eq!(end, End::Exited(1));
    signal::set_mask(&before);
    signal::wait_for(SIGALRM, 1);
    assert_eq!(signal::caught(SIGUSR1), 1);
}

pub(crate) fn busy_loop_is_interrupted() {
    signal::count(SIGALRM, 0);
    signal::alarm(Duration::from_millis(10));
    let mut sum = 0_u64;
    let mut turns = 0_u64;
    while signal::caught(SIGALRM) == 0 {
        turns += 1;
        sum = black_box(sum.wrapping_add(turns));
    }
    assert_eq!(sum, (1..=turns).fold(0, u64::wrapping_add), "no register was lost");
}
