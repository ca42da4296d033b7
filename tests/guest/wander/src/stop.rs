//! What happens at each stop besides hashing: an alarm, a signal from home, a child with a pipe.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use guest_common::child::{self, End};
use guest_common::signal;

use crate::helper::Helper;

/// Soon enough to come while a piece is being hashed.
const ALARM_AFTER: Duration = Duration::from_millis(20);

/// What a stop finds out about the process itself without asking home; time and identity must go
/// on as if it had never moved.
pub(crate) struct Own {
    pid: u32,
    time: Instant,
}

impl Own {
    /// Notes pid and time.
    pub(crate) fn now() -> Self {
        Self { pid: std::process::id(), time: Instant::now() }
    }

    /// Compares them with those of the stop before.
    pub(crate) fn compare(&mut self) -> io::Result<()> {
        let now = Self::now();
        if now.pid != self.pid {
            return Err(io::Error::other(format!("the pid was {}, is {}", self.pid, now.pid)));
        }
        if now.time.checked_duration_since(self.time).is_none() {
            return Err(io::Error::other("CLOCK_MONOTONIC went back"));
        }
        *self = now;
        Ok(())
    }
}

/// Sets an alarm that shall come while the process is busy.
pub(crate) fn expect_alarm() {
    signal::count(libc::SIGALRM, libc::SA_RESTART);
    signal::alarm(ALARM_AFTER);
}

/// Sleeps until that alarm has come.
pub(crate) fn wait_for_alarm() {
    signal::wait_for(libc::SIGALRM, 1);
    guest_common::say("  caught SIGALRM");
}

/// Asks the process at home for a signal and sleeps until it has come.
pub(crate) fn ask_helper(helper: &Helper) -> io::Result<()> {
    signal::count(libc::SIGUSR1, libc::SA_RESTART);
    helper.ask()?;
    signal::wait_for(libc::SIGUSR1, 1);
    guest_common::say("  caught SIGUSR1 from the helper at home");
    Ok(())
}

/// Forks a child that writes a line to a pipe, reads the line, and collects the child.
pub(crate) fn talk_to_child() -> io::Result<()> {
    let (mut reader, mut writer) = io::pipe()?;
    let child = child::fork(|| match writer.write_all(b"hello from a child") {
        Ok(()) => 7,
        Err(_) => 1,
    });
    drop(writer);
    let mut line = String::new();
    reader.read_to_string(&mut line)?;
    match child::wait(child) {
        End::Exited(7) => guest_common::say(&format!("  child wrote {line:?} and exited with 7")),
        end => return Err(io::Error::other(format!("the child ended: {end:?}"))),
    }
    Ok(())
}
