//! mprotect(2), madvise(2) and mincore(2).

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::mman::{
    MADV_COLD, MADV_DODUMP, MADV_DOFORK, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE, MADV_KEEPONFORK,
    MADV_MERGEABLE, MADV_NORMAL, MADV_PAGEOUT, MADV_WILLNEED, MADV_WIPEONFORK, Protection,
};

use super::address_space::{AddressSpace, page_up};
use super::page_range::{PAGE, PageRange, user_page};
use super::region::{AccessKind, Backing, Region, RegionFlags};

impl AddressSpace {
    /// Changes what the program may do with memory (mprotect(2)). As on Linux, what lies before
    /// an error is changed.
    ///
    /// # Errors
    /// EINVAL for an odd address, ENOMEM where nothing is mapped or when there are too many
    /// regions, EACCES for writing to a shared mapping of a file.
    pub fn protect(
        &mut self,
        address: UserAddr,
        length: u64,
        protection: Protection,
    ) -> Result<(), Errno> {
        let Some(range) = advised_range(address, length)? else { return Ok(()) };
        self.check_count()?;
        let mut result = Ok(());
        let mut range = range;
        if let Some(hole) = self.regions.first_hole(range) {
            let Some(before) = PageRange::new(range.first(), hole) else {
                return Err(Errno::ENOMEM);
            };
            (range, result) = (before, Err(Errno::ENOMEM));
        }
        if protection.contains(Protection::WRITE)
            && let Some(file) = self.regions.overlapping(range).find(|region| is_sealed(region))
        {
            let refused = file.range.first();
            let Some(before) = PageRange::new(range.first(), refused) else {
                return Err(Errno::EACCES);
            };
            (range, result) = (before, Err(Errno::EACCES));
        }
        self.protect_range(range, protection);
        result
    }

    /// Changes the protection of a range without holes.
    fn protect_range(&mut self, range: PageRange, protection: Protection) {
        self.regions.update(range, |region| region.protection = protection);
        let touched: Vec<Region> =
            self.regions.overlapping(range).filter_map(|region| region.part(range)).collect();
        for region in &touched {
            self.apply_protection(region);
        }
    }

    /// Takes advice (madvise(2)). Advice that changes nothing a program can see is accepted and
    /// does nothing.
    ///
    /// # Errors
    /// EINVAL for an odd address or advice not known, ENOMEM where nothing is mapped (the rest of
    /// the range has been advised).
    pub fn advise(&mut self, address: UserAddr, length: u64, advice: u64) -> Result<(), Errno> {
        let change: fn(&mut Self, PageRange) = match advice {
            MADV_NORMAL..=MADV_WILLNEED
            | MADV_FREE
            | MADV_MERGEABLE..=MADV_DODUMP
            | MADV_COLD
            | MADV_PAGEOUT => |_, _| {},
            MADV_DONTNEED => Self::drop_pages,
            MADV_DONTFORK => |space, range| space.set_flag(range, RegionFlags::OMIT_ON_FORK, true),
            MADV_DOFORK => |space, range| space.set_flag(range, RegionFlags::OMIT_ON_FORK, false),
            MADV_WIPEONFORK => {
                |space, range| space.set_flag(range, RegionFlags::WIPE_ON_FORK, true)
            }
            MADV_KEEPONFORK => {
                |space, range| space.set_flag(range, RegionFlags::WIPE_ON_FORK, false)
            }
            _ => return Err(Errno::EINVAL),
        };
        let Some(range) = advised_range(address, length)? else { return Ok(()) };
        self.check_count()?;
        let private = |region: &Region| matches!(region.backing, Backing::Anonymous);
        if matches!(advice, MADV_WIPEONFORK | MADV_FREE)
            && !self.regions.overlapping(range).all(private)
        {
            return Err(Errno::EINVAL);
        }
        let parts: Vec<PageRange> = self
            .regions
            .overlapping(range)
            .filter_map(|region| region.range.intersection(range))
            .collect();
        let hole = self.regions.first_hole(range).is_some();
        for part in parts {
            change(self, part);
        }
        if hole { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    fn set_flag(&mut self, range: PageRange, flag: RegionFlags, on: bool) {
        self.regions.update(range, |region| region.flags.set(flag, on));
    }

    /// Whether the program may access the page of an address so.
    pub fn permits(&self, address: UserAddr, kind: AccessKind) -> bool {
        self.regions.find(address.0 / PAGE).is_some_and(|region| region.permits(kind))
    }

    /// Fails unless all of a range is mapped.
    ///
    /// # Errors
    /// EINVAL for an odd address, ENOMEM where nothing is mapped.
    pub fn check_mapped(&self, address: UserAddr, length: u64) -> Result<(), Errno> {
        match advised_range(address, length)? {
            Some(range) if self.regions.first_hole(range).is_some() => Err(Errno::ENOMEM),
            _ => Ok(()),
        }
    }

    /// One byte for each page, 1 if it is in memory (mincore(2)).
    ///
    /// # Errors
    /// EINVAL for an odd address, ENOMEM where nothing is mapped.
    pub fn resident_map(&self, address: UserAddr, length: u64) -> Result<Vec<u8>, Errno> {
        let Some(range) = advised_range(address, length)? else { return Ok(Vec::new()) };
        if self.regions.first_hole(range).is_some() {
            return Err(Errno::ENOMEM);
        }
        let present = |page| u8::from(self.table.lookup(user_page(page)).is_some());
        Ok((range.first()..range.end()).map(present).collect())
    }
}

/// Whether a region can never become writable.
fn is_sealed(region: &Region) -> bool {
    region.flags.contains(RegionFlags::SEALED)
}

/// The pages of a range given by address and length; `None` for no length at all.
fn advised_range(address: UserAddr, length: u64) -> Result<Option<PageRange>, Errno> {
    if !address.0.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    let length = page_up(length).ok_or(Errno::ENOMEM)?;
    if length == 0 {
        return Ok(None);
    }
    PageRange::from_bytes(address, length).map(Some).ok_or(Errno::ENOMEM)
}
