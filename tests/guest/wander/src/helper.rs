//! The process that stays at home: a child, forked before the first move, that sends `SIGUSR1` to
//! its parent whenever it is asked to.

use std::io::{self, PipeReader, PipeWriter, Read, Write};

use guest_common::child::{self, End};
use guest_common::signal;
use rustix::process::Pid;

/// The parent's end of it.
pub(crate) struct Helper {
    pid: Pid,
    requests: PipeWriter,
}

impl Helper {
    /// Forks it.
    pub(crate) fn start() -> io::Result<Self> {
        let (reader, requests) = io::pipe()?;
        let mut requests = Some(requests);
        let parent = child::own_pid();
        let pid = child::fork(|| {
            // The child's copy of the writing end must go, or the reader never sees the end.
            drop(requests.take());
            serve(reader, parent)
        });
        let requests = requests.expect("only the child took it");
        Ok(Self { pid, requests })
    }

    /// Asks for one `SIGUSR1`.
    pub(crate) fn ask(&self) -> io::Result<()> {
        (&self.requests).write_all(b"!")
    }

    /// Closes the pipe, on which the helper ends, and collects it.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.requests);
        match child::wait(self.pid) {
            End::Exited(0) => Ok(()),
            end => Err(io::Error::other(format!("the helper ended: {end:?}"))),
        }
    }
}

fn serve(mut requests: PipeReader, parent: i32) -> i32 {
    let mut request = [0];
    while let Ok(1) = requests.read(&mut request) {
        signal::kill(parent, libc::SIGUSR1);
    }
    0
}
