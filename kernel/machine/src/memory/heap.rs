//! The kernel's heap: `linked_list_allocator` over a window that grows by frames as needed, with
//! lists of small blocks in front of it.
//!
//! A part of memory is set aside for it at the start, which user pages never get: when programs
//! have taken all other frames, the kernel can still allocate, for long enough to refuse them more.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::RefCell;
use core::ptr::{NonNull, null_mut};

use linked_list_allocator::Heap;
use spin::Mutex;

use super::PAGE_SIZE;
use super::entry::SLOTS;
use super::kernel_map::{HEAP, KernelMap, Kind};
use super::pool::{FramePool, FrameReservation, OutOfFrames};
use super::size_classes::{CHUNK, Class, SizeClasses};
use crate::cpu::OneCpu;

/// The heap grows by at least this many bytes.
const STEP: usize = 256 * 1024;

static ALLOCATOR: Mutex<Allocator> =
    Mutex::new(Allocator { heap: Heap::empty(), small: SizeClasses::empty() });
static GROWTH: OneCpu<RefCell<Option<Growth>>> = OneCpu::new(RefCell::new(None));

/// What the heap grows with.
struct Growth {
    map: KernelMap,
    pool: FramePool,
    kept: FrameReservation,
    end: u64,
    /// Frames it has taken from the pool.
    taken: usize,
}

impl Growth {
    /// Maps `bytes` more (a multiple of the page size); returns how many it could. A request that
    /// cannot be met takes nothing.
    fn extend(&mut self, bytes: usize) -> usize {
        let pages = bytes / PAGE_SIZE;
        let tables = pages / SLOTS + 3;
        if self.pool.counts().free + self.kept.left() < pages + tables {
            return 0;
        }
        let mut mapped = 0;
        while mapped < bytes && self.extend_by_page().is_ok() {
            mapped += PAGE_SIZE;
        }
        mapped
    }

    fn extend_by_page(&mut self) -> Result<(), OutOfFrames> {
        let (pool, kept, taken) = (&self.pool, &mut self.kept, &mut self.taken);
        let mut frames = || {
            let frame = match pool.allocate_at_hand() {
                Ok(frame) => {
                    *taken += 1;
                    frame
                }
                Err(_) => kept.allocate()?,
            };
            Ok(u64::from(frame.into_number()) * PAGE_SIZE as u64)
        };
        let physical = frames()?;
        self.map.map(self.end, physical, Kind::Data, &mut frames)?;
        self.end += PAGE_SIZE as u64;
        Ok(())
    }
}

/// Gives the heap its first memory.
///
/// # Safety
///
/// To be called once; `size` bytes from [`HEAP`] on must be mapped and unused.
pub(crate) unsafe fn start(size: usize) {
    // SAFETY: the caller's promise.
    unsafe { ALLOCATOR.lock().heap.init(HEAP as *mut u8, size) };
}

/// Lets the heap grow from `size` bytes on, keeping `kept` frames for itself.
pub(crate) fn enable_growth(size: usize, map: KernelMap, pool: FramePool, kept: FrameReservation) {
    let growth = Growth { map, pool, kept, end: HEAP + size as u64, taken: 0 };
    *GROWTH.get().borrow_mut() = Some(growth);
}

/// Bytes of the heap in use and in all. It looks at every small block that is free.
pub fn usage() -> (usize, usize) {
    let allocator = ALLOCATOR.lock();
    (allocator.heap.used() - allocator.small.free_bytes(), allocator.heap.size())
}

/// Frames the heap has taken from the pool, tables included. It keeps them.
pub fn frames_taken() -> usize {
    GROWTH.get().borrow().as_ref().map_or(0, |growth| growth.taken)
}

/// The heap proper and the small blocks.
struct Allocator {
    heap: Heap,
    small: SizeClasses,
}

impl Allocator {
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let Some(class) = Class::of(layout) else { return self.allocate_large(layout) };
        if let Some(block) = self.small.take(class) {
            return Some(block);
        }
        let chunk = self.allocate_large(CHUNK)?;
        // SAFETY: the chunk was just allocated with that layout.
        unsafe { self.small.add_chunk(class, chunk) };
        self.small.take(class)
    }

    /// # Safety
    ///
    /// The memory must have been allocated here for this layout, and not be used any more.
    unsafe fn deallocate(&mut self, memory: NonNull<u8>, layout: Layout) {
        match Class::of(layout) {
            // SAFETY: the layout determines the class, so the block was taken from this list.
            Some(class) => unsafe { self.small.put(class, memory) },
            // SAFETY: large blocks come from the heap.
            None => unsafe { self.heap.deallocate(memory, layout) },
        }
    }

    fn allocate_large(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if let Ok(memory) = self.heap.allocate_first_fit(layout) {
            return Some(memory);
        }
        let needed = layout.size().checked_add(layout.align())?.max(STEP);
        let bytes = needed.checked_next_multiple_of(PAGE_SIZE)?;
        let mapped = GROWTH.get().borrow_mut().as_mut().map_or(0, |growth| growth.extend(bytes));
        // SAFETY: that many bytes behind the heap were just mapped, and nothing else uses them.
        unsafe { self.heap.extend(mapped) };
        self.heap.allocate_first_fit(layout).ok()
    }
}

/// The global allocator of an image; the `image!` macro declares it.
#[derive(Debug)]
pub struct KernelHeap;

// SAFETY: blocks handed out are disjoint, aligned parts of the window, and memory once mapped there
// stays mapped.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATOR.lock().allocate(layout).map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let Some(memory) = NonNull::new(memory) else { return };
        // SAFETY: the caller promises that `alloc` returned it for this layout.
        unsafe { ALLOCATOR.lock().deallocate(memory, layout) };
    }
}
