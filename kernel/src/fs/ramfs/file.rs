//! Open regular files of the RAM file system.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::Whence;

use super::RamInode;
use crate::fs::{FileObject, Inode, Io, seek_within};

/// An open regular file.
pub(super) struct RamFile {
    pub(super) inode: Rc<RamInode>,
    /// Whether reading leaves the access time alone (`O_NOATIME`).
    pub(super) no_access_time: bool,
}

impl FileObject for RamFile {
    fn read(&self, offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let count = self.inode.read_at(offset, buffer)?;
        self.accessed();
        Ok(count)
    }

    fn accessed(&self) {
        if !self.no_access_time {
            self.inode.note_access();
        }
    }

    fn write(&self, offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        self.inode.write_at(offset, data)
    }

    fn has_position(&self) -> bool {
        true
    }

    fn size(&self) -> u64 {
        self.inode.file().map_or(0, |content| content.borrow().size())
    }

    fn seek(&self, current: u64, offset: i64, whence: Whence) -> Result<u64, Errno> {
        let target = seek_within(self.size(), current, offset, whence)?;
        match whence {
            Whence::Data => self.inode.seek_data(target).ok_or(Errno::ENXIO),
            Whence::Hole => Ok(self.inode.seek_hole(offset.unsigned_abs())),
            _ => Ok(target),
        }
    }

    fn bytes_readable(&self) -> Option<usize> {
        usize::try_from(self.size()).ok()
    }
}

impl RamInode {
    /// The next data from `offset` on.
    fn seek_data(&self, offset: u64) -> Option<u64> {
        let content = self.file().ok()?.borrow();
        Some(content.seek(offset, true)).filter(|found| *found < content.size())
    }

    /// The next hole from `offset` on; the end counts as one.
    fn seek_hole(&self, offset: u64) -> u64 {
        self.file().map_or(0, |content| content.borrow().seek(offset, false))
    }
}
