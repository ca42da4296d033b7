//! Open regular files of the host.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::Whence;

use super::client::Fid;
use super::inode::ShareInode;
use super::reply::Reply;
use super::request::Request;
use crate::fs::{FileObject, Inode, Io, seek_within};

/// An open regular file.
pub(super) struct ShareFile {
    pub(super) inode: Rc<ShareInode>,
    pub(super) fid: Rc<Fid>,
}

impl FileObject for ShareFile {
    fn read(&self, offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.inode.share().read(&self.fid, offset, buffer)
    }

    fn write(&self, offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let share = self.inode.share();
        let count = data.len().min(share.client.data_max());
        let (fid, data) = (Rc::clone(&self.fid), data[..count].to_vec());
        match share.ask(Request::Write { fid, offset, data })?.reply {
            Reply::Written(count @ 1..) => {
                self.inode.note_written(offset.saturating_add(count as u64));
                Ok(count)
            }
            _ => Err(Errno::EIO),
        }
    }

    fn has_position(&self) -> bool {
        true
    }

    fn size(&self) -> u64 {
        self.inode.size()
    }

    fn seek(&self, current: u64, offset: i64, whence: Whence) -> Result<u64, Errno> {
        if !matches!(whence, Whence::Start | Whence::Current) {
            self.inode.refresh()?;
        }
        seek_within(self.size(), current, offset, whence)
    }

    fn bytes_readable(&self) -> Option<usize> {
        usize::try_from(self.size()).ok()
    }

    fn sync(&self) -> Result<(), Errno> {
        self.inode.share().order(Request::Sync(Rc::clone(&self.fid)))
    }
}
