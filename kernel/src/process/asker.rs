//! A process as file systems and terminals see it.

use alloc::rc::Rc;

use wayfarer_proto::id::{Pid, Tid};
use wayfarer_proto::linux::capability::CAP_FOWNER;
use wayfarer_proto::linux::process::RLIMIT_FSIZE;
use wayfarer_proto::linux::signal::{Signal, SignalSet};

use super::{Home, HomeThread};
use crate::fs::{Asker, Dentry, Inode};
use crate::kernel::Kernel;
use crate::signal::Disposition;

/// Answers what a file system or terminal may ask about the process it serves.
pub struct HomeAsker<'a> {
    /// The node.
    pub kernel: &'a Kernel,
    /// The process.
    pub home: &'a Home,
    /// The thread that asks; `None` for the kernel on the process's behalf.
    pub thread: Option<&'a HomeThread>,
}

impl Asker for HomeAsker<'_> {
    fn pid(&self) -> Pid {
        self.home.pid
    }

    fn tid(&self) -> Tid {
        self.thread.map_or_else(|| self.home.pid.leader(), |thread| thread.tid)
    }

    fn session(&self) -> Pid {
        self.home.session.get()
    }

    fn group(&self) -> Pid {
        self.home.group.get()
    }

    fn ignores_or_blocks(&self, signal: Signal) -> bool {
        let mask = self.thread.map_or(SignalSet::EMPTY, |thread| thread.mask.get());
        mask.contains(signal) || self.home.signals.disposition(signal) == Disposition::Ignored
    }

    fn may(&self, inode: &dyn Inode, wanted: u32) -> bool {
        self.home.credentials.borrow().permit(inode, wanted)
    }

    fn owns(&self, inode: &dyn Inode) -> bool {
        let credentials = self.home.credentials.borrow();
        credentials.has(CAP_FOWNER) || inode.metadata().attributes.uid == credentials.user.files
    }

    fn makes_as(&self) -> (u32, u32) {
        let credentials = self.home.credentials.borrow();
        (credentials.user.files, credentials.group.files)
    }

    fn root(&self) -> Option<Rc<Dentry>> {
        self.home.files.root()
    }

    fn largest_file(&self) -> u64 {
        self.home.limits.borrow().get(RLIMIT_FSIZE).map_or(u64::MAX, |limit| limit.current)
    }

    fn is_group_orphaned(&self) -> bool {
        let group = self.home.group.get();
        let session = self.home.session.get();
        !self.kernel.group_members(group).iter().any(|member| {
            let parent = member.parent.borrow().upgrade();
            parent.is_some_and(|parent| {
                parent.group.get() != group && parent.session.get() == session
            })
        })
    }

    fn session_of_group(&self, group: Pid) -> Option<Pid> {
        self.kernel.group_members(group).first().map(|member| member.session.get())
    }
}
