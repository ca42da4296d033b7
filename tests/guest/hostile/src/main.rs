//! `hostile [SEED [ROUNDS [STEP]]]`: every system call number, or every STEPth, with wrong
//! arguments.
//!
//! The kernel must refuse, or do something harmless, or end the process that asks; it must not
//! hang, and this process must see every child end. Each number has children of their own, with
//! nothing open but a file that goes with it, in a group of their own, ended by an alarm if they
//! block.

mod arguments;
mod avoid;

use std::io;
use std::process::ExitCode;

use arguments::Arguments;
use guest_common::child::{self, End};
use guest_common::{say, signal};

/// The numbers tried: all that Linux has, some that it has not, and ours.
const NUMBERS: std::ops::Range<i64> = 0..460;

/// Calls of one child.
const CALLS: usize = 24;

fn main() -> ExitCode {
    guest_common::fail_on_panic();
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let mut next = || args.next().unwrap_or(Ok(1));
    let (Ok(seed), Ok(rounds), Ok(step @ 1..)) = (next(), next(), next()) else {
        eprintln!("usage: hostile [SEED [ROUNDS [STEP]]]");
        return ExitCode::from(2);
    };
    let numbers = || NUMBERS.step_by(step as usize).filter(|number| !avoid::is_avoided(*number));
    for round in 0..rounds {
        for number in numbers() {
            let mut arguments = Arguments::new(seed + round, number);
            let child = child::fork(|| attack(number, &mut arguments));
            match child::wait(child) {
                // A call may well kill its process: by a signal, by an exit, by a bad map.
                End::Exited(_) | End::Killed(_) => {}
            }
        }
    }
    // Whatever the children did, this process still works.
    assert_eq!(child::fork_and_wait(|| 7), End::Exited(7));
    say(&format!("ok seed {seed} rounds {rounds}"));
    ExitCode::SUCCESS
}

/// Child: makes calls of one number.
fn attack(number: i64, arguments: &mut Arguments) -> i32 {
    isolate();
    for _ in 0..CALLS {
        let [a, b, c, d, e, f] = avoid::tame(number, arguments.next_six());
        // SAFETY: none: this process may be ended by what it asks for.
        unsafe { libc::syscall(number, a, b, c, d, e, f) };
    }
    0
}

/// Makes this process unable to harm others, and mortal.
fn isolate() {
    // SAFETY: plain calls with plain arguments; descriptors above 2 belong to nobody here.
    unsafe {
        libc::setpgid(0, 0);
        // Not /dev/null: fchmod(2) and its kin would change it for the whole host.
        let own = libc::memfd_create(c"own".as_ptr(), 0);
        for fd in 0..3 {
            libc::dup2(own, fd);
        }
        libc::close(own);
    }
    signal::default(libc::SIGALRM);
    signal::default(libc::SIGSEGV);
    let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
    // SAFETY: the structure outlives the call.
    let limited = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) };
    assert!(limited == 0, "{}", io::Error::last_os_error());
    signal::alarm(std::time::Duration::from_millis(300));
}
