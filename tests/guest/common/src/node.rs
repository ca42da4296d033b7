//! Nodes: moving oneself, moving others, and asking where one is.
//!
//! On the host's Linux there is one place to be, so every request is answered "not here" and the
//! guest goes on where it is.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// The system call that Wayfarer adds to Linux's: `migrate(node)`.
const SYS_MIGRATE: libc::c_long = 0x1000;

/// What a request to move came to, when it was not refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    /// The process is on that node now.
    There,
    /// This kernel is an ordinary Linux; the process is where it was.
    NotHere,
}

/// Moves the calling process to `node`.
///
/// # Errors
/// What the kernel refuses with: no such node, node full, a mapping that cannot move.
pub fn migrate(node: u16) -> io::Result<Moved> {
    // SAFETY: the call takes a number and touches no memory of ours.
    match unsafe { libc::syscall(SYS_MIGRATE, libc::c_long::from(node)) } {
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENOSYS) => Ok(Moved::NotHere),
            error => Err(error),
        },
        _ => Ok(Moved::There),
    }
}

/// The node this process is on; `None` on the host's Linux.
///
/// # Errors
/// Fails if `/proc/self/where` is there and holds no number.
pub fn current() -> io::Result<Option<u16>> {
    whereabouts("self")
}

/// Asks for process `pid` to be moved to `node`, as a user would: a write to `/proc/PID/goto`.
///
/// # Errors
/// What the kernel refuses with. On the host's Linux, which has no such file, nothing happens.
pub fn send(pid: rustix::process::Pid, node: u16) -> io::Result<Moved> {
    let path = format!("/proc/{}/goto", pid.as_raw_nonzero());
    match fs::OpenOptions::new().write(true).open(path) {
        Ok(mut file) => {
            io::Write::write_all(&mut file, format!("{node}\n").as_bytes())?;
            Ok(Moved::There)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Moved::NotHere),
        Err(error) => Err(error),
    }
}

/// [`send`]s process `pid` and waits until it is there.
///
/// # Errors
/// As [`send`]; and `TimedOut` if it is not there after `limit`.
pub fn send_and_wait(pid: rustix::process::Pid, node: u16, limit: Duration) -> io::Result<Moved> {
    let deadline = Instant::now() + limit;
    if send(pid, node)? == Moved::NotHere {
        return Ok(Moved::NotHere);
    }
    while whereabouts(&pid.as_raw_nonzero().to_string())? != Some(node) {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(Moved::There)
}

fn whereabouts(process: &str) -> io::Result<Option<u16>> {
    match fs::read_to_string(format!("/proc/{process}/where")) {
        Ok(text) => match text.trim().parse() {
            Ok(node) => Ok(Some(node)),
            Err(_) => Err(io::Error::other(format!("/proc/{process}/where says {text:?}"))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
