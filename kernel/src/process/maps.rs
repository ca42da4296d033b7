//! The files a process has mapped, as home knows them.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::MapId;
use wayfarer_proto::limits;
use wayfarer_proto::message::FileVersion;
use wayfarer_proto::sorted::{SortedMap, SortedSet};

use crate::executor::WaitQueue;
use crate::fs::Inode;
use crate::memory;

/// What follows the path of a file without a name.
const DELETED: &str = " (deleted)";

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
    /// As [`Inode::read_pages`].
    pub fn read_run(&self, page: u64, count: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = alloc::vec![0; count.min(limits::RUN_PAGES) * limits::PAGE];
        let start = page.checked_mul(limits::PAGE as u64).ok_or(Errno::EINVAL)?;
        let length = self.inode.read_pages(start, &mut bytes)?;
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

/// The mapped files of a process, by the name its body uses for page-ins: a name means one file to
/// all processes of this home. A file stays until the body says that nothing shows it, the process
/// executes a new program, or it ends.
#[derive(Default)]
pub struct MappedFiles {
    files: RefCell<SortedMap<MapId, MappedFile>>,
    /// Those that may be written to through a shared mapping.
    writable: RefCell<SortedSet<MapId>>,
    /// Those that a shared mapping was granted of, which the body may not have made yet.
    granted: RefCell<SortedSet<MapId>>,
    /// Those whose latest content may be where the body is.
    lent: RefCell<SortedMap<MapId, Rc<dyn Inode>>>,
    /// Woken when nothing is lent any more.
    pub returned: WaitQueue,
}

impl MappedFiles {
    /// Enters a file under its name.
    pub fn insert(&self, id: MapId, file: MappedFile) {
        self.files.borrow_mut().get_or_insert_with(id, || file);
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

    /// Takes over another process's files (fork(2)), or a new program's in place of its own.
    pub fn copy_from(&self, other: &Self) {
        *self.files.borrow_mut() = other.files.borrow().clone();
        *self.writable.borrow_mut() = other.writable.borrow().clone();
        self.end_grants();
    }

    /// Notes that a shared mapping of a file was granted, and whether it may write.
    pub fn grant(&self, id: MapId, writable: bool) {
        self.granted.borrow_mut().insert(id);
        if writable {
            self.writable.borrow_mut().insert(id);
        }
    }

    /// What was granted is mapped now, if it ever will be.
    pub fn end_grants(&self) {
        self.granted.borrow_mut().clear();
    }

    /// The files that a shared mapping was granted of.
    pub fn granted(&self) -> Vec<MapId> {
        self.granted.borrow().iter().copied().collect()
    }

    /// Whether a file may be written to through a shared mapping.
    pub fn may_write(&self, id: MapId) -> bool {
        self.writable.borrow().contains(&id)
    }

    /// Lends a file to the body, which is away: its content may be newer there from now on.
    pub fn lend(&self, id: MapId) {
        let Some(file) = self.get(id) else { return };
        if self.lent.borrow_mut().insert(id, Rc::clone(&file.inode)).is_none() {
            file.inode.change_loan(true);
        }
    }

    /// Forgets a file that the body maps no more.
    pub fn release(&self, id: MapId) {
        self.files.borrow_mut().remove(&id);
        self.writable.borrow_mut().remove(&id);
        self.granted.borrow_mut().remove(&id);
        let lent = self.lent.borrow_mut().remove(&id);
        if let Some(inode) = lent {
            inode.change_loan(false);
        }
        self.returned.wake_all();
    }

    /// The files that are lent.
    pub fn lent(&self) -> Vec<MapId> {
        self.lent.borrow().keys().copied().collect()
    }

    /// Whether a file is lent whose content was wanted at home since this was last asked.
    pub fn is_wanted(&self) -> bool {
        let lent: Vec<_> = self.lent.borrow().values().cloned().collect();
        lent.iter().any(|inode| inode.take_wanted())
    }

    /// The body is at home, or has given back what it had.
    pub fn end_loans(&self) {
        for inode in self.lent.take().into_values() {
            inode.change_loan(false);
        }
        self.returned.wake_all();
    }
}

impl Drop for MappedFiles {
    fn drop(&mut self) {
        self.end_loans();
    }
}
