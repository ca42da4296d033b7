//! fork(2): a second address space with the same content, sharing every frame until a store.

use alloc::vec::Vec;

use wayfarer_machine::OutOfFrames;

use super::address_space::AddressSpace;
use super::page_range::user_page;
use super::region::{Backing, Region, RegionFlags};

impl AddressSpace {
    /// The address space of a child.
    ///
    /// Private pages become read only on both sides, so that the first store to one makes a copy;
    /// shared objects are shown by both. Regions advised so are empty or absent in the child. The
    /// names of mapped files stay valid: both processes have one home.
    ///
    /// # Errors
    /// [`OutOfFrames`] when there are none for the child's page table. This address space is then
    /// as it was, except that stores may fault once more.
    pub fn fork(&mut self) -> Result<Self, OutOfFrames> {
        let mut child = Self::new(&self.source)?;
        child.layout = self.layout;
        child.files.clone_from(&self.files);
        let inherited: Vec<Region> = self
            .regions
            .iter()
            .filter(|region| !region.flags.contains(RegionFlags::OMIT_ON_FORK))
            .cloned()
            .collect();
        for region in inherited {
            let wiped = region.flags.contains(RegionFlags::WIPE_ON_FORK);
            if !wiped && !region.is_shared() {
                self.share_pages(&region, &mut child)?;
            }
            child.regions.insert(region);
        }
        Ok(child)
    }

    /// Shows the present pages of a private region in the child too.
    fn share_pages(&mut self, region: &Region, child: &mut Self) -> Result<(), OutOfFrames> {
        let in_file = matches!(region.backing, Backing::File { .. });
        let mut from = region.range.first();
        while from < region.range.end()
            && let Some((page, mapping)) = self.table.next_present(user_page(from))
            && page.number() < region.range.end()
        {
            let number = page.number();
            child.show(number, mapping.frame, region, false)?;
            if mapping.access.write {
                self.table.protect(page, region.access(false));
            }
            if in_file && self.clean.contains(number) {
                child.clean.insert(number);
            }
            from = number + 1;
        }
        Ok(())
    }
}
