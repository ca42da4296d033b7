//! What a process has of the file system: descriptors, current directory, umask.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use crate::fs::{Dentry, Descriptors};

/// The umask of a new session.
const DEFAULT_UMASK: u32 = 0o022;

/// The files of a process.
pub struct Files {
    /// The descriptor table.
    pub descriptors: Descriptors,
    /// The file creation mask (umask(2)).
    pub umask: Cell<u32>,
    directory: RefCell<Rc<Dentry>>,
}

impl Files {
    /// No descriptors, in `directory`.
    pub fn new(directory: Rc<Dentry>) -> Self {
        Self {
            descriptors: Descriptors::new(),
            umask: Cell::new(DEFAULT_UMASK),
            directory: RefCell::new(directory),
        }
    }

    /// What a child of fork(2) gets: the same open files under the same numbers.
    pub fn fork(&self) -> Self {
        Self {
            descriptors: self.descriptors.fork(),
            umask: self.umask.clone(),
            directory: self.directory.clone(),
        }
    }

    /// The current directory.
    pub fn directory(&self) -> Rc<Dentry> {
        Rc::clone(&self.directory.borrow())
    }

    /// Changes the current directory.
    pub fn set_directory(&self, directory: Rc<Dentry>) {
        *self.directory.borrow_mut() = directory;
    }
}
