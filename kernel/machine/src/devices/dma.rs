//! Memory shared with devices: runs of neighbouring frames, accessed through the map of physical
//! memory and never through anything else.

use core::cell::RefCell;
use core::ptr::NonNull;

use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::cpu::OneCpu;
use crate::memory::kernel_map::{DEVICES_END, DEVICES_START, DIRECT_MAP, DirectMap, HEAP};
use crate::memory::pool::FramePool;
use crate::memory::{PAGE_SIZE, bytes};

/// Where device memory comes from. Static because the `virtio-drivers` crate asks a type for it,
/// not a value.
static SOURCE: OneCpu<RefCell<Option<Source>>> = OneCpu::new(RefCell::new(None));

struct Source {
    map: DirectMap,
    frames: FramePool,
}

/// Names the source.
pub(super) fn start(map: DirectMap, frames: FramePool) {
    *SOURCE.get().borrow_mut() = Some(Source { map, frames });
}

/// Neighbouring, zeroed frames; `None` when there are not that many.
fn allocate(pages: usize) -> Option<(PhysAddr, NonNull<u8>)> {
    let source = SOURCE.get().borrow();
    let source = source.as_ref()?;
    let first = source.frames.allocate_run(pages).ok()?;
    let physical = u64::from(first) * PAGE_SIZE as u64;
    let memory = NonNull::new(source.map.address(physical))?;
    // SAFETY: the frames were just taken, and they are mapped.
    unsafe { bytes::fill(memory.as_ptr(), 0, pages * PAGE_SIZE) };
    Some((physical, memory))
}

/// # Safety
///
/// What `allocate` returned, with the same number of pages, that no device uses any more.
unsafe fn free(physical: PhysAddr, pages: usize) {
    let source = SOURCE.get().borrow();
    if let (Some(source), Ok(first)) = (&*source, u32::try_from(physical / PAGE_SIZE as u64)) {
        // SAFETY: the caller's promise.
        unsafe { source.frames.free_run(first, pages) };
    }
}

/// The machine, as the `virtio-drivers` crate wants it.
#[derive(Debug)]
pub(super) struct DeviceMemory;

// SAFETY: memory comes from frames taken for this alone, zeroed and mapped; its physical address
// is its offset in the map of physical memory.
unsafe impl Hal for DeviceMemory {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // The crate takes physical address 0 for a failure.
        allocate(pages).unwrap_or((0, NonNull::dangling()))
    }

    unsafe fn dma_dealloc(physical: PhysAddr, _: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { free(physical, pages) };
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, size: usize) -> NonNull<u8> {
        let mapped = physical >= DEVICES_START && physical + size as u64 <= DEVICES_END;
        assert!(mapped, "the firmware puts device registers below 4 GiB");
        let source = SOURCE.get().borrow();
        let map = source.as_ref().map(|source| source.map);
        let address = map.and_then(|map| NonNull::new(map.address(physical)));
        address.expect("devices are set up after their memory")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        let address = buffer.cast::<u8>().as_ptr() as u64;
        let shared = (DIRECT_MAP..HEAP).contains(&address);
        assert!(shared, "buffers for devices are `Buffers`");
        address - DIRECT_MAP
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// Buffers of equal size for a device to fill or to empty.
#[derive(Debug)]
pub(super) struct Buffers {
    physical: PhysAddr,
    memory: NonNull<u8>,
    pages: usize,
    /// Bytes of one buffer.
    size: usize,
    count: usize,
}

impl Buffers {
    /// `count` buffers of `size` bytes, zeroed; `None` when there is no such run of frames.
    pub(super) fn new(count: usize, size: usize) -> Option<Buffers> {
        let pages = (count * size).div_ceil(PAGE_SIZE);
        let (physical, memory) = allocate(pages)?;
        Some(Buffers { physical, memory, pages, size, count })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of each.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The content of a buffer; the device must not have it.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        // SAFETY: the buffer lies within the memory, which was initialised; the ring, which owns
        // these buffers, asks for those only that the device does not have.
        unsafe { core::slice::from_raw_parts(self.start_of(index), self.size) }
    }

    /// The content of a buffer; the device must not have it.
    pub(super) fn get_mut(&mut self, index: usize) -> &mut [u8] {
        // SAFETY: as in `get`.
        unsafe { core::slice::from_raw_parts_mut(self.start_of(index), self.size) }
    }

    fn start_of(&self, index: usize) -> *mut u8 {
        assert!(index < self.count, "there are {} buffers", self.count);
        // SAFETY: the buffer lies within the memory.
        unsafe { self.memory.as_ptr().add(index * self.size) }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: the owner has reset the device before it lets go of its buffers.
        unsafe { free(self.physical, self.pages) };
    }
}
