//! mmap(2) and munmap(2).

use alloc::vec::Vec;
use core::ops::Range;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{MapId, UserAddr};
use wayfarer_proto::linux::mman::{MAX_MAP_COUNT, MMAP_MIN_ADDRESS, MapFlags, Protection};

use super::address_space::{AddressSpace, MMAP_BASE, MappedFile, page_up};
use super::fault::{FaultOutcome, writes_file};
use super::page_range::{END_PAGE, PAGE, PageRange};
use super::region::{AccessKind, Backing, Region, RegionFlags};

/// What mmap(2) is asked for, its numbers already taken apart.
#[derive(Clone, Debug)]
pub struct MapRequest {
    /// Where, or where about.
    pub address: UserAddr,
    /// Bytes; rounded up to whole pages.
    pub length: u64,
    /// What the program may do there.
    pub protection: Protection,
    /// How.
    pub flags: MapFlags,
    /// What the memory holds at first. `None` for zeroes.
    pub file: Option<FileMapping>,
}

/// The file part of a [`MapRequest`].
#[derive(Clone, Debug)]
pub struct FileMapping {
    /// Which file.
    pub map: MapId,
    /// Byte of the file at the mapping's first; a multiple of the page size.
    pub offset: u64,
    /// Whether a shared mapping may write to the file: it was opened so.
    pub writable: bool,
    /// What to tell of it.
    pub file: MappedFile,
}

impl MapRequest {
    /// Takes the numbers of an mmap(2) of anonymous memory apart.
    ///
    /// # Errors
    /// EINVAL for protection bits that do not exist. Flags that do not exist are ignored, as
    /// Linux does for all but `MAP_SHARED_VALIDATE`.
    pub fn from_raw(
        address: UserAddr,
        length: u64,
        protection: u64,
        flags: u64,
    ) -> Result<Self, Errno> {
        Ok(Self {
            address,
            length,
            protection: protection_from_raw(protection)?,
            flags: MapFlags::from_bits_truncate(flags as u32),
            file: None,
        })
    }

    /// The pages wanted when the address is a demand.
    fn fixed_range(&self) -> Result<PageRange, Errno> {
        if !self.address.0.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if self.address.0 < MMAP_MIN_ADDRESS {
            return Err(Errno::EPERM);
        }
        PageRange::from_bytes(self.address, self.length).ok_or(Errno::ENOMEM)
    }

    /// The region's flags and what its pages hold at first.
    ///
    /// # Errors
    /// EINVAL without exactly one kind of sharing or for an odd offset; EACCES for a shared
    /// mapping that would write to a file that must not be written to; EOVERFLOW for an offset
    /// beyond every file.
    fn backing(&self) -> Result<(RegionFlags, Backing), Errno> {
        let shared = self.flags.contains(MapFlags::SHARED);
        let private = self.flags.contains(MapFlags::PRIVATE);
        if !shared && !private {
            return Err(Errno::EINVAL);
        }
        let grows = self.flags.contains(MapFlags::GROWS_DOWN);
        let Some(file) = &self.file else {
            // What is shared is a file, be it one without a name.
            if shared {
                return Err(Errno::EINVAL);
            }
            let mut flags = RegionFlags::empty();
            flags.set(RegionFlags::GROWS_DOWN, grows);
            return Ok((flags, Backing::Anonymous));
        };
        if !file.offset.is_multiple_of(PAGE) || grows {
            return Err(Errno::EINVAL);
        }
        if file.offset.checked_add(self.length).is_none() {
            return Err(Errno::EOVERFLOW);
        }
        if shared && !file.writable && self.protection.contains(Protection::WRITE) {
            return Err(Errno::EACCES);
        }
        let mut flags = RegionFlags::empty();
        flags.set(RegionFlags::SHARED, shared);
        flags.set(RegionFlags::SEALED, shared && !file.writable);
        Ok((flags, Backing::File { map: file.map, page: file.offset / PAGE }))
    }
}

/// Takes the protection argument of mmap(2) or mprotect(2) apart. The bits beside the three that
/// permit something (`PROT_SEM` of other machines) mean nothing on x86-64.
///
/// # Errors
/// EINVAL for bits Linux does not know.
pub fn protection_from_raw(raw: u64) -> Result<Protection, Errno> {
    const PROT_SEM: u32 = 8;
    let bits = u32::try_from(raw).map_err(|_| Errno::EINVAL)?;
    Protection::from_bits(bits & !PROT_SEM).ok_or(Errno::EINVAL)
}

impl AddressSpace {
    /// Maps memory (mmap(2)) and returns where.
    ///
    /// A file's [`MapId`] is kept until the last region that shows it is gone: see
    /// [`AddressSpace::take_released_files`].
    ///
    /// # Errors
    /// Those of mmap(2): EINVAL, ENOMEM, EEXIST, EPERM (below `vm.mmap_min_addr`), EOVERFLOW,
    /// EOPNOTSUPP (flags under `MAP_SHARED_VALIDATE`), EACCES (see [`FileMapping::writable`]).
    pub fn map(&mut self, request: &MapRequest) -> Result<UserAddr, Errno> {
        if request.length == 0 {
            return Err(Errno::EINVAL);
        }
        if request.flags.contains(MapFlags::HUGE_TLB) {
            return Err(Errno::ENOMEM);
        }
        if request.flags.contains(MapFlags::SHARED | MapFlags::PRIVATE | MapFlags::SYNC) {
            return Err(Errno::ENOTSUP);
        }
        let length = page_up(request.length).ok_or(Errno::ENOMEM)?;
        let (flags, backing) = request.backing()?;
        self.check_amount(request, length / PAGE)?;
        let range = self.place(request, length / PAGE)?;
        self.unmap_range(range);
        let region = Region { range, protection: request.protection, flags, backing };
        if let Some(file) = &request.file {
            self.files.insert(file.map, file.file.clone());
        }
        self.regions.insert(region);
        if request.flags.intersects(MapFlags::POPULATE | MapFlags::LOCKED) {
            self.populate(range);
        }
        Ok(range.start_address())
    }

    /// Unmaps memory (munmap(2)); where there is none, nothing happens.
    ///
    /// # Errors
    /// EINVAL for an odd address, no length, or a range beyond user space; ENOMEM when a region
    /// would have to be cut and there are too many.
    pub fn unmap(&mut self, address: UserAddr, length: u64) -> Result<(), Errno> {
        let range = PageRange::from_bytes(address, length).ok_or(Errno::EINVAL)?;
        self.check_count()?;
        self.unmap_range(range);
        Ok(())
    }

    /// Removes regions and pages of a range; returns what the regions were.
    pub(super) fn unmap_range(&mut self, range: PageRange) -> Vec<Region> {
        let removed = self.regions.remove(range);
        for region in &removed {
            self.drop_pages(region.range);
        }
        removed
    }

    /// Whether stores to memory can change this file.
    pub fn writes_file(&self, map: MapId) -> bool {
        self.regions.iter().any(|region| match region.backing {
            Backing::File { map: shown, .. } => shown == map && writes_file(region),
            _ => false,
        })
    }

    /// Takes away what is shown of a file's pages that are no more, private copies included, as
    /// truncate(2) does on Linux. The next access asks for the page again.
    pub fn drop_file_pages(&mut self, map: MapId, pages: Range<u64>) {
        let gone = |region: &Region| {
            let Backing::File { map: shown, page } = region.backing else { return None };
            let first = pages.start.max(page).checked_sub(page)?;
            let end = pages.end.checked_sub(page)?.min(region.range.pages());
            let start = region.range.first();
            let all = PageRange::new(start.checked_add(first)?, start.checked_add(end)?)?;
            (shown == map).then_some(all)
        };
        let ranges: Vec<PageRange> = self.regions.iter().filter_map(gone).collect();
        for range in ranges {
            self.drop_pages(range);
        }
    }

    /// Refuses when there could be too many regions after one more operation.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn check_count(&self) -> Result<(), Errno> {
        if self.regions.len() + 2 > MAX_MAP_COUNT { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    fn check_amount(&self, request: &MapRequest, pages: u64) -> Result<(), Errno> {
        let counted = request.protection.contains(Protection::WRITE)
            && !request.flags.contains(MapFlags::NO_RESERVE);
        if counted && self.is_overcommit(pages) {
            return Err(Errno::ENOMEM);
        }
        self.check_count()
    }

    /// Finds the place for a mapping.
    fn place(&self, request: &MapRequest, pages: u64) -> Result<PageRange, Errno> {
        if request.flags.contains(MapFlags::FIXED_NOREPLACE) {
            let range = request.fixed_range()?;
            return if self.regions.is_free(range) { Ok(range) } else { Err(Errno::EEXIST) };
        }
        if request.flags.contains(MapFlags::FIXED) {
            return request.fixed_range();
        }
        self.place_at_hint(request.address, pages)
            .or_else(|| self.place_anywhere(request.flags, pages))
            .ok_or(Errno::ENOMEM)
    }

    /// The place at a hint, if there is a hint and the place is free.
    fn place_at_hint(&self, hint: UserAddr, pages: u64) -> Option<PageRange> {
        let first = page_up(hint.0)? / PAGE;
        let range = PageRange::new(first, first.checked_add(pages)?)?;
        let allowed = !hint.is_null() && range.start_address().0 >= MMAP_MIN_ADDRESS;
        let clear_of_stack = self
            .regions
            .find_from(range.end())
            .is_none_or(|above| above.guarded_first() >= range.end());
        (allowed && clear_of_stack && self.regions.is_free(range)).then_some(range)
    }

    /// The highest free place below the stack, or failing that the lowest above it all.
    pub(super) fn place_anywhere(&self, flags: MapFlags, pages: u64) -> Option<PageRange> {
        const LOW_2_GIB_FIRST: u64 = (1 << 30) / PAGE;
        const LOW_2_GIB_END: u64 = (2 << 30) / PAGE;
        if flags.contains(MapFlags::LOW_2_GIB) {
            return self.regions.lowest_gap(pages, LOW_2_GIB_FIRST, LOW_2_GIB_END);
        }
        let base = MMAP_BASE.0 / PAGE;
        self.regions
            .highest_gap(pages, MMAP_MIN_ADDRESS / PAGE, base)
            .or_else(|| self.regions.lowest_gap(pages, base, END_PAGE))
    }

    /// Faults pages in that need nothing from elsewhere. Best effort, as mmap(2) says of
    /// `MAP_POPULATE`.
    fn populate(&mut self, range: PageRange) {
        let Some(region) = self.regions.find(range.first()) else { return };
        let writable = region.permits(AccessKind::Write);
        let kind = if writable { AccessKind::Write } else { AccessKind::Read };
        for page in range.first()..range.end() {
            if self.fault(UserAddr(page * PAGE), kind) != FaultOutcome::Resolved {
                break;
            }
        }
    }
}
