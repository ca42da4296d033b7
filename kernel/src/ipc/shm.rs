//! A shared memory segment: a file without a name, as on Linux, that processes map.

use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_proto::linux::ipc::{SHM_DEST, ShmidDs};

use super::{Object, Permission};
use crate::fs::Inode;

/// A segment.
pub struct Segment {
    /// Who may do what.
    pub permission: Cell<Permission>,
    /// Its memory.
    pub inode: Rc<dyn Inode>,
    /// Bytes, as asked for.
    pub size: u64,
    /// Whether it goes with its last user.
    pub doomed: Cell<bool>,
    /// Last shmat(2), shmdt(2) and change, in seconds.
    pub times: [Cell<u64>; 3],
    /// Who made it.
    pub creator: i32,
    /// Who attached or detached it last.
    pub last: Cell<i32>,
}

impl Object for Segment {
    fn permission(&self) -> &Cell<Permission> {
        &self.permission
    }

    fn gone(&self) {}
}

impl Segment {
    /// As `IPC_STAT` tells it, after the permissions.
    pub fn describe(&self, attaches: usize) -> ShmidDs {
        ShmidDs {
            size: self.size,
            attached: self.times[0].get(),
            detached: self.times[1].get(),
            changed: self.times[2].get(),
            creator: self.creator,
            last: self.last.get(),
            attaches: attaches as u64,
            padding: [0; 16],
        }
    }

    /// The flags that its mode shows.
    pub fn mode_flags(&self) -> u32 {
        if self.doomed.get() { SHM_DEST } else { 0 }
    }
}
