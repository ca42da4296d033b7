//! Signals (signal(7)): handlers that count, masks, waiting without a race, sending.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use libc::{c_int, siginfo_t, ucontext_t};

/// A handler as `SA_SIGINFO` wants it: signal, information, context (whole and ours until it
/// returns, hence references).
pub type Handler = extern "C" fn(c_int, &mut siginfo_t, &mut ucontext_t);

/// How often the counting handler ran, by signal number.
static CAUGHT: [AtomicU32; 65] = [const { AtomicU32::new(0) }; 65];

extern "C" fn count_one(signal: c_int, _: &mut siginfo_t, _: &mut ucontext_t) {
    if let Some(counter) = usize::try_from(signal).ok().and_then(|index| CAUGHT.get(index)) {
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

/// Catches `signal` with a handler that counts; `flags` as for sigaction(2), e.g. `SA_RESTART`.
/// The count begins at zero again.
pub fn count(signal: c_int, flags: c_int) {
    slot(signal).store(0, Ordering::SeqCst);
    handle(signal, flags, count_one);
}

/// How often the counting handler of `signal` ran.
pub fn caught(signal: c_int) -> u32 {
    slot(signal).load(Ordering::SeqCst)
}

fn slot(signal: c_int) -> &'static AtomicU32 {
    let index = usize::try_from(signal).expect("a signal number is positive");
    &CAUGHT[index]
}

/// What the kernel said of a signal (`siginfo_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// `si_code`: why it was sent.
    pub code: c_int,
    /// `si_pid`, for signals that a process sent or caused.
    pub pid: c_int,
    /// `si_status`, for `SIGCHLD`.
    pub status: c_int,
    /// `si_addr`, for faults.
    pub address: usize,
}

static LAST_CODE: AtomicI32 = AtomicI32::new(0);
static LAST_PID: AtomicI32 = AtomicI32::new(0);
static LAST_STATUS: AtomicI32 = AtomicI32::new(0);
static LAST_ADDRESS: AtomicUsize = AtomicUsize::new(0);

/// Catches `signal` with a handler that counts and keeps what [`last`] tells.
pub fn record(signal: c_int, flags: c_int) {
    slot(signal).store(0, Ordering::SeqCst);
    handle(signal, flags, record_one);
}

/// What the kernel said of the last recorded signal.
pub fn last() -> Info {
    Info {
        code: LAST_CODE.load(Ordering::SeqCst),
        pid: LAST_PID.load(Ordering::SeqCst),
        status: LAST_STATUS.load(Ordering::SeqCst),
        address: LAST_ADDRESS.load(Ordering::SeqCst),
    }
}

/// The handler of [`record`], to be called by handlers that do more.
pub extern "C" fn record_one(signal: c_int, info: &mut siginfo_t, context: &mut ucontext_t) {
    // SAFETY: a member of the union that does not belong to this signal is bytes nobody looks at.
    let (code, pid, status, address) =
        unsafe { (info.si_code, info.si_pid(), info.si_status(), info.si_addr()) };
    LAST_CODE.store(code, Ordering::SeqCst);
    LAST_PID.store(pid, Ordering::SeqCst);
    LAST_STATUS.store(status, Ordering::SeqCst);
    LAST_ADDRESS.store(address.addr(), Ordering::SeqCst);
    count_one(signal, info, context);
}

/// Catches `signal` with `handler`, which may do only what signal-safety(7) allows.
pub fn handle(signal: c_int, flags: c_int, handler: Handler) {
    handle_masking(signal, flags, handler, &Mask::empty());
}

/// As [`handle`], with the signals of `mask` blocked while the handler runs.
pub fn handle_masking(signal: c_int, flags: c_int, handler: Handler, mask: &Mask) {
    set_action(signal, flags | libc::SA_SIGINFO, handler as libc::sighandler_t, mask);
}

/// Ignores `signal`.
pub fn ignore(signal: c_int) {
    set_action(signal, 0, libc::SIG_IGN, &Mask::empty());
}

/// Gives `signal` its default action again.
pub fn default(signal: c_int) {
    set_action(signal, 0, libc::SIG_DFL, &Mask::empty());
}

fn set_action(signal: c_int, flags: c_int, action: libc::sighandler_t, mask: &Mask) {
    // SAFETY: all-zero is a valid `sigaction`, and the fields that matter follow.
    let mut new: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    new.sa_sigaction = action;
    new.sa_flags = flags;
    new.sa_mask = mask.0;
    // SAFETY: `new` is initialised, and handlers are functions of the right signature.
    check(unsafe { libc::sigaction(signal, &new, ptr::null_mut()) }, "sigaction");
}

/// A set of signals.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// No signal.
    pub fn empty() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initialises the set it is given.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    /// These signals.
    pub fn of(signals: &[c_int]) -> Self {
        let mut mask = Self::empty();
        for signal in signals {
            // SAFETY: the set is initialised; a bad number is answered with an error.
            check(unsafe { libc::sigaddset(&mut mask.0, *signal) }, "sigaddset");
        }
        mask
    }

    /// Whether `signal` is in the set.
    pub fn has(&self, signal: c_int) -> bool {
        // SAFETY: the set is initialised.
        unsafe { libc::sigismember(&self.0, signal) == 1 }
    }

    /// This set and `signal`.
    pub fn with(mut self, signal: c_int) -> Self {
        // SAFETY: the set is initialised.
        check(unsafe { libc::sigaddset(&mut self.0, signal) }, "sigaddset");
        self
    }

    /// sigtimedwait(2): takes one of these signals out of the pending ones, waiting for at most
    /// `limit`; returns it and the pid of its sender.
    ///
    /// # Errors
    /// The error number; `EAGAIN` if none came in time.
    pub fn timed_wait(&self, limit: Duration) -> Result<(c_int, c_int), i32> {
        let limit = libc::timespec {
            tv_sec: libc::time_t::try_from(limit.as_secs()).expect("a short limit"),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        let mut info = MaybeUninit::zeroed();
        // SAFETY: all three outlive the call.
        let signal = unsafe { libc::sigtimedwait(&self.0, info.as_mut_ptr(), &limit) };
        match signal {
            -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
            // SAFETY: the call succeeded and filled it.
            _ => Ok((signal, unsafe { info.assume_init().si_pid() })),
        }
    }

    /// This set without `signal`.
    pub fn without(mut self, signal: c_int) -> Self {
        // SAFETY: the set is initialised.
        check(unsafe { libc::sigdelset(&mut self.0, signal) }, "sigdelset");
        self
    }
}

/// Blocks these signals in the calling thread; returns the mask before.
pub fn block(signals: &[c_int]) -> Mask {
    change_mask(libc::SIG_BLOCK, &Mask::of(signals))
}

/// Lets these signals through again in the calling thread; returns the mask before.
pub fn unblock(signals: &[c_int]) -> Mask {
    change_mask(libc::SIG_UNBLOCK, &Mask::of(signals))
}

/// Makes `mask` the calling thread's mask; returns the mask before.
pub fn set_mask(mask: &Mask) -> Mask {
    change_mask(libc::SIG_SETMASK, mask)
}

fn change_mask(how: c_int, mask: &Mask) -> Mask {
    let mut old = Mask::empty();
    // SAFETY: both sets are initialised and outlive the call.
    let error = unsafe { libc::pthread_sigmask(how, &mask.0, &mut old.0) };
    assert_eq!(error, 0, "pthread_sigmask");
    old
}

/// The signals that wait for this thread behind its mask.
pub fn pending() -> Mask {
    let mut mask = Mask::empty();
    // SAFETY: the set outlives the call.
    check(unsafe { libc::sigpending(&mut mask.0) }, "sigpending");
    mask
}

/// sigsuspend(2): sleeps under `mask` until a handler has run.
pub fn suspend(mask: &Mask) {
    // SAFETY: the set is initialised and outlives the call.
    let result = unsafe { libc::sigsuspend(&mask.0) };
    let error = io::Error::last_os_error();
    assert_eq!((result, error.raw_os_error()), (-1, Some(libc::EINTR)), "sigsuspend: {error}");
}

/// Sleeps until the counting handler of `signal` has run `times` times.
pub fn wait_for(signal: c_int, times: u32) {
    let before = block(&[signal]);
    while caught(signal) < times {
        suspend(&before.without(signal));
    }
    set_mask(&before);
}

/// Sends `SIGALRM` to this process after `delay`, once; zero calls it off (setitimer(2)).
pub fn alarm(delay: Duration) {
    alarms(delay, Duration::ZERO);
}

/// Sends `SIGALRM` to this process again and again, until [`alarm`] calls it off: one of them will
/// come in the middle of a call, however late that begins.
pub fn alarm_again_and_again(interval: Duration) {
    alarms(interval, interval);
}

fn alarms(first: Duration, interval: Duration) {
    let value = |time: Duration| libc::timeval {
        tv_sec: libc::time_t::try_from(time.as_secs()).expect("a short time"),
        tv_usec: libc::suseconds_t::from(time.subsec_micros()),
    };
    let timer = libc::itimerval { it_interval: value(interval), it_value: value(first) };
    // SAFETY: `timer` is initialised; the old value is not asked for.
    let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()) };
    check(result, "setitimer");
}

/// kill(2).
pub fn kill(pid: c_int, signal: c_int) {
    // SAFETY: takes two numbers.
    check(unsafe { libc::kill(pid, signal) }, "kill");
}

/// raise(3): sends `signal` to the calling thread.
pub fn raise(signal: c_int) {
    // SAFETY: takes a number.
    check(unsafe { libc::raise(signal) }, "raise");
}

/// Panics with errno's text if a call of the C library failed.
pub fn check(result: c_int, call: &str) {
    assert!(result != -1, "{call}: {}", io::Error::last_os_error());
}
