//! Blocking on pipes: read, write, poll, select.

use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::blocker::Blocker;
use crate::outcome::Effect;

/// A pipe whose reader waits for a message.
pub(crate) struct Message {
    pub(crate) reader: PipeReader,
    writer: PipeWriter,
}

impl Message {
    const TEXT: &[u8] = b"event";

    pub(crate) fn new() -> Self {
        let (reader, writer) = io::pipe().unwrap();
        Self { reader, writer }
    }

    pub(crate) fn send(&self) {
        assert_eq!(rustix::io::write(&self.writer, Self::TEXT), Ok(Self::TEXT.len()));
    }

    pub(crate) fn receive(&self) -> Result<(), Errno> {
        let mut buffer = [0; 16];
        let length = rustix::io::read(&self.reader, &mut buffer)?;
        assert_eq!(&buffer[..length], Self::TEXT);
        Ok(())
    }
}

pub(crate) struct Read(Message);

impl Read {
    pub(crate) fn new() -> Self {
        Self(Message::new())
    }
}

impl Blocker for Read {
    fn effect(&self) -> Effect {
        Effect::MayRestart
    }

    fn block(&mut self) -> Result<(), Errno> {
        self.0.receive()
    }

    fn cause(&mut self, _: Pid) {
        self.0.send();
    }
}

/// A full pipe that the child writes more into, in a piece larger than `PIPE_BUF`.
pub(crate) struct Write {
    reader: PipeReader,
    writer: PipeWriter,
    filled: usize,
}

impl Write {
    const MORE: usize = 3 * 4096 + 17;

    pub(crate) fn new() -> Self {
        let (reader, writer) = io::pipe().unwrap();
        let flags = fcntl_getfl(&writer).unwrap();
        fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
        let mut filled = 0;
        while let Ok(length) = rustix::io::write(&writer, &[b'.'; 4096]) {
            filled += length;
        }
        fcntl_setfl(&writer, flags).unwrap();
        Self { reader, writer, filled }
    }

    fn more() -> Vec<u8> {
        (0..Self::MORE).map(|index| b'a' + (index % 26) as u8).collect()
    }
}

impl Blocker for Write {
    fn effect(&self) -> Effect {
        Effect::MayRestart
    }

    fn block(&mut self) -> Result<(), Errno> {
        // A handler that runs when there is room again may cut the call short.
        let (more, mut written) = (Self::more(), 0);
        while written < Self::MORE {
            written += rustix::io::write(&self.writer, &more[written..])?;
        }
        Ok(())
    }

    fn cause(&mut self, _: Pid) {
        let mut old = vec![0; self.filled];
        self.reader.read_exact(&mut old).unwrap();
        assert!(old.iter().all(|byte| *byte == b'.'));
    }

    fn check(&mut self) {
        let mut new = vec![0; Self::MORE];
        self.reader.read_exact(&mut new).unwrap();
        assert_eq!(new, Self::more());
    }
}

pub(crate) struct Poll(Message);

impl Poll {
    pub(crate) fn new() -> Self {
        Self(Message::new())
    }
}

impl Blocker for Poll {
    fn effect(&self) -> Effect {
        Effect::AlwaysInterrupts
    }

    fn block(&mut self) -> Result<(), Errno> {
        let mut fds = [PollFd::new(&self.0.reader, PollFlags::IN)];
        assert_eq!(poll(&mut fds, None)?, 1);
        assert_eq!(fds[0].revents(), PollFlags::IN);
        self.0.receive()
    }

    fn cause(&mut self, _: Pid) {
        self.0.send();
    }
}

pub(crate) struct Select(Message);

impl Select {
    pub(crate) fn new() -> Self {
        Self(Message::new())
    }
}

impl Blocker for Select {
    fn effect(&self) -> Effect {
        Effect::AlwaysInterrupts
    }

    fn block(&mut self) -> Result<(), Errno> {
        let fd = self.0.reader.as_fd().as_raw_fd();
        // SAFETY: all-zero is the empty set, the descriptor is small, the set outlives the call.
        let (ready, is_set) = unsafe {
            let mut set: libc::fd_set = std::mem::zeroed();
            libc::FD_SET(fd, &mut set);
            let none = ptr::null_mut();
            let ready = libc::select(fd + 1, &mut set, none, none, ptr::null_mut());
            (ready, libc::FD_ISSET(fd, &set))
        };
        if ready == -1 {
            return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap());
        }
        assert_eq!((ready, is_set), (1, true));
        self.0.receive()
    }

    fn cause(&mut self, _: Pid) {
        self.0.send();
    }
}
