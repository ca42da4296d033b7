//! Where the memory of address spaces comes from.

use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_machine::{Frame, FramePool, KernelHalf, OutOfFrames};

use super::coherent::CopiedFiles;
use super::futex::SpaceId;

/// What every new address space is made of: frames, the kernel's half of the page table, the
/// frame of zeroes, what the node holds of shared files, and a supply of identities. A value and
/// not a global, so that bodies may live in another pool than the kernel does (decision D12).
#[derive(Clone, Debug)]
pub struct MemorySource {
    pool: FramePool,
    kernel_half: KernelHalf,
    zero: Frame,
    pub(super) copied: CopiedFiles,
    next_id: Rc<Cell<u64>>,
}

impl MemorySource {
    /// A source over a pool; takes one frame for the zeroes.
    ///
    /// # Errors
    /// [`OutOfFrames`] when there is none.
    pub fn new(pool: &FramePool, kernel_half: &KernelHalf) -> Result<Self, OutOfFrames> {
        Ok(Self {
            pool: pool.clone(),
            kernel_half: kernel_half.clone(),
            zero: pool.allocate_zeroed()?,
            copied: CopiedFiles::default(),
            next_id: Rc::new(Cell::new(1)),
        })
    }

    /// The pool.
    pub fn pool(&self) -> &FramePool {
        &self.pool
    }

    /// The kernel's half of page tables.
    pub(super) fn kernel_half(&self) -> &KernelHalf {
        &self.kernel_half
    }

    /// The frame of zeroes that pages read but never written show. Nobody writes to it: it always
    /// has two owners or more, so it is never taken for a page owned alone.
    pub(super) fn zero(&self) -> Frame {
        self.zero.clone()
    }

    /// Whether `frame` is the frame of zeroes.
    pub(super) fn is_zero(&self, frame: &Frame) -> bool {
        frame.number() == self.zero_number()
    }

    /// Its number.
    pub(super) fn zero_number(&self) -> u64 {
        self.zero.number()
    }

    /// An identity not given before.
    pub(super) fn next_id(&self) -> SpaceId {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        SpaceId(id)
    }
}
