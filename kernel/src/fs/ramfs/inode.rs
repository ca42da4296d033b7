//! The inodes of the RAM file system.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ops::Range;

use wayfarer_machine::Frame;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{OpenFlags, Seals};
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, Statfs};

use super::content::{FileContent, PAGE};
use super::directory::Names;
use super::file::RamFile;
use super::loan::Loan;
use super::{RamFs, is_device, same_fs};
use crate::fs::pipe::Fifo;
use crate::fs::{
    Asker, AttributeChange, Attributes, DirectoryEntry, FileObject, Inode, Leases, Metadata,
    NewContent, NewInode, OpenDirectory,
};

/// Names that one inode may have, as in most file systems of Linux.
const LINKS_MAX: u64 = 65_000;
/// What a directory entry counts for in a directory's size, as in tmpfs.
const ENTRY_SIZE: u64 = 20;
/// An inode of the RAM file system.
pub struct RamInode {
    pub(super) fs: Rc<RamFs>,
    number: u64,
    pub(super) attributes: Cell<Attributes>,
    links: Cell<u64>,
    seals: Cell<Seals>,
    loan: Loan,
    leases: Leases,
    content: Content,
}

enum Content {
    File(RefCell<FileContent>),
    Directory(RefCell<Names>),
    Symlink(Box<[u8]>),
    Fifo(Fifo),
    Special(FileType, DeviceNumber),
}

impl RamInode {
    /// Makes an inode without a name.
    pub(super) fn new(fs: &Rc<RamFs>, new: &NewInode<'_>) -> Result<Rc<Self>, Errno> {
        fs.charge_inode()?;
        let (content, links) = match new.content {
            NewContent::File => (Content::File(RefCell::default()), 0),
            // A directory's own `.` counts.
            NewContent::Directory => (Content::Directory(RefCell::new(Names::new())), 1),
            NewContent::Symlink(target) => (Content::Symlink(target.into()), 0),
            NewContent::Special(FileType::Fifo, _) => {
                (Content::Fifo(Fifo::new(fs.pool.clone())), 0)
            }
            NewContent::Special(file_type, device) => (Content::Special(file_type, device), 0),
        };
        Ok(Rc::new(Self {
            fs: fs.clone(),
            number: fs.take_inode_number(),
            attributes: Cell::new(Attributes::new(new.permissions, fs.now())),
            links: Cell::new(links),
            seals: Cell::new(Seals::SEAL),
            loan: Loan::default(),
            leases: Leases::default(),
            content,
        }))
    }

    /// Counts `..`, which points to itself in a root.
    pub(super) fn be_root(&self) {
        self.links.set(2);
    }

    pub(super) fn belongs_to(&self, fs: &Rc<RamFs>) -> bool {
        Rc::ptr_eq(&self.fs, fs)
    }

    /// Replaces the content of a regular file by bytes that stay where they are.
    ///
    /// # Errors
    /// `EINVAL` if it is no regular file.
    pub fn lend(&self, bytes: &'static [u8]) -> Result<(), Errno> {
        let mut content = self.file()?.borrow_mut();
        content.set_size(&self.fs, 0)?;
        *content = FileContent::lent(bytes);
        Ok(())
    }

    /// Permits seals to be added (`MFD_ALLOW_SEALING`).
    pub fn allow_seals(&self) {
        self.seals.set(Seals::empty());
    }

    /// Writes at `offset`; see [`FileObject::write`].
    pub(super) fn write_at(&self, offset: u64, mut data: &[u8]) -> Result<usize, Errno> {
        let seals = self.seals.get();
        if seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
            return Err(Errno::EPERM);
        }
        self.loan.require_back()?;
        let size = self.file()?.borrow().size();
        if seals.contains(Seals::GROW) && offset.saturating_add(data.len() as u64) > size {
            // tmpfs writes by pages, and refuses the one in which the file would grow.
            let room = (size / PAGE as u64 * PAGE as u64).saturating_sub(offset);
            data = &data[..usize::try_from(room).unwrap_or(usize::MAX).min(data.len())];
            if data.is_empty() {
                return Err(Errno::EPERM);
            }
        }
        let count = self.file()?.borrow_mut().write(&self.fs, offset, data)?;
        self.note_modification();
        Ok(count)
    }

    /// The content, of a regular file.
    pub(super) fn file(&self) -> Result<&RefCell<FileContent>, Errno> {
        match &self.content {
            Content::File(content) => Ok(content),
            Content::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    fn names(&self) -> Result<&RefCell<Names>, Errno> {
        match &self.content {
            Content::Directory(names) => Ok(names),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory(_))
    }

    /// Enters a name; the names it takes are counted here.
    fn enter(&self, name: &[u8], inode: &Rc<RamInode>) -> Result<(), Errno> {
        self.names()?.borrow_mut().insert(name, inode.clone());
        inode.links.set(inode.links.get() + 1);
        if inode.is_directory() {
            // The child's `..`.
            self.links.set(self.links.get() + 1);
        }
        inode.note_change();
        self.note_modification();
        Ok(())
    }

    /// Notes that `inode` has lost its name in this directory.
    fn left(&self, inode: &RamInode) {
        if inode.is_directory() {
            self.links.set(self.links.get() - 1);
            // Its own `.` goes with its last name.
            inode.links.set(0);
        } else {
            inode.links.set(inode.links.get() - 1);
        }
        inode.note_change();
        self.note_modification();
    }
}

impl Inode for RamInode {
    fn metadata(&self) -> Metadata {
        let (size, pages) = match &self.content {
            Content::File(content) => (content.borrow().size(), content.borrow().pages()),
            Content::Directory(names) => (names.borrow().len() as u64 * ENTRY_SIZE, 0),
            Content::Symlink(target) => (target.len() as u64, 0),
            Content::Fifo(_) | Content::Special(..) => (0, 0),
        };
        let special_device = match self.content {
            Content::Special(file_type, device) if is_device(file_type) => device,
            _ => DeviceNumber::default(),
        };
        Metadata {
            device: self.fs.device,
            inode: self.number,
            file_type: self.file_type(),
            links: self.links.get(),
            special_device,
            size,
            blocks: pages * (PAGE as u64 / 512),
            attributes: self.attributes.get(),
        }
    }

    fn file_type(&self) -> FileType {
        match &self.content {
            Content::File(_) => FileType::Regular,
            Content::Directory(_) => FileType::Directory,
            Content::Symlink(_) => FileType::Symlink,
            Content::Fifo(_) => FileType::Fifo,
            Content::Special(file_type, _) => *file_type,
        }
    }

    fn change_attributes(&self, change: &AttributeChange) -> Result<(), Errno> {
        let mut attributes = self.attributes.get();
        attributes.apply(change, self.fs.now());
        self.attributes.set(attributes);
        Ok(())
    }

    fn file_system(&self) -> Result<Statfs, Errno> {
        Ok(self.fs.statfs())
    }

    fn open(
        self: Rc<Self>,
        flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        match &self.content {
            Content::File(_) => {
                if flags.access().writes() {
                    self.leases.require_returned()?;
                }
                let no_access_time = flags.contains(OpenFlags::NO_ATIME);
                Ok(Rc::new(RamFile { inode: self, no_access_time }))
            }
            Content::Directory(_) => Ok(Rc::new(OpenDirectory)),
            Content::Symlink(_) => Err(Errno::ELOOP),
            Content::Fifo(fifo) => fifo.open(flags),
            Content::Special(..) => Err(Errno::ENXIO),
        }
    }

    fn lookup(&self, name: &[u8], _asker: &dyn Asker) -> Result<Rc<dyn Inode>, Errno> {
        let names = self.names()?.borrow();
        names.get(name).map(|inode| inode.clone() as Rc<dyn Inode>).ok_or(Errno::ENOENT)
    }

    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Rc<dyn Inode>, Errno> {
        self.require_vacant(name)?;
        let inode = RamInode::new(&self.fs, new)?;
        self.enter(name, &inode)?;
        Ok(inode)
    }

    fn create_unnamed(&self, permissions: u32) -> Result<Rc<dyn Inode>, Errno> {
        Ok(RamInode::new(&self.fs, &NewInode { content: NewContent::File, permissions })?)
    }

    fn reserve(&self, bytes: Range<u64>) -> Result<u64, Errno> {
        let content = self.file().map_err(|_| Errno::ENODEV)?;
        if self.seals.get().contains(Seals::GROW) && bytes.end > content.borrow().size() {
            return Err(Errno::EPERM);
        }
        content.borrow_mut().reserve(&self.fs, bytes)
    }

    fn punch(&self, bytes: Range<u64>) -> Result<(), Errno> {
        let content = self.file().map_err(|_| Errno::ENODEV)?;
        if self.seals.get().intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
            return Err(Errno::EPERM);
        }
        self.loan.require_back()?;
        self.leases.require_returned()?;
        content.borrow_mut().punch(&self.fs, bytes)?;
        self.note_modification();
        Ok(())
    }

    fn seals(&self) -> Result<Seals, Errno> {
        self.file().map_err(|_| Errno::EINVAL)?;
        Ok(self.seals.get())
    }

    fn add_seals(&self, seals: Seals) -> Result<(), Errno> {
        let has = self.seals()?;
        if has.contains(Seals::SEAL) {
            return Err(Errno::EPERM);
        }
        self.seals.set(has | seals);
        Ok(())
    }

    fn link(&self, name: &[u8], inode: Rc<dyn Inode>) -> Result<(), Errno> {
        let any: Rc<dyn core::any::Any> = inode;
        let inode = any.downcast::<RamInode>().map_err(|_| Errno::EXDEV)?;
        if !inode.belongs_to(&self.fs) {
            return Err(Errno::EXDEV);
        }
        if inode.links.get() >= LINKS_MAX {
            return Err(Errno::EMLINK);
        }
        self.require_vacant(name)?;
        if inode.links.get() > 0 {
            self.fs.charge_inode()?;
        }
        self.enter(name, &inode)
    }

    fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        let inode = self.names()?.borrow().get(name).cloned().ok_or(Errno::ENOENT)?;
        inode.require_empty()?;
        self.names()?.borrow_mut().remove(name);
        self.left(&inode);
        inode.release_extra_name();
        Ok(())
    }

    fn rename(&self, from: &[u8], target: &dyn Inode, to: &[u8]) -> Result<(), Errno> {
        let target = same_fs(&self.fs, target)?;
        let inode = self.names()?.borrow().get(from).cloned().ok_or(Errno::ENOENT)?;
        let replaced = target.names()?.borrow().get(to).cloned();
        if let Some(replaced) = &replaced {
            replaced.require_empty()?;
            target.names()?.borrow_mut().remove(to);
            target.left(replaced);
            replaced.release_extra_name();
        }
        self.names()?.borrow_mut().remove(from);
        let links = inode.links.get();
        self.left(&inode);
        target.enter(to, &inode)?;
        inode.links.set(links);
        Ok(())
    }

    fn exchange(&self, one: &[u8], target: &dyn Inode, other: &[u8]) -> Result<(), Errno> {
        let target = same_fs(&self.fs, target)?;
        let first = self.names()?.borrow().get(one).cloned().ok_or(Errno::ENOENT)?;
        let second = target.names()?.borrow().get(other).cloned().ok_or(Errno::ENOENT)?;
        self.names()?.borrow_mut().insert(one, second.clone());
        target.names()?.borrow_mut().insert(other, first.clone());
        let moved = u64::from(second.is_directory());
        let gone = u64::from(first.is_directory());
        self.links.set(self.links.get() + moved - gone);
        target.links.set(target.links.get() + gone - moved);
        for inode in [&*first, &*second] {
            inode.note_change();
        }
        for directory in [self, target] {
            directory.note_modification();
        }
        Ok(())
    }

    fn list(
        &self,
        from: u64,
        _asker: &dyn Asker,
        visit: &mut dyn FnMut(&DirectoryEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        let names = self.names()?.borrow();
        if self.links.get() == 0 {
            return Err(Errno::ENOENT);
        }
        for (next, name, inode) in names.after(from) {
            let (inode, file_type) = (inode.number, inode.file_type());
            if !visit(&DirectoryEntry { name, inode, file_type, next }) {
                break;
            }
        }
        self.note_access();
        Ok(())
    }

    fn read_link(&self, _asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        match &self.content {
            Content::Symlink(target) => Ok(target.to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn set_size(&self, size: u64) -> Result<(), Errno> {
        let (now, seals) = (self.file()?.borrow().size(), self.seals.get());
        if (size < now && seals.contains(Seals::SHRINK))
            || (size > now && seals.contains(Seals::GROW))
        {
            return Err(Errno::EPERM);
        }
        self.loan.require_back()?;
        self.leases.require_returned()?;
        self.file()?.borrow_mut().set_size(&self.fs, size)?;
        self.note_modification();
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.loan.require_back()?;
        self.read_pages(offset, buffer)
    }

    fn read_pages(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        Ok(self.file()?.borrow().read(offset, buffer))
    }

    fn return_pages(&self, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        let mut content = self.file()?.borrow_mut();
        let left = usize::try_from(content.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        content.write(&self.fs, offset, &bytes[..bytes.len().min(left)])?;
        drop(content);
        self.note_modification();
        Ok(())
    }

    fn change_loan(&self, begins: bool) {
        self.loan.change(begins);
    }

    fn is_lent(&self) -> bool {
        self.loan.is_out()
    }

    fn take_wanted(&self) -> bool {
        self.loan.take_wanted()
    }

    fn present_page(&self, index: u64) -> Option<Frame> {
        let content = self.file().ok()?.borrow();
        let within = index < content.size().div_ceil(PAGE as u64);
        content.present(index).filter(|_| within)
    }

    fn page(&self, index: u64) -> Result<Option<Frame>, Errno> {
        let mut content = self.file().map_err(|_| Errno::ENODEV)?.borrow_mut();
        if index >= content.size().div_ceil(PAGE as u64) {
            return Ok(None);
        }
        let frame = content.frame(&self.fs, index)?;
        Ok(Some(frame.clone()))
    }

    fn share_pages(&self) {
        if let Ok(content) = self.file() {
            content.borrow_mut().share_frames();
            self.leases.note_stores();
        }
    }

    fn leases(&self) -> Option<&Leases> {
        self.file().is_ok().then_some(&self.leases)
    }

    fn content_name(&self, fresh: &mut dyn FnMut() -> u64) -> Option<u64> {
        self.file().ok()?.borrow_mut().name(fresh)
    }
}

impl RamInode {
    /// Whether a new name may be entered: it is free, and this directory has not been removed.
    fn require_vacant(&self, name: &[u8]) -> Result<(), Errno> {
        if self.names()?.borrow().get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        if self.links.get() == 0 { Err(Errno::ENOENT) } else { Ok(()) }
    }

    fn require_empty(&self) -> Result<(), Errno> {
        match &self.content {
            Content::Directory(names) if !names.borrow().is_empty() => Err(Errno::ENOTEMPTY),
            _ => Ok(()),
        }
    }

    /// Each name beyond the first was counted on its own; see [`Inode::link`].
    fn release_extra_name(&self) {
        if self.links.get() > 0 {
            self.fs.release_inode();
        }
    }
}

impl Drop for RamInode {
    fn drop(&mut self) {
        if let Content::File(content) = &self.content {
            self.fs.release_pages(content.borrow().counted());
        }
        self.fs.release_inode();
    }
}
