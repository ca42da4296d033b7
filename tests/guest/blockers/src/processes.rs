//! Blocking on other processes: wait4, and the parent of a vfork child.

use std::os::fd::{AsFd, AsRawFd};

use guest_common::child;
use guest_common::signal;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::blocker::Blocker;
use crate::outcome::Effect;
use crate::pipes::Message;

/// How the awaited process exits.
const STATUS: i32 = 21;

/// wait4(2) for a child that waits for a message.
pub(crate) struct Wait {
    message: Message,
    awaited: Option<Pid>,
}

impl Wait {
    pub(crate) fn new() -> Self {
        Self { message: Message::new(), awaited: None }
    }
}

impl Blocker for Wait {
    fn effect(&self) -> Effect {
        Effect::MayRestart
    }

    fn prepare(&mut self) {
        self.awaited = Some(child::fork(|| self.message.receive().map_or(1, |()| STATUS)));
    }

    fn block(&mut self) -> Result<(), Errno> {
        let (pid, status) = waitpid(self.awaited, WaitOptions::empty())?.expect("it may block");
        assert_eq!((Some(pid), status.exit_status()), (self.awaited, Some(STATUS)));
        Ok(())
    }

    fn cause(&mut self, _: Pid) {
        self.message.send();
    }

    /// The awaited process has no parent any more and still waits.
    fn clean_up(&mut self) {
        self.message.send();
    }
}

/// The parent of a vfork child, which waits for a message (vfork(2): the parent is suspended
/// until the child exits or executes; signals wait until then, but SIGKILL does not).
pub(crate) struct Vfork {
    message: Message,
}

impl Vfork {
    pub(crate) fn new() -> Self {
        Self { message: Message::new() }
    }
}

impl Blocker for Vfork {
    fn effect(&self) -> Effect {
        Effect::Undisturbed
    }

    fn moves_at_once(&self) -> bool {
        false
    }

    fn block(&mut self) -> Result<(), Errno> {
        let mut fd = self.message.reader.as_fd().as_raw_fd();
        let mut stack = vec![0_u128; 1024];
        let top = stack.as_mut_ptr_range().end;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the child runs on a stack of its own, calls only read and _exit, and is gone
        // before this returns (posix_spawn(3) does the same).
        let pid = unsafe { libc::clone(wait_for_message, top.cast(), flags, (&raw mut fd).cast()) };
        signal::check(pid, "clone");
        let (_, status) = waitpid(Pid::from_raw(pid), WaitOptions::empty())?.expect("it may block");
        assert_eq!(status.exit_status(), Some(STATUS));
        Ok(())
    }

    fn cause(&mut self, _: Pid) {
        self.message.send();
    }

    /// The awaited process has no parent any more and still waits.
    fn clean_up(&mut self) {
        self.message.send();
    }
}

/// The vfork child: shares its parent's memory, so it makes system calls only.
extern "C" fn wait_for_message(fd: *mut libc::c_void) -> libc::c_int {
    let mut buffer = [0_u8; 16];
    // SAFETY: `fd` is what `block` passed, and the buffer is as long as it says.
    let length = unsafe { libc::read(*fd.cast::<i32>(), buffer.as_mut_ptr().cast(), 16) };
    child::exit_now(if length > 0 { STATUS } else { 1 })
}
