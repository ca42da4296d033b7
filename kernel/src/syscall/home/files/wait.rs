//! Sleeping until a file can do what is asked of it.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::process::RLIMIT_NOFILE;

use crate::fs::{Io, OpenFile};
use crate::syscall::Caller;

/// The open file that a descriptor argument names. Most calls look for one: not in each.
#[inline(never)]
pub(in crate::syscall::home) fn file(c: &Caller, fd: i32) -> Result<Rc<OpenFile>, Errno> {
    c.home.files.table().get(Fd(fd))
}

/// The caller's `RLIMIT_NOFILE`.
pub(in crate::syscall::home) fn descriptor_limit(c: &Caller) -> u64 {
    c.home.limits.borrow().get(RLIMIT_NOFILE).map_or(0, |limit| limit.current)
}

/// Repeats `attempt` until it answers anything but `EAGAIN`; only once if `nonblock`. A read from a
/// terminal may have a time limit (`VTIME`): after it the attempt is told so.
///
/// # Errors
/// The attempt's; `ERESTARTSYS` if a signal came while it waited.
pub(in crate::syscall::home) async fn repeat<T>(
    c: &Caller,
    file: &OpenFile,
    nonblock: bool,
    mut attempt: impl FnMut(&Io<'_>) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let asker = c.asker();
    let mut io = Io { asker: &asker, nonblock, timed_out: false };
    if let Some(fetches) = file.inode().fetches() {
        let _turn = file.turn().await;
        return fetches.settle(|| attempt(&io)).await;
    }
    loop {
        match attempt(&io) {
            Err(Errno::EAGAIN) if !nonblock => {}
            outcome => return outcome,
        }
        let Some(changes) = file.object().changes() else { return Err(Errno::EAGAIN) };
        let deadline = file.object().read_timeout().map(|limit| c.kernel.now() + limit);
        io.timed_out = c.interruptible_until(deadline, changes.wait()).await?.is_none();
    }
}
