//! What a process has of the file system: descriptors, current directory, umask, mapped files.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::MapId;
use wayfarer_proto::limits;
use wayfarer_proto::message::FileVersion;

use crate::fs::{Dentry, Descriptors, Inode};
use crate::memory;

/// What follows the path of a file without a name.
const DELETED: &str = " (deleted)";
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

/// A file that a process has mapped, or that its program was read from.
#[derive(Clone)]
pub struct MappedFile {
    /// What pages are read from.
    pub inode: Rc<dyn Inode>,
    /// Its path, for `/proc/PID/maps`.
    pub path: Vec<u8>,
}

impl MappedFile {
    /// Up to `count` pages of content from the page `page` on.
    ///
    /// # Errors
    /// As [`Inode::read_at`].
    pub fn read_run(&self, page: u64, count: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = alloc::vec![0; count.min(limits::RUN_PAGES) * limits::PAGE];
        let start = page.checked_mul(limits::PAGE as u64).ok_or(Errno::EINVAL)?;
        let length = self.inode.read_at(start, &mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// What is told of it in `/proc/PID/maps` and in a refusal.
    pub fn describe(&self) -> memory::MappedFile {
        let metadata = self.inode.metadata();
        let mut path = String::from_utf8_lossy(&self.path).into_owned();
        if metadata.links == 0 && !path.ends_with(DELETED) {
            path += DELETED;
        }
        let device = (metadata.device.major(), metadata.device.minor());
        memory::MappedFile { path, device, inode: metadata.inode }
    }
}

/// The mapped files of a process, by the name its body uses for page-ins. A file stays until the
/// process executes a new program or ends: which mappings are left is known at the body only.
#[derive(Default)]
pub struct MappedFiles {
    files: RefCell<BTreeMap<MapId, MappedFile>>,
    next: Cell<u32>,
}

impl MappedFiles {
    /// Enters a file. One that is mapped already keeps its name.
    pub fn insert(&self, file: MappedFile) -> MapId {
        if let Some(id) = self.find(&file.inode) {
            return id;
        }
        let id = MapId(self.next.get() + 1);
        self.next.set(id.0);
        self.files.borrow_mut().insert(id, file);
        id
    }

    /// The file with this name.
    pub fn get(&self, id: MapId) -> Option<MappedFile> {
        self.files.borrow().get(&id).cloned()
    }

    /// What the files hold now, where that has a name; `fresh` makes new ones.
    pub fn versions(&self, fresh: &mut dyn FnMut() -> u64) -> Vec<FileVersion> {
        let files = self.files.borrow();
        let named = files.iter().filter_map(|(map, file)| {
            Some(FileVersion { map: *map, content: file.inode.content_name(fresh)? })
        });
        named.collect()
    }

    /// The name of a file, if it is mapped.
    pub fn find(&self, inode: &Rc<dyn Inode>) -> Option<MapId> {
        let files = self.files.borrow();
        let known = files.iter().find(|(_, file)| Rc::ptr_eq(&file.inode, inode));
        known.map(|(id, _)| *id)
    }

    /// Takes over another process's files, under the same names (fork(2)).
    pub fn copy_from(&self, other: &Self) {
        *self.files.borrow_mut() = other.files.borrow().clone();
        self.next.set(other.next.get());
    }

    /// Forgets all files but the given one (execve(2)).
    pub fn retain(&self, id: MapId) {
        self.files.borrow_mut().retain(|other, _| *other == id);
    }
}
