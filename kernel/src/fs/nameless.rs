//! Where open files live that have no name anywhere: event descriptors and sockets.

use alloc::format;
use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::stat::{
    ANON_INODE_FS_MAGIC, DeviceNumber, FileType, SOCKFS_MAGIC, ST_FLAGS, Statfs,
};

use super::{
    Asker, AttributeChange, Attributes, Clock, Dentry, FileObject, Inode, Metadata, OpenFile,
    OpenFiles,
};

/// The inode number that all event descriptors share.
const EVENT_INODE: u64 = 1;
/// The device of event descriptors, as fstat(2) tells it.
const EVENT_DEVICE: DeviceNumber = DeviceNumber::new(0, 14);
/// The device of sockets.
const SOCKET_DEVICE: DeviceNumber = DeviceNumber::new(0, 8);

/// The two file systems without names: `anon_inodefs` and `sockfs`.
pub struct Nameless {
    clock: Rc<dyn Clock>,
    last_inode: Cell<u64>,
}

impl Nameless {
    /// Without any file.
    pub fn new(clock: Rc<dyn Clock>) -> Self {
        Self { clock, last_inode: Cell::new(EVENT_INODE) }
    }

    /// An open file of an event descriptor; `kind` is what `/proc/PID/fd` shows in brackets.
    pub fn open_event(
        &self,
        kind: &str,
        object: Rc<dyn FileObject>,
        flags: OpenFlags,
        all: &OpenFiles,
    ) -> Rc<OpenFile> {
        let inode = self.inode(EVENT_INODE, FileType::Anonymous, 0o600);
        let dentry = Dentry::root(inode, format!("anon_inode:[{kind}]").as_bytes());
        OpenFile::new(dentry, object, flags, all)
    }

    /// An open file of a socket.
    pub fn open_socket(
        &self,
        object: Rc<dyn FileObject>,
        flags: OpenFlags,
        all: &OpenFiles,
    ) -> Rc<OpenFile> {
        let number = self.last_inode.get() + 1;
        self.last_inode.set(number);
        let inode = self.inode(number, FileType::Socket, 0o777);
        let dentry = Dentry::root(inode, format!("socket:[{number}]").as_bytes());
        OpenFile::new(dentry, object, flags | OpenFlags::READ_WRITE, all)
    }

    fn inode(&self, number: u64, file_type: FileType, permissions: u32) -> Rc<dyn Inode> {
        let clock = Rc::clone(&self.clock);
        let attributes = Cell::new(Attributes::new(permissions, clock.now()));
        Rc::new(NamelessInode { number, file_type, clock, attributes })
    }
}

/// What fstat(2) and `/proc/PID/fd` know of such a file.
struct NamelessInode {
    number: u64,
    file_type: FileType,
    clock: Rc<dyn Clock>,
    attributes: Cell<Attributes>,
}

impl NamelessInode {
    const fn device(&self) -> DeviceNumber {
        match self.file_type {
            FileType::Socket => SOCKET_DEVICE,
            _ => EVENT_DEVICE,
        }
    }
}

impl Inode for NamelessInode {
    fn metadata(&self) -> Metadata {
        Metadata::without_content(self.device(), self.number, self.file_type, self.attributes.get())
    }

    fn file_type(&self) -> FileType {
        self.file_type
    }

    fn change_attributes(&self, change: &AttributeChange) -> Result<(), Errno> {
        let mut attributes = self.attributes.get();
        attributes.apply(change, self.clock.now());
        self.attributes.set(attributes);
        Ok(())
    }

    fn file_system(&self) -> Result<Statfs, Errno> {
        let magic = match self.file_type {
            FileType::Socket => SOCKFS_MAGIC,
            _ => ANON_INODE_FS_MAGIC,
        };
        Ok(Statfs::without_blocks(magic, self.device(), ST_FLAGS))
    }

    /// Such a file cannot be opened again, not even through `/proc/PID/fd`.
    fn open(
        self: Rc<Self>,
        _flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        Err(Errno::ENXIO)
    }
}
