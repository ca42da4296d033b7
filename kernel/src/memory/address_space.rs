//! The address space itself: what it is made of, and the few ways a page changes.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use wayfarer_machine::{Frame, MapError, OutOfFrames, PageTable};
use wayfarer_proto::id::{MapId, NodeId, UserAddr};
use wayfarer_proto::sorted::{SortedMap, SortedSet};

use super::ages::Ages;
use super::coherent::Attachment;
use super::futex::SpaceId;
use super::page_range::{END_PAGE, PAGE, PageRange, user_page};
use super::page_set::PageSet;
use super::region::{Backing, Region};
use super::region_map::RegionMap;
use super::source::MemorySource;

/// `RLIMIT_STACK` of a new program, bytes.
pub const STACK_LIMIT: u64 = 8 << 20;

/// Where placement of mappings begins, downwards: 128 MiB below the end of user space, as Linux
/// has it for a stack limit of 8 MiB when addresses are not randomised (`mmap_base()` in
/// `arch/x86/mm/mmap.c`).
pub const MMAP_BASE: UserAddr = UserAddr(UserAddr::END.0 - (128 << 20));

/// What is known of a mapped file, for `/proc/PID/maps`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MappedFile {
    /// Its path when it was mapped.
    pub path: String,
    /// Major and minor number of its device.
    pub device: (u32, u32),
    /// Its inode number.
    pub inode: u64,
}

/// The places of an address space that have a meaning of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Where the heap begins.
    pub heap_start: UserAddr,
    /// Where it ends: the program break.
    pub heap_end: UserAddr,
    /// An address in the main stack: the first stack pointer.
    pub stack: UserAddr,
    /// How far the stack may grow, bytes.
    pub stack_limit: u64,
}

/// An address space: regions, and a page table that holds what has been used of them.
///
/// Of a page the table says one of four things:
///
/// 1. nothing: it was never used; its region tells what it would hold;
/// 2. read only in a private region: its frame may be shared (the zero frame, a relative after
///    fork, a cache of the file), and a store first makes a copy;
/// 3. writable: in a private region the frame is owned by this page alone;
/// 4. hidden: `PROT_NONE` over a page that keeps its content.
///
/// So the software copies and the processor agree on what an access needs: what the table allows
/// is done, everything else goes through [`AddressSpace::fault`].
#[derive(Debug)]
pub struct AddressSpace {
    id: SpaceId,
    pub(super) source: MemorySource,
    pub(super) table: PageTable,
    pub(super) regions: RegionMap,
    pub(super) layout: Layout,
    pub(super) files: SortedMap<MapId, MappedFile>,
    /// Present pages of file regions that hold what the file held when they were read. Never
    /// writable in the table: that is how a store is noticed.
    pub(super) clean: PageSet,
    /// What mapped files of another node held when they were paged in from last.
    pub(super) contents: SortedMap<MapId, u64>,
    /// The home of the body, if that is another node.
    pub(super) guest_of: Option<NodeId>,
    /// Files of another node that it shows copies of.
    pub(super) attached: SortedMap<MapId, Attachment>,
    /// How old the pages are that came with an image.
    pub(super) ages: Ages,
    /// Pages present that have a frame of their own, or share one that is not the zero frame.
    resident: usize,
    /// The pages before this one have been [shed](Self::shed).
    pub(super) shed_to: u64,
}

impl AddressSpace {
    /// An empty address space.
    ///
    /// # Errors
    /// [`OutOfFrames`] when there is none for its page table.
    pub fn new(source: &MemorySource) -> Result<Self, OutOfFrames> {
        Ok(Self {
            id: source.next_id(),
            source: source.clone(),
            table: PageTable::new(source.pool(), source.kernel_half())?,
            regions: RegionMap::default(),
            layout: Layout {
                heap_start: UserAddr::NULL,
                heap_end: UserAddr::NULL,
                stack: UserAddr::NULL,
                stack_limit: STACK_LIMIT,
            },
            files: SortedMap::new(),
            clean: PageSet::default(),
            contents: SortedMap::new(),
            guest_of: None,
            attached: SortedMap::new(),
            ages: Ages::default(),
            resident: 0,
            shed_to: 0,
        })
    }

    /// Its identity on this node.
    pub fn id(&self) -> SpaceId {
        self.id
    }

    /// The page table, for the processor to run on.
    pub fn page_table(&self) -> &PageTable {
        &self.table
    }

    /// Its regions in order of address.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter()
    }

    /// Whether another process may see stores to it, or has made some that it sees.
    pub fn is_shared(&self) -> bool {
        self.regions.iter().any(Region::is_coherent)
    }

    /// Where heap and stack are.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Changes how far the stack may grow (`RLIMIT_STACK`), bytes.
    pub fn set_stack_limit(&mut self, bytes: u64) {
        self.layout.stack_limit = bytes;
    }

    /// Pages in memory, shared ones counted (`VmRSS`).
    pub fn resident_pages(&self) -> usize {
        self.resident
    }

    /// Pages of all regions (`VmSize`).
    pub fn mapped_pages(&self) -> u64 {
        self.regions.iter().map(|region| region.range.pages()).sum()
    }

    /// The files that no region shows any more, each told once: home may close them.
    pub fn take_released_files(&mut self) -> Vec<MapId> {
        let used: SortedSet<MapId> = self
            .regions
            .iter()
            .filter_map(|region| match region.backing {
                Backing::File { map, .. } => Some(map),
                _ => None,
            })
            .collect();
        let released: Vec<MapId> =
            self.files.keys().copied().filter(|map| !used.contains(map)).collect();
        for map in &released {
            self.files.remove(map);
        }
        released
    }

    /// Shows `frame` at a page of `region`: writable if the region and `writable` say so.
    pub(super) fn show(
        &mut self,
        page: u64,
        frame: Frame,
        region: &Region,
        writable: bool,
    ) -> Result<(), OutOfFrames> {
        let counts = usize::from(!self.source.is_zero(&frame));
        let old = self.table.map(user_page(page), frame, region.access(writable))?;
        self.ages.forget(page);
        let counted = old.is_some_and(|frame| !self.source.is_zero(&frame));
        self.resident = self.resident + counts - usize::from(counted);
        if region.protection.is_empty() {
            self.table.hide(user_page(page));
        }
        Ok(())
    }

    /// Shows frames from `first` on, at pages of `region` that show nothing yet and of which nobody
    /// knows the age: writable if the region says so and nobody else has the frame.
    pub(super) fn show_run(
        &mut self,
        first: u64,
        frames: impl ExactSizeIterator<Item = Frame>,
        region: &Region,
    ) -> Result<(), MapError> {
        let end = first + frames.len() as u64;
        let (zero, mut counted) = (self.source.zero_number(), 0);
        let shown = frames.map(|frame| {
            counted += usize::from(frame.number() != zero);
            let owned = !frame.is_shared();
            (frame, region.access(owned))
        });
        let mapped = self.table.map_run(user_page(first), shown);
        self.resident += counted;
        if region.protection.is_empty() {
            for page in first..end {
                self.table.hide(user_page(page));
            }
        }
        mapped
    }

    /// Takes what the table shows in `range` away; returns nothing, the frames go home.
    pub(super) fn drop_pages(&mut self, range: PageRange) {
        self.take_frames(range, |_, frame| drop(frame));
        self.clean.remove_range(range.first(), range.end());
        self.ages.forget_range(range.first(), range.end());
    }

    /// Keeps its name and the pages that are its own and forgets the rest: nobody runs in it again.
    pub fn retire(&mut self) {
        let shared = self.regions.iter().filter(|region| region.is_shared());
        let shared = shared.map(|region| (region.range.first(), region.range.end()));
        let others: Vec<(u64, u64)> = shared.chain(self.clean.ranges()).collect();
        for range in others.into_iter().filter_map(|(first, end)| PageRange::new(first, end)) {
            self.drop_pages(range);
        }
        self.regions = RegionMap::default();
        self.files.clear();
        self.contents.clear();
        self.ages.forget_range(0, END_PAGE);
    }

    /// Takes the frames of pages away, for another address space or for none.
    pub(super) fn take_frames(&mut self, pages: PageRange, mut taken: impl FnMut(u64, Frame)) {
        self.take_some(pages, usize::MAX, &mut taken);
    }

    /// The same for so many at most; the page after the last one, if there may be more.
    pub(super) fn take_some(
        &mut self,
        pages: PageRange,
        most: usize,
        taken: &mut dyn FnMut(u64, Frame),
    ) -> Option<u64> {
        let (zero, mut left, mut counted, mut next) = (self.source.zero_number(), most, 0, 0);
        let range = pages.first()..pages.end();
        let ended = self.table.unmap_range(range, |page, frame| {
            counted += usize::from(frame.number() != zero);
            (left, next) = (left - 1, page.number() + 1);
            taken(page.number(), frame);
            if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        self.resident -= counted;
        ended.is_break().then_some(next)
    }

    /// Applies the protection of `region` to those of its pages that are present. Stores are
    /// allowed at once only where no copy is due.
    pub(super) fn apply_protection(&mut self, region: &Region) {
        let mut from = region.range.first();
        while from < region.range.end()
            && let Some((page, mapping)) = self.table.next_present(user_page(from))
            && page.number() < region.range.end()
        {
            let owned = if self.shows_copies(region) {
                false
            } else {
                region.is_shared() || (!mapping.shared && !self.clean.contains(page.number()))
            };
            drop(mapping);
            self.table.protect(page, region.access(owned));
            if region.protection.is_empty() {
                self.table.hide(page);
            }
            from = page.number() + 1;
        }
    }

    /// Whether a request for this many more pages of private memory is beyond all reason: the
    /// heuristic of `vm.overcommit_memory` 0, which refuses what exceeds the whole machine.
    pub(super) fn is_overcommit(&self, pages: u64) -> bool {
        pages > self.source.pool().counts().total as u64
    }
}

/// Rounds an address or length up to a whole page; `None` on overflow.
pub fn page_up(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(PAGE)
}
