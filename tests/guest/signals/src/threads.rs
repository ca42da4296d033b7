//! Signals and threads: masks of their own, signals for one or for any.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use guest_common::child;
use guest_common::signal;
use libc::{SIGUSR1, SIGUSR2, c_int, siginfo_t, ucontext_t};

/// The thread that ran the handler.
static HANDLED_BY: AtomicU64 = AtomicU64::new(0);

extern "C" fn note_thread(signal: c_int, info: &mut siginfo_t, context: &mut ucontext_t) {
    // SAFETY: takes nothing.
    HANDLED_BY.store(unsafe { libc::pthread_self() }, Ordering::SeqCst);
    signal::record_one(signal, info, context);
}

/// A thread that sleeps, with `prepare` done first, until told to end; and its id.
fn sleeper(prepare: fn()) -> (u64, mpsc::Sender<()>, thread::JoinHandle<()>) {
    let (tell_id, id) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let handle = thread::spawn(move || {
        prepare();
        // SAFETY: takes nothing.
        tell_id.send(unsafe { libc::pthread_self() }).unwrap();
        ended.recv().unwrap();
    });
    (id.recv().unwrap(), end, handle)
}

fn wait_until_handled(times: u32) {
    while signal::caught(SIGUSR1) < times {
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn to_one_thread() {
    signal::count(SIGUSR1, 0);
    signal::handle(SIGUSR1, libc::SA_RESTART, note_thread);
    let threads: Vec<_> = (0..3).map(|_| sleeper(|| ())).collect();
    for (times, (id, ..)) in (1..).zip(&threads) {
        // SAFETY: the thread lives until it is told to end.
        assert_eq!(unsafe { libc::pthread_kill(*id, SIGUSR1) }, 0);
        wait_until_handled(times);
        assert_eq!(HANDLED_BY.load(Ordering::SeqCst), *id);
    }
    for (_, end, handle) in threads {
        end.send(()).unwrap();
        handle.join().unwrap();
    }
}

/// A signal to the process goes to a thread that does not block it.
pub(crate) fn to_the_thread_that_takes_it() {
    signal::count(SIGUSR1, 0);
    signal::handle(SIGUSR1, libc::SA_RESTART, note_thread);
    let before = signal::block(&[SIGUSR1]);
    let (blocking, end_blocking, first) = sleeper(|| ());
    let (open, end_open, second) = sleeper(|| {
        signal::unblock(&[SIGUSR1]);
    });
    signal::kill(child::own_pid(), SIGUSR1);
    wait_until_handled(1);
    let by = HANDLED_BY.load(Ordering::SeqCst);
    assert!(by == open && by != blocking);
    for (end, handle) in [(end_blocking, first), (end_open, second)] {
        end.send(()).unwrap();
        handle.join().unwrap();
    }
    signal::set_mask(&before);
}

pub(crate) fn masks_are_per_thread() {
    static SEEN: AtomicI32 = AtomicI32::new(-1);
    let before = signal::block(&[SIGUSR2]);
    thread::spawn(|| {
        let inherited = signal::unblock(&[SIGUSR2]).has(SIGUSR2);
        SEEN.store(i32::from(inherited), Ordering::SeqCst);
    })
    .join()
    .unwrap();
    assert_eq!(SEEN.load(Ordering::SeqCst), 1, "a thread begins with its creator's mask");
    assert!(signal::set_mask(&before).has(SIGUSR2), "and changes only its own");
}
