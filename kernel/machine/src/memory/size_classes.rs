//! Lists of small free blocks in front of the heap, one for each power of two.
//!
//! `linked_list_allocator` searches its list of holes at each call, and inserts in order of
//! address: fine for large blocks, slow for the thousands of small ones a kernel lives on. So small
//! requests are rounded up to a power of two and served from a list of blocks of that size, in
//! constant time. Blocks are cut from chunks, and a chunk is never returned.

use core::alloc::Layout;
use core::ptr::NonNull;

/// The smallest block: two words.
const SMALLEST: usize = 16;
/// The largest block; larger requests go to the heap itself.
const LARGEST: usize = 2048;
/// How many sizes there are.
const CLASSES: usize = (LARGEST / SMALLEST).trailing_zeros() as usize + 1;

/// What blocks are cut from. Aligned to a page, so that every block is aligned to its size.
pub(super) const CHUNK: Layout = match Layout::from_size_align(16 * 1024, 4096) {
    Ok(layout) => layout,
    Err(_) => panic!("a size and an alignment"),
};

/// A free block: the address of the next one of its size.
struct Free {
    next: Option<NonNull<Free>>,
}

/// The lists.
pub(super) struct SizeClasses {
    lists: [Option<NonNull<Free>>; CLASSES],
}

// SAFETY: the blocks belong to whoever owns the lists.
unsafe impl Send for SizeClasses {}

/// A size of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(usize);

impl Class {
    /// The class that serves a request, if it is a small one.
    pub(super) fn of(layout: Layout) -> Option<Class> {
        let size = layout.size().max(layout.align()).max(SMALLEST);
        if size > LARGEST {
            return None;
        }
        Some(Class((size.next_power_of_two() / SMALLEST).trailing_zeros() as usize))
    }

    /// Bytes of a block.
    fn size(self) -> usize {
        SMALLEST << self.0
    }
}

impl SizeClasses {
    /// No blocks.
    pub(super) const fn empty() -> SizeClasses {
        SizeClasses { lists: [None; CLASSES] }
    }

    /// Takes a block.
    pub(super) fn take(&mut self, class: Class) -> Option<NonNull<u8>> {
        let block = self.lists[class.0]?;
        // SAFETY: a block on a list is ours and holds what `put` wrote.
        self.lists[class.0] = unsafe { block.as_ref().next };
        Some(block.cast())
    }

    /// Puts a block on its list.
    ///
    /// # Safety
    ///
    /// It must be one of this class, and nothing may use it any more.
    pub(super) unsafe fn put(&mut self, class: Class, block: NonNull<u8>) {
        let block: NonNull<Free> = block.cast();
        // SAFETY: the caller gives up the block, which has room and alignment for two words.
        unsafe { block.write(Free { next: self.lists[class.0] }) };
        self.lists[class.0] = Some(block);
    }

    /// Cuts a chunk into blocks of a class.
    ///
    /// # Safety
    ///
    /// The chunk must have the layout [`CHUNK`], and nothing may use it.
    pub(super) unsafe fn add_chunk(&mut self, class: Class, chunk: NonNull<u8>) {
        // From the end, so that blocks are handed out in ascending order.
        for offset in (0..CHUNK.size()).step_by(class.size()).rev() {
            // SAFETY: the block lies within the chunk, which the caller gives up.
            unsafe { self.put(class, chunk.add(offset)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    fn class(size: usize, align: usize) -> Option<Class> {
        Class::of(Layout::from_size_align(size, align).unwrap())
    }

    #[test]
    fn requests_are_rounded_up_to_a_class() {
        let size = |size, align| class(size, align).map(Class::size);
        assert_eq!(size(1, 1), Some(16));
        assert_eq!(size(16, 8), Some(16));
        assert_eq!(size(17, 1), Some(32));
        assert_eq!(size(8, 64), Some(64));
        assert_eq!(size(2048, 8), Some(2048));
        assert_eq!(size(2049, 1), None);
        assert_eq!(size(1, 4096), None);
        assert_eq!(class(2048, 1), Some(Class(CLASSES - 1)));
    }

    #[test]
    fn blocks_are_aligned_disjoint_and_come_back() {
        // SAFETY: the layout is not empty.
        let chunk = NonNull::new(unsafe { alloc::alloc::alloc(CHUNK) }).unwrap();
        for size in [16, 64, 2048] {
            let class = class(size, 1).unwrap();
            let mut lists = SizeClasses::empty();
            assert_eq!(lists.take(class), None);
            // SAFETY: nothing else uses the chunk.
            unsafe { lists.add_chunk(class, chunk) };
            let mut taken = BTreeSet::new();
            while let Some(block) = lists.take(class) {
                assert!(block.as_ptr().addr().is_multiple_of(size));
                assert!(taken.insert(block));
            }
            assert_eq!(taken.len(), CHUNK.size() / size);
            // SAFETY: blocks just taken, and not used.
            taken.iter().for_each(|block| unsafe { lists.put(class, *block) });
            assert_eq!(lists.take(class), taken.last().copied(), "the last one first");
        }
        // SAFETY: allocated above with this layout.
        unsafe { alloc::alloc::dealloc(chunk.as_ptr(), CHUNK) };
    }
}
