//! What an open file does.

use alloc::vec::Vec;
use core::any::Any;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::Whence;
use wayfarer_proto::linux::poll::PollEvents;

use super::Asker;
use super::ioctl::Ioctl;
use crate::executor::WaitQueue;

/// The circumstances of a read or a write.
#[derive(Clone, Copy)]
pub struct Io<'a> {
    /// Who reads or writes.
    pub asker: &'a dyn Asker,
    /// Whether the open file has `O_NONBLOCK`.
    pub nonblock: bool,
    /// Whether the time that [`FileObject::read_timeout`] gave has passed: the read ends with
    /// what there is.
    pub timed_out: bool,
}

/// What an open file description is open on. Operations are tries: `EAGAIN` says that nothing could
/// be done now and that [`changes`](FileObject::changes) wakes when that may be different.
pub trait FileObject: Any {
    /// Reads at `offset`, which objects without positions ignore. 0 is the end of the file.
    ///
    /// # Errors
    /// `EAGAIN`; `EINVAL` if it cannot be read at all; others as the object says.
    fn read(&self, _offset: u64, _buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Notes that something was read.
    fn accessed(&self) {}

    /// Writes at `offset`; may write less than all.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOSPC`, `EPIPE`; `EINVAL` if it cannot be written at all.
    fn write(&self, _offset: u64, _data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Bytes that a write by the only one who can write is sure to take at once, whatever others
    /// do until then; 0 if there are none.
    fn sure_room(&self) -> usize {
        0
    }

    /// Takes all of `data`, for which there was [`sure_room`](Self::sure_room) when it was
    /// promised.
    ///
    /// # Errors
    /// `ENOMEM`.
    fn take(&self, _data: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Whether reads and writes have a position: pread(2) and pwrite(2) work.
    fn has_position(&self) -> bool {
        false
    }

    /// Whether a read could only find out that it must wait.
    fn is_dry(&self) -> bool {
        false
    }

    /// Bytes of content, for `O_APPEND` and `SEEK_END`.
    fn size(&self) -> u64 {
        0
    }

    /// The offset that lseek(2) leads to.
    ///
    /// # Errors
    /// `ESPIPE` if there are no positions; `EINVAL` for one below zero; `ENXIO` for data or a hole
    /// beyond the end.
    fn seek(&self, _current: u64, _offset: i64, _whence: Whence) -> Result<u64, Errno> {
        Err(Errno::ESPIPE)
    }

    /// Sees that what was written stays (fsync(2)); memory needs no more than it has.
    ///
    /// # Errors
    /// As the object says.
    fn sync(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// What it is ready for now.
    fn poll(&self) -> PollEvents {
        PollEvents::READABLE | PollEvents::WRITABLE
    }

    /// Wakes when [`poll`](Self::poll) or the result of a try may have changed; `None` if it never
    /// does because the object is always ready.
    fn changes(&self) -> Option<&WaitQueue> {
        None
    }

    /// How long a read that found nothing waits at most; `None` for as long as it takes. Only
    /// terminals in raw mode have such a limit (`VTIME`, termios(3)).
    fn read_timeout(&self) -> Option<Duration> {
        None
    }

    /// Whether open(2) is complete. A fifo's waits until the other end is open as well.
    fn is_open_complete(&self) -> bool {
        true
    }

    /// Bytes that can be read now (`FIONREAD`), if the object counts them.
    fn bytes_readable(&self) -> Option<usize> {
        None
    }

    /// Serves a request of ioctl(2) that is not common to all files; what is to be copied to its
    /// argument.
    ///
    /// # Errors
    /// `ENOTTY` for a request that the object does not know; `EAGAIN` as in a read.
    fn ioctl(&self, _request: &Ioctl<'_>, _asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        Err(Errno::ENOTTY)
    }

    /// Whether it is a terminal.
    fn is_terminal(&self) -> bool {
        false
    }
}

/// lseek(2) on something with `size` bytes of content and no holes.
///
/// # Errors
/// `EINVAL` for a result below zero or beyond `i64::MAX`; `ENXIO` for data or a hole beyond the
/// end.
pub fn seek_within(size: u64, current: u64, offset: i64, whence: Whence) -> Result<u64, Errno> {
    let base = match whence {
        Whence::Start => 0,
        Whence::Current => current,
        Whence::End => size,
        Whence::Data | Whence::Hole => {
            let at = u64::try_from(offset).ok().filter(|at| *at < size).ok_or(Errno::ENXIO)?;
            return Ok(if whence == Whence::Data { at } else { size });
        }
    };
    let target = base.checked_add_signed(offset).ok_or(Errno::EINVAL)?;
    i64::try_from(target).map(|_| target).map_err(|_| Errno::EINVAL)
}

/// An open directory, of any file system: its listing is its inode's.
pub struct OpenDirectory;

impl FileObject for OpenDirectory {
    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, _offset: u64, _buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    /// Positions are cookies that getdents64(2) gave; any is accepted.
    fn seek(&self, current: u64, offset: i64, whence: Whence) -> Result<u64, Errno> {
        match whence {
            Whence::Start | Whence::Current => seek_within(0, current, offset, whence),
            _ => Err(Errno::EINVAL),
        }
    }
}
