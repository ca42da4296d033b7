//! mremap(2): mappings that grow, shrink or move.

use wayfarer_machine::OutOfFrames;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::mman::{MMAP_MIN_ADDRESS, MapFlags, RemapFlags};

use super::address_space::{AddressSpace, page_up};
use super::page_range::{PAGE, PageRange, user_page};
use super::region::Region;

impl AddressSpace {
    /// Resizes or moves a mapping (mremap(2)); returns where it is afterwards. `new_address` means
    /// something with [`RemapFlags::FIXED`] only.
    ///
    /// # Errors
    /// EINVAL for odd or overlapping arguments, a length of 0 (doubling a shared mapping included)
    /// and `MREMAP_DONTUNMAP` of what is not private; EFAULT when the old range is not of one
    /// region; ENOMEM when there is no room or no frame. After ENOMEM the mapping is as it was.
    pub fn remap(
        &mut self,
        old_address: UserAddr,
        old_length: u64,
        new_length: u64,
        flags: RemapFlags,
        new_address: UserAddr,
    ) -> Result<UserAddr, Errno> {
        let fixed = flags.contains(RemapFlags::FIXED);
        let may_move = flags.contains(RemapFlags::MAY_MOVE);
        let leaves = flags.contains(RemapFlags::DONT_UNMAP);
        if (fixed || leaves) && !may_move {
            return Err(Errno::EINVAL);
        }
        let old = PageRange::from_bytes(old_address, old_length).ok_or(Errno::EINVAL)?;
        let pages = page_up(new_length).ok_or(Errno::EINVAL)? / PAGE;
        if pages == 0 {
            return Err(Errno::EINVAL);
        }
        self.check_count()?;
        if leaves && (pages != old.pages() || self.one_region(old)?.is_shared()) {
            return Err(Errno::EINVAL);
        }
        if fixed {
            return self.remap_to(old, pages, new_address, leaves);
        }
        if leaves {
            let target = self.place_anywhere(MapFlags::empty(), pages).ok_or(Errno::ENOMEM)?;
            return self.relocate(old, target, true);
        }
        if pages <= old.pages() {
            self.regions.find(old.first()).ok_or(Errno::EFAULT)?;
            if let Some(rest) = PageRange::new(old.first() + pages, old.end()) {
                self.unmap_range(rest);
            }
            return Ok(old_address);
        }
        self.one_region(old)?;
        if self.is_overcommit(pages) {
            return Err(Errno::ENOMEM);
        }
        if self.grow_in_place(old, pages) {
            return Ok(old_address);
        }
        if !may_move {
            return Err(Errno::ENOMEM);
        }
        let target = self.place_anywhere(MapFlags::empty(), pages).ok_or(Errno::ENOMEM)?;
        self.relocate(old, target, false)
    }

    /// The region of which `range` is a part.
    fn one_region(&self, range: PageRange) -> Result<&Region, Errno> {
        let region = self.regions.find(range.first()).ok_or(Errno::EFAULT)?;
        if region.range.end() < range.end() { Err(Errno::EFAULT) } else { Ok(region) }
    }

    /// Moves to an address that is a demand, replacing what is there.
    fn remap_to(
        &mut self,
        old: PageRange,
        pages: u64,
        address: UserAddr,
        leaves: bool,
    ) -> Result<UserAddr, Errno> {
        let bytes = pages.checked_mul(PAGE).ok_or(Errno::EINVAL)?;
        let target = PageRange::from_bytes(address, bytes).ok_or(Errno::EINVAL)?;
        if target.intersection(old).is_some() {
            return Err(Errno::EINVAL);
        }
        if address.0 < MMAP_MIN_ADDRESS {
            return Err(Errno::EPERM);
        }
        self.one_region(old)?;
        if pages > old.pages() && self.is_overcommit(pages) {
            return Err(Errno::ENOMEM);
        }
        self.unmap_range(target);
        let mut kept = old;
        if let Some(rest) = PageRange::new(old.first() + pages, old.end()) {
            self.unmap_range(rest);
            kept = PageRange::new(old.first(), rest.first()).ok_or(Errno::EINVAL)?;
        }
        self.relocate(kept, target, leaves)
    }

    /// Extends a range that ends its region to `pages` pages, if nothing is in the way.
    fn grow_in_place(&mut self, old: PageRange, pages: u64) -> bool {
        let Some(more) = PageRange::new(old.end(), old.first().saturating_add(pages)) else {
            return false;
        };
        let clear_of_stack = self
            .regions
            .find_from(more.end())
            .is_none_or(|above| above.guarded_first() >= more.end());
        let Some(region) = self.regions.find(old.first()) else { return false };
        if region.range.end() != old.end() || !clear_of_stack || !self.regions.is_free(more) {
            return false;
        }
        let grown = region.stretched(old.end(), more);
        self.regions.insert(grown);
        true
    }

    /// Moves the pages of `old`, which is part of one region, to the beginning of `target`, which
    /// is free and at least as long. With `leaves` an empty mapping stays behind.
    fn relocate(
        &mut self,
        old: PageRange,
        target: PageRange,
        leaves: bool,
    ) -> Result<UserAddr, Errno> {
        let before = self.one_region(old)?;
        let region = before.stretched(old.first(), target);
        let left = before.part(old).filter(|_| leaves);
        if self.show_again(old, target, &region).is_err() {
            self.drop_pages(target);
            return Err(Errno::ENOMEM);
        }
        self.unmap_range(old);
        self.apply_protection(&region);
        self.regions.insert(region);
        if let Some(left) = left {
            self.regions.insert(left);
        }
        Ok(target.start_address())
    }

    /// Shows the pages of `old` at `target` too, read only for the moment.
    fn show_again(
        &mut self,
        old: PageRange,
        target: PageRange,
        region: &Region,
    ) -> Result<(), OutOfFrames> {
        let mut from = old.first();
        while from < old.end()
            && let Some((page, mapping)) = self.table.next_present(user_page(from))
            && page.number() < old.end()
        {
            let moved = target.first() + (page.number() - old.first());
            self.show(moved, mapping.frame, region, false)?;
            if self.clean.contains(page.number()) {
                self.clean.insert(moved);
            }
            from = page.number() + 1;
        }
        Ok(())
    }
}
