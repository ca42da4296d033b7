//! Files of the host as inodes.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{AT_REMOVEDIR, Access, OpenFlags};
use wayfarer_proto::linux::stat::{FileType, Statfs};

use super::client::Fid;
use super::object::ShareFile;
use super::reply::{Entry, FileInfo, Reply};
use super::request::Request;
use super::{Fetches, Share};
use crate::fs::pipe::Fifo;
use crate::fs::{
    Asker, AttributeChange, DirectoryEntry, FileObject, Inode, Metadata, Names, NewContent,
    NewInode, OpenDirectory,
};

/// Positions in a listing are the host's with this added: lower ones are those of `.` and `..`.
const POSITION_BASE: u64 = 3;

/// A file of the host.
pub(super) struct ShareInode {
    share: Rc<Share>,
    file: u64,
    /// The name by which the host was last asked for it.
    fid: RefCell<Rc<Fid>>,
    /// What the host told last.
    info: Cell<FileInfo>,
    /// In which try it told that.
    known_in: Cell<u64>,
    /// The file that came into being open, for who made it.
    made: RefCell<Option<Rc<Fid>>>,
    /// Open to be read by the kernel: for mappings, programs and listings.
    reader: RefCell<Option<Rc<Fid>>>,
    fifo: Option<Fifo>,
}

impl ShareInode {
    pub(super) fn new(share: Rc<Share>, fid: Rc<Fid>, info: FileInfo) -> Self {
        let fifo = (info.file_type == FileType::Fifo).then(|| Fifo::new(share.pool.clone()));
        let known_in = Cell::new(share.fetches.run());
        let (fid, info, file) = (RefCell::new(fid), Cell::new(info), info.file);
        let (made, reader) = (RefCell::default(), RefCell::default());
        Self { share, file, fid, info, known_in, made, reader, fifo }
    }

    /// Whether this may be the file that the host told of.
    pub(super) fn is_of(&self, info: &FileInfo) -> bool {
        self.info.get().file_type == info.file_type
    }

    /// Takes note of what the host has just told.
    pub(super) fn learn(&self, fid: Rc<Fid>, info: FileInfo) {
        self.note(info);
        let old = self.fid.replace(fid);
        drop(old);
    }

    fn note(&self, info: FileInfo) {
        self.info.set(info);
        self.known_in.set(self.share.fetches.run());
    }

    fn fid(&self) -> Rc<Fid> {
        Rc::clone(&self.fid.borrow())
    }

    /// What is known is no longer true.
    pub(super) fn outdate(&self) {
        self.known_in.set(0);
    }

    /// A write has come to here: until the host is asked again the file is as long at least.
    pub(super) fn note_written(&self, end: u64) {
        let mut info = self.info.get();
        info.size = info.size.max(end);
        self.info.set(info);
        self.outdate();
    }

    pub(super) fn share(&self) -> &Share {
        &self.share
    }

    pub(super) fn size(&self) -> u64 {
        self.info.get().size
    }

    /// Makes sure that the name it is known by still is its own before it is changed by it.
    ///
    /// # Errors
    /// `ENOENT` if it has no such name any more.
    fn confirm(&self) -> Result<Rc<Fid>, Errno> {
        self.refresh()?;
        if self.info.get().links == 0 { Err(Errno::ENOENT) } else { Ok(self.fid()) }
    }

    /// An open file for the kernel's own reading.
    fn reader(&self) -> Result<Rc<Fid>, Errno> {
        if let Some(reader) = self.reader.borrow().clone() {
            return Ok(reader);
        }
        let flags = match self.file_type() {
            FileType::Regular => OpenFlags::empty(),
            FileType::Directory => OpenFlags::DIRECTORY,
            _ => return Err(Errno::ENODEV),
        };
        let reader = self.share.open(&self.fid(), flags.bits())?;
        self.reader.replace(Some(Rc::clone(&reader)));
        Ok(reader)
    }

    /// The inode that a name in this directory has come to name.
    fn found(&self, name: &[u8]) -> Result<Rc<ShareInode>, Errno> {
        let fid = self.share.walk(&self.fid(), Some(name))?;
        let info = self.share.info(&fid)?;
        Ok(self.share.inode(fid, info))
    }

    /// Makes a regular file. It comes into being open, which its permissions may forbid to others.
    fn make_file(&self, name: &[u8], permissions: u32) -> Result<Rc<ShareInode>, Errno> {
        let open = self.share.walk(&self.fid(), None)?;
        let flags = OpenFlags::READ_WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        self.share.order(Request::Create {
            directory: Rc::clone(&open),
            name: name.to_vec(),
            flags: flags.bits(),
            mode: permissions,
            gid: 0,
        })?;
        let inode = self.found(name)?;
        if inode.file == open.file() {
            inode.made.replace(Some(open));
        }
        Ok(inode)
    }

    /// An open file for one who opens this with these flags.
    fn open_file(&self, flags: OpenFlags) -> Result<Rc<Fid>, Errno> {
        let access = match flags.access() {
            Access::Read | Access::Neither => OpenFlags::empty(),
            Access::Write => OpenFlags::WRITE_ONLY,
            Access::ReadWrite => OpenFlags::READ_WRITE,
        };
        let made = self.made.borrow().clone();
        if let Some(made) = made.clone().filter(|_| !flags.contains(OpenFlags::APPEND)) {
            return Ok(made);
        }
        let opened = self.share.open(&self.fid(), (access | (flags & OpenFlags::APPEND)).bits());
        match (opened, made) {
            (Err(Errno::EACCES | Errno::EPERM), Some(made)) => Ok(made),
            (opened, _) => opened,
        }
    }

    fn require_directory(&self) -> Result<(), Errno> {
        if self.file_type() == FileType::Directory { Ok(()) } else { Err(Errno::ENOTDIR) }
    }
}

/// Another inode of the same share.
fn same_share<'a>(share: &Rc<Share>, inode: &'a dyn Inode) -> Result<&'a ShareInode, Errno> {
    let inode = (inode as &dyn Any).downcast_ref::<ShareInode>().ok_or(Errno::EXDEV)?;
    if Rc::ptr_eq(share, &inode.share) { Ok(inode) } else { Err(Errno::EXDEV) }
}

impl Inode for ShareInode {
    fn metadata(&self) -> Metadata {
        let info = self.info.get();
        Metadata {
            device: self.share.device,
            inode: info.file,
            file_type: info.file_type,
            links: info.links,
            special_device: info.special_device,
            size: info.size,
            blocks: info.blocks,
            attributes: info.attributes,
        }
    }

    fn file_type(&self) -> FileType {
        self.info.get().file_type
    }

    fn fetches(&self) -> Option<&Rc<Fetches>> {
        Some(&self.share.fetches)
    }

    /// A file whose name has gone, or names another by now, is as it was but has no name: the host
    /// tells of names only.
    fn refresh(&self) -> Result<(), Errno> {
        let run = self.share.fetches.run();
        if self.known_in.get() == run && run != 0 {
            return Ok(());
        }
        match self.share.info(&self.fid()) {
            Ok(info) if info.file == self.file && self.is_of(&info) => self.note(info),
            Ok(_) | Err(Errno::ENOENT) => self.note(FileInfo { links: 0, ..self.info.get() }),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn change_attributes(&self, change: &AttributeChange) -> Result<(), Errno> {
        let fid = self.confirm()?;
        self.share.order(Request::SetAttributes(fid, *change))?;
        let mut info = self.info.get();
        info.attributes.apply(change, info.attributes.changed);
        self.info.set(info);
        self.outdate();
        Ok(())
    }

    fn file_system(&self) -> Result<Statfs, Errno> {
        match self.share.ask(Request::Statistics(self.fid()))?.reply {
            Reply::Statistics(told) => Ok(Statfs { id: self.share.device.0, ..told }),
            _ => Err(Errno::EIO),
        }
    }

    fn open(
        self: Rc<Self>,
        flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        match (self.file_type(), &self.fifo) {
            (FileType::Regular, _) => {
                let fid = self.open_file(flags)?;
                self.made.take();
                Ok(Rc::new(ShareFile { inode: self, fid }))
            }
            (FileType::Directory, _) => {
                self.reader()?;
                Ok(Rc::new(OpenDirectory))
            }
            (FileType::Fifo, Some(fifo)) => fifo.open(flags),
            (FileType::Symlink, _) => Err(Errno::ELOOP),
            _ => Err(Errno::ENXIO),
        }
    }

    fn names(&self) -> Names {
        Names::Asked
    }

    fn lookup(&self, name: &[u8], _asker: &dyn Asker) -> Result<Rc<dyn Inode>, Errno> {
        self.require_directory()?;
        Ok(self.found(name)?)
    }

    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Rc<dyn Inode>, Errno> {
        self.require_directory()?;
        let (directory, name_bytes, gid) = (self.fid(), name.to_vec(), 0);
        let mode = new.permissions;
        let request = match new.content {
            NewContent::File => return Ok(self.make_file(name, mode)?),
            NewContent::Directory => {
                Request::MakeDirectory { directory, name: name_bytes, mode, gid }
            }
            NewContent::Symlink(target) => {
                let target = target.to_vec();
                Request::MakeSymlink { directory, name: name_bytes, target, gid }
            }
            NewContent::Special(file_type, device) => {
                let mode = mode | file_type.mode_bits();
                let device = (device.major(), device.minor());
                Request::MakeNode { directory, name: name_bytes, mode, device, gid }
            }
        };
        self.share.order(request)?;
        Ok(self.found(name)?)
    }

    fn link(&self, name: &[u8], inode: Rc<dyn Inode>) -> Result<(), Errno> {
        let target = same_share(&self.share, &*inode)?;
        let file = target.confirm()?;
        let (directory, name) = (self.fid(), name.to_vec());
        self.share.order(Request::Link { directory, name, file })?;
        target.outdate();
        Ok(())
    }

    fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        let child = self.found(name)?;
        let is_directory = child.file_type() == FileType::Directory;
        let flags = if is_directory { AT_REMOVEDIR } else { 0 };
        let (directory, name) = (self.fid(), name.to_vec());
        self.share.order(Request::Unlink { directory, name, flags })?;
        child.outdate();
        Ok(())
    }

    fn rename(&self, from: &[u8], target: &dyn Inode, to: &[u8]) -> Result<(), Errno> {
        let target = same_share(&self.share, target)?;
        self.share.order(Request::Rename {
            from: self.fid(),
            name: from.to_vec(),
            to: target.fid(),
            new: to.to_vec(),
        })
    }

    /// The protocol has no way to do this in one step.
    fn exchange(&self, _one: &[u8], _target: &dyn Inode, _other: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn list(
        &self,
        from: u64,
        _asker: &dyn Asker,
        visit: &mut dyn FnMut(&DirectoryEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        self.require_directory()?;
        let reader = self.reader()?;
        let mut at = from.saturating_sub(POSITION_BASE);
        let count = self.share.client.data_max() as u32;
        let mut any = false;
        while !any {
            let request = Request::List { fid: Rc::clone(&reader), from: at, count };
            let Reply::Entries(entries) = self.share.ask(request)?.reply else {
                return Err(Errno::EIO);
            };
            let Some(last) = entries.last() else { break };
            at = last.next;
            for entry in entries.iter().filter(|entry| !entry.is_dot()) {
                any = true;
                if !visit(&listed(entry)) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn read_link(&self, _asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        if self.file_type() != FileType::Symlink {
            return Err(Errno::EINVAL);
        }
        match self.share.ask(Request::ReadLink(self.fid()))?.reply {
            Reply::Text(text) => Ok(text.to_vec()),
            _ => Err(Errno::EIO),
        }
    }

    fn set_size(&self, size: u64) -> Result<(), Errno> {
        if self.file_type() != FileType::Regular {
            return Err(Errno::EINVAL);
        }
        let fid = self.confirm()?;
        self.share.order(Request::SetSize(fid, size))?;
        let mut info = self.info.get();
        info.size = size;
        self.info.set(info);
        self.outdate();
        Ok(())
    }

    /// Linux's 9P has no such operation either.
    fn reserve(&self, _bytes: core::ops::Range<u64>) -> Result<u64, Errno> {
        Err(Errno::ENOTSUP)
    }

    fn punch(&self, _bytes: core::ops::Range<u64>) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        if self.file_type() != FileType::Regular {
            return Err(Errno::ENODEV);
        }
        let reader = self.reader()?;
        let mut done = 0;
        while done < buffer.len() {
            let at = offset.saturating_add(done as u64);
            match self.share.read(&reader, at, &mut buffer[done..])? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }
}

impl Entry {
    fn is_dot(&self) -> bool {
        matches!(&self.name[..], b"." | b"..")
    }
}

fn listed(entry: &Entry) -> DirectoryEntry<'_> {
    DirectoryEntry {
        name: &entry.name,
        inode: entry.file,
        file_type: entry.file_type,
        next: entry.next.wrapping_add(POSITION_BASE),
    }
}

impl Drop for ShareInode {
    fn drop(&mut self) {
        self.share.forget(self.file);
    }
}
