//! Blocking on time, on signals and on the terminal.

use std::io;
use std::time::{Duration, Instant};

use guest_common::signal::{self, Mask};
use libc::SIGUSR2;
use rustix::io::Errno;
use rustix::process::Pid;

use crate::blocker::Blocker;
use crate::outcome::{Effect, Outcome};

/// nanosleep(2); its event is the passing of time.
pub(crate) struct Sleep {
    length: Duration,
}

impl Sleep {
    /// A sleep in which the moves of one row have time. One that shall not complete lasts longer
    /// than anything.
    pub(crate) const fn new(outcome: Outcome) -> Self {
        let completes = matches!(outcome, Outcome::Completes);
        Self { length: Duration::from_secs(if completes { 1 } else { 10_000 }) }
    }
}

impl Blocker for Sleep {
    fn effect(&self) -> Effect {
        Effect::AlwaysInterrupts
    }

    fn block(&mut self) -> Result<(), Errno> {
        let began = Instant::now();
        let request = libc::timespec {
            tv_sec: i64::try_from(self.length.as_secs()).unwrap(),
            tv_nsec: i64::from(self.length.subsec_nanos()),
        };
        let mut left = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both structures outlive the call.
        if unsafe { libc::nanosleep(&request, &mut left) } == 0 {
            assert!(began.elapsed() >= self.length, "{:?} is too short", began.elapsed());
            return Ok(());
        }
        let error = Errno::from_io_error(&io::Error::last_os_error()).unwrap();
        let seconds = u64::try_from(left.tv_sec).unwrap();
        let left = Duration::new(seconds, u32::try_from(left.tv_nsec).unwrap());
        assert!(left > Duration::ZERO && left + began.elapsed() >= self.length, "left: {left:?}");
        Err(error)
    }

    fn cause(&mut self, _: Pid) {}
}

/// sigsuspend(2); its event is another signal.
pub(crate) struct Suspend;

impl Blocker for Suspend {
    fn effect(&self) -> Effect {
        Effect::AlwaysInterrupts
    }

    fn prepare(&mut self) {
        signal::count(SIGUSR2, 0);
        signal::block(&[SIGUSR2]);
    }

    fn block(&mut self) -> Result<(), Errno> {
        signal::suspend(&Mask::empty());
        let blocked = signal::set_mask(&Mask::empty());
        assert!(blocked.has(SIGUSR2), "the mask is as before the call");
        // sigsuspend always ends with EINTR: the signals tell the event from the interruption.
        if signal::caught(SIGUSR2) == 1 { Ok(()) } else { Err(Errno::INTR) }
    }

    fn cause(&mut self, child: Pid) {
        signal::kill(child.as_raw_pid(), SIGUSR2);
    }
}

/// Reading a line from the terminal; its event is typed by whoever runs this.
pub(crate) struct Terminal;

impl Blocker for Terminal {
    fn effect(&self) -> Effect {
        Effect::MayRestart
    }

    fn block(&mut self) -> Result<(), Errno> {
        let mut line = [0; 64];
        let length = rustix::io::read(rustix::stdio::stdin(), &mut line)?;
        assert_eq!(&line[..length], b"event\n");
        Ok(())
    }

    fn cause(&mut self, _: Pid) {
        guest_common::say("type a line");
    }
}
