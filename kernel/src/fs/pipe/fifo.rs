//! Where pipes live: named ones in a file system, the others in a place of their own.

use alloc::format;
use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{Access, OpenFlags};
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, PIPEFS_MAGIC, ST_FLAGS, Statfs};

use super::{Pipe, PipeEnd};
use crate::fs::{
    Asker, AttributeChange, Attributes, Clock, Dentry, FileObject, Inode, Metadata, OpenFile,
    OpenFiles,
};

/// A name for a pipe: the pipe exists as long as someone has it open.
pub struct Fifo {
    pool: FramePool,
    pipe: RefCell<Weak<Pipe>>,
}

impl Fifo {
    /// A fifo that nobody has open; its pipe takes frames from `pool`.
    pub const fn new(pool: FramePool) -> Self {
        Self { pool, pipe: RefCell::new(Weak::new()) }
    }

    /// Opens an end. Unless it is nonblocking the caller then waits until
    /// [`FileObject::is_open_complete`].
    ///
    /// # Errors
    /// `ENXIO` for a nonblocking writer when nobody reads (open(2)).
    pub fn open(&self, flags: OpenFlags) -> Result<Rc<dyn FileObject>, Errno> {
        let access = flags.access();
        let known = self.pipe.borrow().upgrade();
        let has_readers = known.as_ref().is_some_and(|pipe| pipe.readers.get() > 0);
        if access == Access::Write && flags.contains(OpenFlags::NONBLOCK) && !has_readers {
            return Err(Errno::ENXIO);
        }
        Ok(PipeEnd::open(self.pipe(), access))
    }

    /// Opens an end of a pipe that has no name, by `/proc/PID/fd`: nobody is waited for.
    fn open_again(&self, flags: OpenFlags) -> Rc<dyn FileObject> {
        PipeEnd::complete(self.pipe(), flags.access())
    }

    /// The pipe, made if nobody has it open.
    fn pipe(&self) -> Rc<Pipe> {
        let known = self.pipe.borrow().upgrade();
        let pipe = known.unwrap_or_else(|| Pipe::new(self.pool.clone()));
        self.pipe.replace(Rc::downgrade(&pipe));
        pipe
    }
}

/// The file system without directories that holds the pipes of pipe(2).
pub struct PipeFs {
    pool: FramePool,
    clock: Rc<dyn Clock>,
    device: DeviceNumber,
    next_inode: Cell<u64>,
}

/// What fstat(2) and `/proc/PID/fd` know of a pipe.
struct PipeInode {
    fifo: Fifo,
    number: u64,
    device: DeviceNumber,
    clock: Rc<dyn Clock>,
    attributes: Cell<Attributes>,
}

impl PipeFs {
    /// A file system of no pipes; `device` is what stat(2) calls it.
    pub const fn new(pool: FramePool, clock: Rc<dyn Clock>, device: DeviceNumber) -> Self {
        Self { pool, clock, device, next_inode: Cell::new(1) }
    }

    /// pipe2(2): the end to read from and the end to write to.
    ///
    /// # Errors
    /// `EINVAL` for other flags than `O_CLOEXEC`, `O_NONBLOCK` and `O_DIRECT`; the last is refused,
    /// since packets are not kept apart.
    pub fn create(
        &self,
        flags: OpenFlags,
        all: &OpenFiles,
    ) -> Result<(Rc<OpenFile>, Rc<OpenFile>), Errno> {
        if !(OpenFlags::NONBLOCK | OpenFlags::CLOSE_ON_EXEC).contains(flags) {
            return Err(Errno::EINVAL);
        }
        let pipe = Pipe::new(self.pool.clone());
        let number = self.next_inode.replace(self.next_inode.get() + 1);
        let inode = Rc::new(PipeInode {
            fifo: Fifo { pool: self.pool.clone(), pipe: RefCell::new(Rc::downgrade(&pipe)) },
            number,
            device: self.device,
            clock: self.clock.clone(),
            attributes: Cell::new(Attributes::new(0o600, self.clock.now())),
        });
        let dentry = Dentry::root(inode, format!("pipe:[{number}]").as_bytes());
        let reader = PipeEnd::complete(pipe.clone(), Access::Read);
        let writer = PipeEnd::complete(pipe, Access::Write);
        let reader = OpenFile::new(dentry.clone(), reader, flags, all);
        let writer = OpenFile::new(dentry, writer, flags | OpenFlags::WRITE_ONLY, all);
        Ok((reader, writer))
    }
}

impl Inode for PipeInode {
    fn metadata(&self) -> Metadata {
        Metadata::without_content(self.device, self.number, FileType::Fifo, self.attributes.get())
    }

    fn file_type(&self) -> FileType {
        FileType::Fifo
    }

    fn change_attributes(&self, change: &AttributeChange) -> Result<(), Errno> {
        let mut attributes = self.attributes.get();
        attributes.apply(change, self.clock.now());
        self.attributes.set(attributes);
        Ok(())
    }

    fn file_system(&self) -> Result<Statfs, Errno> {
        Ok(Statfs::without_blocks(PIPEFS_MAGIC, self.device, ST_FLAGS))
    }

    fn open(
        self: Rc<Self>,
        flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        Ok(self.fifo.open_again(flags))
    }
}
