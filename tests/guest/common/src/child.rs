//! Children: fork, wait, and how one ended.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By `exit` with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// Forks a child that runs `work` and exits with what it returns.
///
/// Guests fork only while they have one thread, or do nothing in the child that another thread's
/// lock could hold up.
pub fn fork(work: impl FnOnce() -> i32) -> Pid {
    // SAFETY: the child is a copy of this thread alone; see the function's contract.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        0 => exit_now(work()),
        pid => Pid::from_raw(pid).expect("fork returns a positive pid to the parent"),
    }
}

/// Waits for this child to end.
pub fn wait(child: Pid) -> End {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(status) => return end_of(status.expect("a wait that may block").1),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("waitpid: {error}"),
        }
    }
}

/// Forks a child, waits for it, and says how it ended.
pub fn fork_and_wait(work: impl FnOnce() -> i32) -> End {
    wait(fork(work))
}

/// Forks a child that does `work` after `delay`, and exits with 0.
pub fn fork_later(delay: Duration, work: impl FnOnce()) -> Pid {
    fork(|| {
        std::thread::sleep(delay);
        work();
        0
    })
}

/// This process's pid.
pub fn own_pid() -> i32 {
    i32::try_from(std::process::id()).expect("a pid is a positive i32")
}

/// Ends this process at once: no destructor, no buffer flushed.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` takes any status and does not return.
    unsafe { libc::_exit(status) }
}

fn end_of(status: WaitStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Killed(signal),
        (None, None) => panic!("neither exited nor killed: {status:?}"),
    }
}
