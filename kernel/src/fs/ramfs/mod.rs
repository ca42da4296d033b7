//! The RAM file system: files, directories, links and device nodes in the node's own memory.
//!
//! A file's pages are frames of the machine's pool, so that they can be mapped into programs as
//! they are. What a file was made of at boot (the initial archive) is read where it lies until a
//! page of it is written or mapped.

mod content;
mod directory;
mod file;
mod inode;
mod loan;
mod times;

#[cfg(test)]
mod tests;

use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_machine::{Frame, FramePool};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, ST_FLAGS, Statfs, TMPFS_MAGIC};
use wayfarer_proto::linux::time::Timespec;

use super::{Clock, Inode, NewContent, NewInode};
use content::PAGE;
pub use inode::RamInode;

/// Files leave this part of the pool's frames alone.
const KEPT_PART: usize = 16;

/// How much a RAM file system may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RamLimits {
    /// Frames of file content.
    pub pages: u64,
    /// Inodes and names together.
    pub inodes: u64,
}

/// What all inodes of one RAM file system share.
pub struct RamFs {
    pool: FramePool,
    clock: Rc<dyn Clock>,
    device: DeviceNumber,
    limits: RamLimits,
    pages: Cell<u64>,
    inodes: Cell<u64>,
    next_inode: Cell<u64>,
}

impl RamFs {
    /// A file system with an empty root directory, which is returned. `device` is what stat(2)
    /// calls it.
    ///
    /// # Errors
    /// `ENOSPC` if the limits do not even permit the root.
    pub fn create(
        pool: FramePool,
        clock: Rc<dyn Clock>,
        device: DeviceNumber,
        limits: RamLimits,
    ) -> Result<Rc<RamInode>, Errno> {
        let (pages, inodes, next_inode) = (Cell::new(0), Cell::new(0), Cell::new(1));
        let fs = Rc::new(Self { pool, clock, device, limits, pages, inodes, next_inode });
        let root = NewInode { content: NewContent::Directory, permissions: 0o755 };
        RamInode::new(&fs, &root).inspect(|root| root.be_root())
    }

    fn now(&self) -> Timespec {
        self.clock.now()
    }

    /// A zeroed frame for a page of content, counted until [`release_pages`](Self::release_pages).
    fn allocate_page(&self) -> Result<Frame, Errno> {
        if self.room() == 0 {
            return Err(Errno::ENOSPC);
        }
        let frame = self.pool.allocate_zeroed().map_err(|_| Errno::ENOSPC)?;
        self.pages.set(self.pages.get() + 1);
        Ok(frame)
    }

    /// Frames that files may still take: programs and the kernel keep a part of memory, however
    /// many file systems there are.
    fn memory_left(&self) -> u64 {
        let total = self.pool.counts().total;
        self.pool.available().saturating_sub(total / KEPT_PART) as u64
    }

    fn release_pages(&self, count: u64) {
        self.pages.set(self.pages.get() - count);
    }

    /// Counts one inode, or one more name of an inode: both take kernel memory.
    fn charge_inode(&self) -> Result<(), Errno> {
        if self.inodes.get() >= self.limits.inodes {
            return Err(Errno::ENOSPC);
        }
        self.inodes.set(self.inodes.get() + 1);
        Ok(())
    }

    fn release_inode(&self) {
        self.inodes.set(self.inodes.get() - 1);
    }

    fn take_inode_number(&self) -> u64 {
        self.next_inode.replace(self.next_inode.get() + 1)
    }

    /// Pages that files may still take.
    fn room(&self) -> u64 {
        self.limits.pages.saturating_sub(self.pages.get()).min(self.memory_left())
    }

    fn statfs(&self) -> Statfs {
        let free = self.room();
        Statfs {
            kind: TMPFS_MAGIC,
            block_size: PAGE as i64,
            blocks: self.limits.pages,
            blocks_free: free,
            blocks_available: free,
            files: self.limits.inodes,
            files_free: self.limits.inodes - self.inodes.get(),
            id: self.device.0,
            name_max: 255,
            fragment_size: PAGE as i64,
            flags: ST_FLAGS,
            spare: [0; 32],
        }
    }
}

/// Whether this type's inodes are opened with the content of a device number.
const fn is_device(file_type: FileType) -> bool {
    matches!(file_type, FileType::CharDevice | FileType::BlockDevice)
}

/// The RAM inode behind any inode, if it belongs to `fs`.
fn same_fs<'a>(fs: &Rc<RamFs>, inode: &'a dyn Inode) -> Result<&'a RamInode, Errno> {
    let any: &dyn core::any::Any = inode;
    any.downcast_ref::<RamInode>().filter(|inode| inode.belongs_to(fs)).ok_or(Errno::EXDEV)
}
