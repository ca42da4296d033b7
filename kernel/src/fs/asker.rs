//! Who asks for something: all that file systems and terminals need to know of a process.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Pid, Tid};
use wayfarer_proto::linux::fcntl::X_OK;
use wayfarer_proto::linux::signal::Signal;

use super::{Dentry, Inode, may_execute};

/// The process on whose behalf a file operation runs.
pub trait Asker {
    /// Its process id: what `/proc/self` points to.
    fn pid(&self) -> Pid;
    /// The thread that asks: what `/proc/thread-self` points to.
    fn tid(&self) -> Tid {
        self.pid().leader()
    }
    /// Its session, named by the leader's process id.
    fn session(&self) -> Pid;
    /// Its process group.
    fn group(&self) -> Pid;
    /// Whether it ignores or blocks this signal, so that sending it would not stop it.
    fn ignores_or_blocks(&self, signal: Signal) -> bool;
    /// Whether its process group is orphaned: nobody in the session could continue it if it
    /// stopped (setpgid(2)).
    fn is_group_orphaned(&self) -> bool;
    /// The session of another process group; `None` if no process is in it.
    fn session_of_group(&self, group: Pid) -> Option<Pid>;

    /// Whether it may do this with a file: `R_OK`, `W_OK`, `X_OK`. Unless told otherwise this is
    /// root, who may do everything but execute what nobody may.
    fn may(&self, inode: &dyn Inode, wanted: u32) -> bool {
        wanted & X_OK == 0 || may_execute(&inode.metadata())
    }

    /// Whether it may change what belongs to the owner of a file.
    fn owns(&self, _inode: &dyn Inode) -> bool {
        true
    }

    /// User and group of what it makes.
    fn makes_as(&self) -> (u32, u32) {
        (0, 0)
    }

    /// The directory that its absolute paths begin at, if that is not the topmost (chroot(2)).
    fn root(&self) -> Option<Rc<Dentry>> {
        None
    }

    /// Fails unless it may do this.
    ///
    /// # Errors
    /// `EACCES`.
    fn require(&self, inode: &dyn Inode, wanted: u32) -> Result<(), Errno> {
        if self.may(inode, wanted) { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// The largest size that it may give a file (`RLIMIT_FSIZE`).
    fn largest_file(&self) -> u64 {
        u64::MAX
    }

    /// Fails unless it may make a file of `size` bytes of one that has `now`.
    ///
    /// # Errors
    /// `EFBIG`.
    fn require_size(&self, now: u64, size: u64) -> Result<(), Errno> {
        if size <= now || size <= self.largest_file() { Ok(()) } else { Err(Errno::EFBIG) }
    }

    /// Whether it leads its session.
    fn leads_session(&self) -> bool {
        self.pid() == self.session()
    }
}
