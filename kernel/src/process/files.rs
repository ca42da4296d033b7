//! What a process has of the file system: descriptors, current directory, root, umask. Processes
//! may share either part (clone(2), `CLONE_FILES` and `CLONE_FS`).

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, Ref, RefCell};

use super::Home;
use crate::fs::locks::{FileKey, LockOwner, LockRange};
use crate::fs::{Dentry, Descriptors, OpenFile};
use crate::ipc::MessageQueue;

/// The umask of a new session.
const DEFAULT_UMASK: u32 = 0o022;

/// Where a process is in the file system, and what it takes from the permissions of new files.
#[derive(Clone)]
struct Place {
    umask: Cell<u32>,
    directory: RefCell<Rc<Dentry>>,
    /// Where absolute paths begin, if chroot(2) has said so.
    root: RefCell<Option<Rc<Dentry>>>,
}

/// The files of a process.
pub struct Files {
    descriptors: RefCell<Rc<Descriptors>>,
    place: RefCell<Rc<Place>>,
}

impl Files {
    /// No descriptors, in `directory`.
    pub fn new(directory: Rc<Dentry>) -> Self {
        let place = Place {
            umask: Cell::new(DEFAULT_UMASK),
            directory: RefCell::new(directory),
            root: RefCell::default(),
        };
        Self {
            descriptors: RefCell::new(Rc::new(Descriptors::new())),
            place: RefCell::new(Rc::new(place)),
        }
    }

    /// What a child gets: the same open files under the same numbers, in the same place. It shares
    /// the table of descriptors, or the place, with its parent if it is to.
    pub fn fork(&self, share_descriptors: bool, share_place: bool) -> Self {
        let child = Self { descriptors: self.descriptors.clone(), place: self.place.clone() };
        if !share_descriptors {
            child.unshare_descriptors();
        }
        if !share_place {
            child.unshare_place();
        }
        child
    }

    /// The descriptor table, for less than a call.
    #[inline]
    pub fn table(&self) -> Ref<'_, Rc<Descriptors>> {
        self.descriptors.borrow()
    }

    /// The descriptor table.
    pub fn descriptors(&self) -> Rc<Descriptors> {
        Rc::clone(&self.descriptors.borrow())
    }

    /// Whether no other process has the same descriptor table.
    pub fn has_own_descriptors(&self) -> bool {
        Rc::strong_count(&self.descriptors.borrow()) == 1
    }

    /// Ends the sharing of the descriptor table: what is open stays open under the same numbers
    /// (unshare(2), execve(2)).
    pub fn unshare_descriptors(&self) {
        if !self.has_own_descriptors() {
            let own = Rc::new(self.descriptors().fork());
            self.descriptors.replace(own);
        }
    }

    /// Leaves the table of descriptors. What it had, if no other process has it: the files, for
    /// the caller to close, and by whom their record locks are held.
    pub fn leave_descriptors(&self) -> Option<(Vec<Rc<OpenFile>>, LockOwner)> {
        let left = self.descriptors.replace(Rc::new(Descriptors::new()));
        let last = Rc::strong_count(&left) == 1;
        last.then(|| (left.clear(), owner_of(&left)))
    }

    /// Who holds the record locks of this process: its descriptor table.
    pub fn lock_owner(&self) -> LockOwner {
        owner_of(&self.descriptors.borrow())
    }

    /// Whether no other process is in the same place by sharing it.
    pub fn has_own_place(&self) -> bool {
        Rc::strong_count(&self.place.borrow()) == 1
    }

    /// Ends the sharing of directory, root and umask (unshare(2)).
    pub fn unshare_place(&self) {
        if !self.has_own_place() {
            let own = Rc::new(self.place().as_ref().clone());
            self.place.replace(own);
        }
    }

    /// The file creation mask.
    pub fn umask(&self) -> u32 {
        self.place().umask.get()
    }

    /// Changes the file creation mask; gives what it was (umask(2)).
    pub fn set_umask(&self, umask: u32) -> u32 {
        self.place().umask.replace(umask)
    }

    /// The current directory.
    pub fn directory(&self) -> Rc<Dentry> {
        Rc::clone(&self.place().directory.borrow())
    }

    /// Changes the current directory.
    pub fn set_directory(&self, directory: Rc<Dentry>) {
        self.place().directory.replace(directory);
    }

    /// The directory that absolute paths begin at, if that is not the topmost.
    pub fn root(&self) -> Option<Rc<Dentry>> {
        self.place().root.borrow().clone()
    }

    /// Changes the directory that absolute paths begin at (chroot(2)).
    pub fn set_root(&self, root: Rc<Dentry>) {
        self.place().root.replace(Some(root));
    }

    fn place(&self) -> Rc<Place> {
        Rc::clone(&self.place.borrow())
    }
}

impl Home {
    /// What the close of any descriptor of a file ends, whoever else has it open: the record locks
    /// on it (fcntl(2)), and what the process was to be told of (mq_notify(3)).
    pub fn closed(&self, file: &OpenFile) {
        if file.locks().count() > 0 {
            let key = FileKey::from(&file.metadata());
            file.locks().unlock(key, self.files.lock_owner(), LockRange::WHOLE);
        }
        MessageQueue::closed(file, self.pid);
    }
}

/// A table is known by where it lies: it gives its locks up before it ends.
fn owner_of(table: &Rc<Descriptors>) -> LockOwner {
    LockOwner::Table(Rc::as_ptr(table).addr())
}
