//! Lists of small free blocks in front of the heap, one for each size.
//!
//! `linked_list_allocator` searches its list of holes at each call, and inserts in order of
//! address: fine for large blocks, slow for the thousands of small ones a kernel lives on. So small
//! requests are rounded up to one of four sizes between each power of two and the next, and served
//! from a list of blocks of that size, in constant time. Blocks are cut from chunks, and a chunk is
//! never returned.

use core::alloc::Layout;
use core::ptr::NonNull;

/// The smallest block, two words, and what all blocks are aligned to.
const SMALLEST: usize = 16;
/// The largest block; larger requests go to the heap itself.
const LARGEST: usize = 2048;
/// The power of two up to which sizes are multiples of the smallest: four of it.
const EVEN: u32 = (4 * SMALLEST).trailing_zeros();
/// How many sizes there are.
const CLASSES: usize = 4 * (LARGEST.trailing_zeros() - EVEN) as usize + 4;

/// What blocks are cut from. Aligned to a page, so that every block is a multiple of its size away
/// from one, and blocks of a power of two are aligned to it.
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
        let mut size = layout.size();
        if layout.align() > SMALLEST {
            size = size.max(layout.align()).next_power_of_two();
        }
        if size > LARGEST {
            return None;
        }
        let last = size.max(1) - 1;
        let power = (last | 1 << EVEN).ilog2();
        Some(Class(4 * (power - EVEN) as usize + (last >> (power - 2))))
    }

    /// Bytes of a block.
    fn size(self) -> usize {
        let (doublings, quarter) = ((self.0 / 4).saturating_sub(1), self.0 % 4);
        let below = if self.0 < 4 { 0 } else { 4 };
        ((below + quarter + 1) * SMALLEST) << doublings
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

    /// Bytes of all blocks on the lists. It looks at each.
    pub(super) fn free_bytes(&self) -> usize {
        let blocks_of = |mut next: Option<NonNull<Free>>| {
            core::iter::from_fn(move || {
                let block = next?;
                // SAFETY: a block on a list is ours and holds what `put` wrote.
                next = unsafe { block.as_ref().next };
                Some(block)
            })
        };
        let lists = self.lists.iter().enumerate();
        lists.map(|(class, list)| Class(class).size() * blocks_of(*list).count()).sum()
    }

    /// Cuts a chunk into blocks of a class.
    ///
    /// # Safety
    ///
    /// The chunk must have the layout [`CHUNK`], and nothing may use it.
    pub(super) unsafe fn add_chunk(&mut self, class: Class, chunk: NonNull<u8>) {
        // From the end, so that blocks are handed out in ascending order.
        let blocks = CHUNK.size() / class.size();
        for offset in (0..blocks).map(|index| index * class.size()).rev() {
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
        assert_eq!((size(17, 1), size(33, 16), size(49, 8)), (Some(32), Some(48), Some(64)));
        assert_eq!((size(65, 8), size(96, 32), size(97, 8)), (Some(80), Some(128), Some(112)));
        assert_eq!(
            (size(80, 64), size(1025, 8), size(1537, 8)),
            (Some(128), Some(1280), Some(1792))
        );
        assert_eq!((size(128, 8), size(129, 8), size(256, 8)), (Some(128), Some(160), Some(256)));
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
        for size in [16, 64, 96, 1536, 2048] {
            let class = class(size, 1).unwrap();
            let mut lists = SizeClasses::empty();
            assert_eq!(lists.take(class), None);
            // SAFETY: nothing else uses the chunk.
            unsafe { lists.add_chunk(class, chunk) };
            let mut taken = BTreeSet::new();
            while let Some(block) = lists.take(class) {
                assert!(block.as_ptr().addr().is_multiple_of(1 << size.trailing_zeros()));
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
