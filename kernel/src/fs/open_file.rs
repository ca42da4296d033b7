//! Open file descriptions (open(2)): what descriptors refer to and share.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{OpenFlags, Whence};
use wayfarer_proto::linux::inotify::Notice;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::stat::FileType;

use super::dirent::{DirentBuffer, DirentFormat};
use super::locks::{LockOwner, Locks};
use super::notify::{Inotify, Watches};
use super::turns::{Turn, Turns};
use super::{Asker, Dentry, DirectoryEntry, FileObject, Inode, Io, Lease, Leases, Metadata};

/// What all open file descriptions of a node share: how many there are, and the locks.
#[derive(Clone, Default)]
pub struct OpenFiles(Rc<Shared>);

#[derive(Default)]
struct Shared {
    count: Cell<usize>,
    next_number: Cell<u64>,
    locks: Locks,
    watches: Watches,
}

impl OpenFiles {
    /// How many exist now.
    pub fn count(&self) -> usize {
        self.0.count.get()
    }

    /// Who watches which files.
    pub fn watches(&self) -> &Watches {
        &self.0.watches
    }

    /// The locks of all files.
    pub fn locks(&self) -> &Locks {
        &self.0.locks
    }
}

/// An open file description: an object with an offset, status flags and the name it was opened by.
pub struct OpenFile {
    dentry: Rc<Dentry>,
    object: Rc<dyn FileObject>,
    flags: Cell<OpenFlags>,
    offset: Cell<u64>,
    number: u64,
    /// Whether it may hold locks that end with it.
    has_locked: Cell<bool>,
    turns: Turns,
    all: OpenFiles,
}

impl OpenFile {
    /// An open file description of `object`, which was opened by the name `dentry`.
    pub fn new(
        dentry: Rc<Dentry>,
        object: Rc<dyn FileObject>,
        flags: OpenFlags,
        all: &OpenFiles,
    ) -> Rc<Self> {
        all.0.count.set(all.0.count.get() + 1);
        let number = all.0.next_number.replace(all.0.next_number.get() + 1);
        if !flags.contains(OpenFlags::PATH) {
            all.watches().happened(&dentry, Notice::OPEN);
        }
        if let Some(leases) = dentry.inode().leases().filter(|_| flags.access().writes()) {
            leases.change_writers(true);
        }
        let flags = Cell::new(flags - OpenFlags::CREATION);
        let (offset, has_locked) = (Cell::new(0), Cell::new(false));
        let (turns, all) = (Turns::default(), all.clone());
        Rc::new(Self { dentry, object, flags, offset, number, has_locked, turns, all })
    }

    /// The owner of locks that end with this description. To be asked for before setting one.
    pub fn lock_owner(&self, make: fn(u64) -> LockOwner) -> LockOwner {
        self.has_locked.set(true);
        make(self.number)
    }

    /// The locks of all files.
    pub fn locks(&self) -> &Locks {
        self.all.locks()
    }

    /// Its number, which no other description of this node has or had.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What is open.
    pub fn object(&self) -> &Rc<dyn FileObject> {
        &self.object
    }

    /// The name it was opened by.
    pub fn dentry(&self) -> &Rc<Dentry> {
        &self.dentry
    }

    /// The inode it was opened through.
    pub fn inode(&self) -> &Rc<dyn Inode> {
        self.dentry.inode()
    }

    /// What fstat(2) tells.
    pub fn metadata(&self) -> Metadata {
        self.inode().metadata()
    }

    /// Status flags and access mode (`F_GETFL`).
    pub fn flags(&self) -> OpenFlags {
        self.flags.get()
    }

    /// Changes those status flags that `F_SETFL` can change.
    pub fn set_flags(&self, flags: OpenFlags) {
        let kept = self.flags.get() - OpenFlags::SETTABLE;
        self.flags.set(kept | (flags & OpenFlags::SETTABLE));
    }

    /// Whether operations fail with `EAGAIN` instead of waiting.
    pub fn is_nonblocking(&self) -> bool {
        self.flags.get().contains(OpenFlags::NONBLOCK)
    }

    /// Fails for a description that is only a name.
    ///
    /// # Errors
    /// `EBADF` with `O_PATH`.
    pub fn require_not_path(&self) -> Result<(), Errno> {
        if self.flags.get().contains(OpenFlags::PATH) { Err(Errno::EBADF) } else { Ok(()) }
    }

    /// Fails unless reading is permitted.
    ///
    /// # Errors
    /// `EBADF`; `EISDIR` for a directory.
    pub fn require_reads(&self) -> Result<(), Errno> {
        self.require_not_path()?;
        if !self.flags.get().access().reads() {
            return Err(Errno::EBADF);
        }
        match self.inode().file_type() {
            FileType::Directory => Err(Errno::EISDIR),
            _ => Ok(()),
        }
    }

    /// Fails unless writing is permitted.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn require_writes(&self) -> Result<(), Errno> {
        self.require_not_path()?;
        if self.flags.get().access().writes() { Ok(()) } else { Err(Errno::EBADF) }
    }

    /// The circumstances of an operation by `asker`.
    pub fn io<'a>(&self, asker: &'a dyn Asker) -> Io<'a> {
        Io { asker, nonblock: self.is_nonblocking(), timed_out: false }
    }

    /// read(2): tries to read at the offset, and moves it.
    ///
    /// # Errors
    /// As [`require_reads`](Self::require_reads) and [`FileObject::read`].
    pub fn read(&self, buffer: &mut [u8], io: &Io<'_>) -> Result<usize, Errno> {
        self.require_reads()?;
        let offset = self.offset.get();
        let count = self.object.read(offset, buffer, io)?;
        self.offset.set(offset.saturating_add(count as u64));
        self.transferred(count, Notice::ACCESS);
        Ok(count)
    }

    /// pread(2): tries to read at `offset`.
    ///
    /// # Errors
    /// As [`read`](Self::read); `ESPIPE` if the object has no positions.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8], io: &Io<'_>) -> Result<usize, Errno> {
        self.require_positions()?;
        self.require_reads()?;
        let count = self.object.read(offset, buffer, io)?;
        self.transferred(count, Notice::ACCESS);
        Ok(count)
    }

    /// write(2): tries to write at the offset, or at the end with `O_APPEND`, and moves the offset.
    ///
    /// # Errors
    /// As [`require_writes`](Self::require_writes) and [`FileObject::write`]; `EFBIG` where the
    /// asker may not make the file larger.
    pub fn write(&self, data: &[u8], io: &Io<'_>) -> Result<usize, Errno> {
        self.require_writes()?;
        if data.is_empty() {
            return Ok(0);
        }
        let offset = self.end_if_appending()?.unwrap_or_else(|| self.offset.get());
        let count = self.object.write(offset, self.permitted(offset, data, io)?, io)?;
        self.offset.set(offset.saturating_add(count as u64));
        self.transferred(count, Notice::MODIFY);
        Ok(count)
    }

    /// What [`FileObject::sure_room`] says; 0 if it is not open for writing.
    pub fn sure_room(&self) -> usize {
        self.require_writes().map_or(0, |()| self.object.sure_room())
    }

    /// write(2) of what was promised room.
    ///
    /// # Errors
    /// As [`FileObject::take`].
    pub fn take(&self, data: &[u8]) -> Result<(), Errno> {
        self.object.take(data)?;
        self.transferred(data.len(), Notice::MODIFY);
        Ok(())
    }

    /// pwrite(2). With `O_APPEND` Linux appends, whatever the offset (a known bug that programs
    /// rely on, pwrite(2)).
    ///
    /// # Errors
    /// As [`write`](Self::write); `ESPIPE` if the object has no positions.
    pub fn write_at(&self, offset: u64, data: &[u8], io: &Io<'_>) -> Result<usize, Errno> {
        self.require_positions()?;
        self.require_writes()?;
        let offset = self.end_if_appending()?.unwrap_or(offset);
        let count = self.object.write(offset, self.permitted(offset, data, io)?, io)?;
        self.transferred(count, Notice::MODIFY);
        Ok(count)
    }

    /// What of `data` lies below the largest size that the asker may give a regular file.
    fn permitted<'d>(&self, offset: u64, data: &'d [u8], io: &Io<'_>) -> Result<&'d [u8], Errno> {
        let largest = io.asker.largest_file();
        if largest >= i64::MAX as u64 || self.inode().file_type() != FileType::Regular {
            return Ok(data);
        }
        io.asker.require_size(offset, offset.saturating_add(1))?;
        let room = usize::try_from(largest - offset).unwrap_or(usize::MAX);
        Ok(&data[..data.len().min(room)])
    }

    fn transferred(&self, count: usize, notice: Notice) {
        if count > 0 {
            self.all.watches().happened(&self.dentry, notice);
        }
    }

    /// lseek(2): the new offset.
    ///
    /// # Errors
    /// As [`FileObject::seek`]; `EBADF` with `O_PATH`.
    pub fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        self.require_not_path()?;
        let target = self.object.seek(self.offset.get(), offset, whence)?;
        self.offset.set(target);
        Ok(target)
    }

    /// The offset.
    pub fn offset(&self) -> u64 {
        self.offset.get()
    }

    /// The offset, for others than the process that has the file alone.
    ///
    /// # Errors
    /// `ELENT` if a body may have moved it; see [`Leases::require_returned`](super::Leases).
    pub fn settled_offset(&self) -> Result<u64, Errno> {
        self.inode().leases().map_or(Ok(()), Leases::require_returned)?;
        Ok(self.offset.get())
    }

    /// What comes next, at most so many bytes, if it is a regular file of this kernel that is open
    /// for reading and that nobody can change; whether the file ends behind it. Nothing is noted:
    /// [`advance`](Self::advance) does that.
    pub fn next_bytes(&self, most: usize) -> Option<(Vec<u8>, bool, Lease)> {
        self.require_reads().ok()?;
        let lease = Lease::new(self.inode()).filter(|_| !self.all.watches().knows(&self.dentry))?;
        let left = self.object.size().saturating_sub(self.offset.get());
        let length = most.min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).ok()?;
        bytes.resize(length, 0);
        let count = self.inode().read_at(self.offset.get(), &mut bytes).ok()?;
        (count == length).then_some((bytes, length as u64 == left, lease))
    }

    /// read(2) of bytes that came from [`next_bytes`](Self::next_bytes).
    pub fn advance(&self, count: usize) {
        self.object.accessed();
        self.offset.set(self.offset.get().saturating_add(count as u64));
        self.transferred(count, Notice::ACCESS);
    }

    /// Moves the offset, for sendfile(2), which reads at positions of its own.
    pub fn set_offset(&self, offset: u64) {
        self.offset.set(offset);
    }

    /// Bytes that can be read now (`FIONREAD`): of a file with positions, those after the offset.
    pub fn bytes_readable(&self) -> Option<usize> {
        let readable = self.object.bytes_readable()?;
        if !self.object.has_position() {
            return Some(readable);
        }
        let offset = usize::try_from(self.offset.get()).unwrap_or(usize::MAX);
        Some(readable.saturating_sub(offset))
    }

    /// ftruncate(2).
    ///
    /// # Errors
    /// `EINVAL` unless it is a regular file open for writing; as
    /// [`Inode::set_size`](super::Inode::set_size) and [`Asker::require_size`].
    pub fn set_size(&self, size: u64, asker: &dyn Asker) -> Result<(), Errno> {
        self.require_not_path()?;
        if self.inode().file_type() != FileType::Regular || !self.flags.get().access().writes() {
            return Err(Errno::EINVAL);
        }
        asker.require_size(self.object.size(), size)?;
        self.inode().set_size(size)?;
        self.all.watches().happened(&self.dentry, Notice::MODIFY);
        Ok(())
    }

    /// getdents64(2): entries from the offset on, as many as fit in `capacity` bytes. Empty at the
    /// end.
    ///
    /// # Errors
    /// `ENOTDIR`; `EINVAL` if not even one fits; `ENOENT` if the directory has been removed.
    pub fn read_directory(
        &self,
        capacity: usize,
        format: DirentFormat,
        asker: &dyn Asker,
    ) -> Result<Vec<u8>, Errno> {
        self.require_not_path()?;
        if self.inode().file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        let from = self.offset.get();
        let mut buffer = DirentBuffer::new(capacity, from, format);
        if self.dots(from).iter().all(|entry| buffer.push(entry)) {
            self.inode().list(from.max(2), asker, &mut |entry| buffer.push(entry))?;
        }
        let (bytes, next) = buffer.finish()?;
        self.offset.set(next);
        self.all.watches().happened(&self.dentry, Notice::ACCESS);
        Ok(bytes)
    }

    /// The entries `.` and `..`, as far as they come after the position `from`.
    fn dots(&self, from: u64) -> Vec<DirectoryEntry<'static>> {
        let entry = |name, dentry: &Rc<Dentry>, next| {
            let inode = dentry.inode().metadata().inode;
            DirectoryEntry { name, inode, file_type: FileType::Directory, next }
        };
        let own = entry(&b"."[..], &self.dentry, 1);
        let parent = entry(&b".."[..], &self.dentry.parent(), 2);
        [own, parent].into_iter().filter(|entry| entry.next > from).collect()
    }

    /// What it is ready for, as poll(2) tells.
    pub fn poll(&self) -> PollEvents {
        self.object.poll()
    }

    fn end_if_appending(&self) -> Result<Option<u64>, Errno> {
        if !self.flags.get().contains(OpenFlags::APPEND) {
            return Ok(None);
        }
        self.inode().refresh()?;
        Ok(Some(self.object.size()))
    }

    /// Waits for one's turn, where an operation that moves the offset takes several steps.
    pub async fn turn(&self) -> Turn<'_> {
        self.turns.take().await
    }

    /// Fails unless pread(2) and pwrite(2) work.
    ///
    /// # Errors
    /// `ESPIPE`; `EBADF` with `O_PATH`.
    pub fn require_positions(&self) -> Result<(), Errno> {
        self.require_not_path()?;
        if self.object.has_position() { Ok(()) } else { Err(Errno::ESPIPE) }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.all.0.count.set(self.all.0.count.get() - 1);
        let flags = self.flags.get();
        if let Some(leases) = self.inode().leases().filter(|_| flags.access().writes()) {
            leases.change_writers(false);
        }
        if !flags.contains(OpenFlags::PATH) {
            let writes = flags.access().writes();
            let closed = if writes { Notice::CLOSE_WRITE } else { Notice::CLOSE_NOWRITE };
            self.all.watches().closed(&self.dentry, closed);
        }
        if let Some(instance) = Inotify::of(&self.object) {
            self.all.watches().leave(&instance);
        }
        if self.has_locked.get() {
            let owners = [LockOwner::Description(self.number), LockOwner::Flock(self.number)];
            self.all.locks().release(&owners);
        }
    }
}
