//! `/dev/pts`: the terminals of the pseudoterminals, by their numbers (pts(4)).

use alloc::format;
use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::stat::{DEVPTS_SUPER_MAGIC, DeviceNumber, FileType, ST_FLAGS, Statfs};

use super::pty::{Pty, Ptys};
use crate::fs::{
    Asker, AttributeChange, Attributes, Clock, DirectoryEntry, FileObject, Inode, Metadata, Names,
    OpenDirectory,
};

/// The device that holds them.
const DEVICE: DeviceNumber = DeviceNumber::new(0, 6);
/// The inode number of the terminal 0, and where its place in the listing is; that of the directory
/// is 1.
const FIRST: u64 = 3;

/// The directory.
pub struct PtsDirectory {
    ptys: Rc<Ptys>,
    clock: Rc<dyn Clock>,
}

impl PtsDirectory {
    /// The directory of these.
    pub fn create(ptys: &Rc<Ptys>, clock: Rc<dyn Clock>) -> Rc<dyn Inode> {
        Rc::new(Self { ptys: ptys.clone(), clock })
    }
}

fn statfs() -> Statfs {
    Statfs::without_blocks(DEVPTS_SUPER_MAGIC, DEVICE, ST_FLAGS)
}

impl Inode for PtsDirectory {
    fn metadata(&self) -> Metadata {
        let attributes = Attributes::new(0o755, self.clock.now());
        Metadata { links: 2, ..Metadata::without_content(DEVICE, 1, self.file_type(), attributes) }
    }

    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn file_system(&self) -> Result<Statfs, Errno> {
        Ok(statfs())
    }

    fn names(&self) -> Names {
        Names::Fleeting
    }

    fn open(
        self: Rc<Self>,
        _flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        Ok(Rc::new(OpenDirectory))
    }

    fn lookup(&self, name: &[u8], _asker: &dyn Asker) -> Result<Rc<dyn Inode>, Errno> {
        let number = core::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
        let number = number.filter(|number| format!("{number}").as_bytes() == name);
        let pty = number.and_then(|number: u32| self.ptys.find(number)).ok_or(Errno::ENOENT)?;
        Ok(Rc::new(PtsInode { pty, clock: self.clock.clone() }))
    }

    fn list(
        &self,
        from: u64,
        _asker: &dyn Asker,
        visit: &mut dyn FnMut(&DirectoryEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        for number in self.ptys.numbers() {
            let inode = FIRST + u64::from(number);
            let name = format!("{number}");
            let (name, file_type) = (name.as_bytes(), FileType::CharDevice);
            if inode > from && !visit(&DirectoryEntry { name, inode, file_type, next: inode }) {
                break;
            }
        }
        Ok(())
    }
}

/// A terminal.
struct PtsInode {
    pty: Rc<Pty>,
    clock: Rc<dyn Clock>,
}

impl Inode for PtsInode {
    fn metadata(&self) -> Metadata {
        let special_device = self.pty.device();
        let number = FIRST + u64::from(special_device.minor());
        let attributes = self.pty.attributes.get();
        let plain = Metadata::without_content(DEVICE, number, self.file_type(), attributes);
        Metadata { special_device, ..plain }
    }

    fn file_type(&self) -> FileType {
        FileType::CharDevice
    }

    fn change_attributes(&self, change: &AttributeChange) -> Result<(), Errno> {
        let mut attributes = self.pty.attributes.get();
        attributes.apply(change, self.clock.now());
        self.pty.attributes.set(attributes);
        Ok(())
    }

    fn file_system(&self) -> Result<Statfs, Errno> {
        Ok(statfs())
    }

    /// Devices are opened by their numbers.
    fn open(
        self: Rc<Self>,
        _flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        Err(Errno::ENXIO)
    }
}
