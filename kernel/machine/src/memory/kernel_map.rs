//! The kernel's half of the address space.
//!
//! | from | what |
//! |---|---|
//! | `0xffff_8000_0000_0000` | all physical memory, and device registers, at their own offset |
//! | `0xffff_c000_0000_0000` | the heap, which grows |
//! | `0xffff_d000_0000_0000` | stacks, with a page of nothing below each |
//! | `0xffff_ffff_8020_0000` | the image: text read-execute, constants read, data read-write |
//!
//! The image is left out of the map of physical memory: text is writable nowhere.

use super::PAGE_SIZE;
use super::entry::{LEVELS, SLOTS, slot, span};
use super::page_table::KernelHalf;
use super::pool::OutOfFrames;

/// Where physical address 0 is mapped.
pub(crate) const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// Physical addresses beyond this one have no place in the map: the next window begins there.
pub(crate) const DIRECT_MAP_SIZE: u64 = HEAP - DIRECT_MAP;
/// Where the heap begins.
pub(crate) const HEAP: u64 = 0xffff_c000_0000_0000;
/// Where stacks begin.
pub(crate) const STACKS: u64 = 0xffff_d000_0000_0000;
/// What has to be added to a physical address of the image to get a virtual one.
pub(crate) const IMAGE_OFFSET: u64 = 0xffff_ffff_8000_0000;

/// Where device registers begin in physical memory: the addresses of PCI devices (on q35) come
/// first, then microvm's virtio devices. QEMU puts no RAM between here and 4 GiB.
pub(crate) const DEVICES_START: u64 = 0xc000_0000;
/// Where device registers, and the first 4 GiB, end.
pub(crate) const DEVICES_END: u64 = 1 << 32;

/// Bytes of a large page: an entry of a table of level 2.
pub(crate) const LARGE_PAGE: u64 = span(2) * PAGE_SIZE as u64;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const UNCACHED: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// How the kernel may use a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Code: read and execute.
    Text,
    /// Constants: read.
    Constants,
    /// Data: read and write.
    Data,
    /// Device registers: read and write, uncached.
    Registers,
}

impl Kind {
    fn bits(self) -> u64 {
        // The kernel has no use for accessed and dirty bits: set, they cost the processor nothing.
        let common = PRESENT | ACCESSED | DIRTY;
        common
            | match self {
                Kind::Text => 0,
                Kind::Constants => NO_EXECUTE,
                Kind::Data => WRITABLE | NO_EXECUTE,
                Kind::Registers => WRITABLE | NO_EXECUTE | WRITE_THROUGH | UNCACHED,
            }
    }
}

/// Where physical memory can be accessed. The zero-sized proof that it is mapped at all: there is
/// none on a host.
#[derive(Clone, Copy)]
pub(crate) struct DirectMap(());

impl DirectMap {
    /// # Safety
    ///
    /// The map must be in place (at first, the boot code's first 4 GiB), for ever.
    pub(crate) unsafe fn new() -> DirectMap {
        DirectMap(())
    }

    /// Where a physical address is mapped. Whether anything is there, the caller must know.
    pub(crate) fn address(self, physical: u64) -> *mut u8 {
        assert!(physical < DIRECT_MAP_SIZE, "physical addresses are below 64 TiB");
        (DIRECT_MAP + physical) as *mut u8
    }
}

/// A source of frames: yields physical addresses.
pub(crate) type FrameSource<'a> = &'a mut dyn FnMut() -> Result<u64, OutOfFrames>;

/// The kernel's own page table, whose upper half all others share.
pub(crate) struct KernelMap {
    root: u64,
    direct: DirectMap,
}

impl KernelMap {
    /// A table that maps nothing, but has all tables that entries of the top one may need, so that
    /// those entries never change.
    pub(crate) fn new(
        direct: DirectMap,
        frames: FrameSource<'_>,
    ) -> Result<KernelMap, OutOfFrames> {
        let mut map = KernelMap { root: 0, direct };
        map.root = map.new_table(frames)?;
        for window in [HEAP, STACKS, IMAGE_OFFSET] {
            map.table_below(map.root, slot(window >> 12, LEVELS), frames)?;
        }
        Ok(map)
    }

    /// The physical address of the top table.
    pub(crate) fn root(&self) -> u64 {
        self.root
    }

    /// Maps one page. What was mapped there before, if anything, is mapped no longer.
    pub(crate) fn map(
        &mut self,
        address: u64,
        physical: u64,
        kind: Kind,
        frames: FrameSource<'_>,
    ) -> Result<(), OutOfFrames> {
        self.map_at(1, address, physical | kind.bits(), frames)
    }

    /// Maps `bytes` (whole pages) that lie in one piece in physical memory.
    #[inline(never)]
    pub(crate) fn map_run(
        &mut self,
        address: u64,
        physical: u64,
        bytes: u64,
        kind: Kind,
        frames: FrameSource<'_>,
    ) -> Result<(), OutOfFrames> {
        for offset in (0..bytes).step_by(PAGE_SIZE) {
            self.map(address + offset, physical + offset, kind, frames)?;
        }
        Ok(())
    }

    /// Maps a range of physical memory in the map of all physical memory, in whole large pages.
    pub(crate) fn map_physical(
        &mut self,
        start: u64,
        end: u64,
        kind: Kind,
        frames: FrameSource<'_>,
    ) -> Result<(), OutOfFrames> {
        let end = end.min(DIRECT_MAP_SIZE);
        let mut physical = start / LARGE_PAGE * LARGE_PAGE;
        while physical < end {
            self.map_at(2, DIRECT_MAP + physical, physical | kind.bits() | LARGE, frames)?;
            physical += LARGE_PAGE;
        }
        Ok(())
    }

    /// The part all page tables share.
    pub(crate) fn half(&self) -> KernelHalf {
        let mut entries = [0; SLOTS / 2];
        for (index, entry) in entries.iter_mut().enumerate() {
            *entry = self.read(self.root, SLOTS / 2 + index);
        }
        KernelHalf::from_entries(entries)
    }

    /// Never inlined: each copy would be translated where the machine is emulated, and it is called
    /// from many places at boot.
    #[inline(never)]
    fn map_at(
        &mut self,
        level: u32,
        address: u64,
        entry: u64,
        frames: FrameSource<'_>,
    ) -> Result<(), OutOfFrames> {
        let page = (address & 0x0000_ffff_ffff_ffff) >> 12;
        let mut table = self.root;
        for above in (level + 1..=LEVELS).rev() {
            table = self.table_below(table, slot(page, above), frames)?;
        }
        self.write(table, slot(page, level), entry);
        Ok(())
    }

    /// The table an entry leads to, made if necessary.
    fn table_below(
        &mut self,
        table: u64,
        index: usize,
        frames: FrameSource<'_>,
    ) -> Result<u64, OutOfFrames> {
        let entry = self.read(table, index);
        if entry & PRESENT != 0 {
            return Ok(entry & ADDRESS);
        }
        let below = self.new_table(frames)?;
        self.write(table, index, below | PRESENT | WRITABLE | ACCESSED);
        Ok(below)
    }

    fn new_table(&self, frames: FrameSource<'_>) -> Result<u64, OutOfFrames> {
        let table = frames()?;
        // SAFETY: the frame is ours, mapped and this long.
        unsafe { super::bytes::fill(self.direct.address(table), 0, PAGE_SIZE) };
        Ok(table)
    }

    fn read(&self, table: u64, index: usize) -> u64 {
        assert!(index < SLOTS);
        // SAFETY: the table is one of ours, thus mapped, and the index lies within it.
        unsafe { self.direct.address(table).cast::<u64>().add(index).read_volatile() }
    }

    fn write(&mut self, table: u64, index: usize, entry: u64) {
        assert!(index < SLOTS);
        // SAFETY: as in `read`. Entries map the kernel's own memory or new windows only, see the
        // callers, so no reference anywhere changes its meaning.
        unsafe { self.direct.address(table).cast::<u64>().add(index).write_volatile(entry) };
    }
}
