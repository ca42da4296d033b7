//! fork(2): a second address space with the same content, sharing every frame until a store.

use wayfarer_machine::OutOfFrames;

use super::address_space::AddressSpace;
use super::page_range::{PageRange, user_page};
use super::region::{Backing, Region, RegionFlags};
use super::steps::STEP_PAGES;

/// What part of the node's memory a fork(2) leaves for the pages that processes, and the children
/// that have not run yet, are about to write.
const RESERVE_DIVISOR: usize = 32;

/// How far a fork has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForkStep {
    /// To this page.
    At(u64),
    /// To the end.
    Done,
}

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
        let mut child = self.begin_fork()?;
        let mut step = ForkStep::At(0);
        while let ForkStep::At(page) = step {
            step = self.fork_step(&mut child, page)?;
        }
        Ok(child)
    }

    /// The address space of a child, empty at first. The caller goes on with
    /// [`fork_step`](Self::fork_step), from page 0.
    ///
    /// # Errors
    /// As [`fork`](Self::fork), and when so little is free that those who run would soon be ended
    /// for want of memory: a refused fork(2) is an error that a program expects.
    pub fn begin_fork(&self) -> Result<Self, OutOfFrames> {
        let pool = self.source.pool();
        if !pool.has_available(pool.counts().total / RESERVE_DIVISOR) {
            return Err(OutOfFrames);
        }
        let mut child = Self::new(&self.source)?;
        child.layout = self.layout;
        child.files.clone_from(&self.files);
        child.guest_of = self.guest_of;
        child.attached.clone_from(&self.attached);
        Ok(child)
    }

    /// Gives the child what there is from `page` on, as far as one step goes. Other threads of the
    /// parent may run between steps: the child has each page as it was at its step, as on Linux.
    ///
    /// # Errors
    /// As [`fork`](Self::fork).
    pub fn fork_step(&mut self, child: &mut Self, page: u64) -> Result<ForkStep, OutOfFrames> {
        let omitted = |region: &&Region| !region.flags.contains(RegionFlags::OMIT_ON_FORK);
        let Some(region) = self.regions.iter_from(page).find(omitted) else {
            return Ok(ForkStep::Done);
        };
        let first = page.max(region.range.first());
        let rest = PageRange::new(first, region.range.end()).and_then(|rest| region.part(rest));
        let Some(rest) = rest else { return Ok(ForkStep::Done) };
        if child.regions.is_free(rest.range) {
            child.regions.insert(rest.clone());
        }
        let wiped = rest.flags.contains(RegionFlags::WIPE_ON_FORK);
        if wiped || rest.is_shared() {
            return Ok(ForkStep::At(rest.range.end()));
        }
        self.share_pages(&rest, child).map(ForkStep::At)
    }

    /// Shows present pages of a private region in the child too; the page after those looked at.
    fn share_pages(&mut self, region: &Region, child: &mut Self) -> Result<u64, OutOfFrames> {
        let in_file = matches!(region.backing, Backing::File { .. });
        let mut from = region.range.first();
        for _ in 0..STEP_PAGES {
            let present = self.table.next_present(user_page(from));
            let present = present.filter(|(page, _)| page.number() < region.range.end());
            let Some((page, mapping)) = present else { return Ok(region.range.end()) };
            let number = page.number();
            // A region that changed meanwhile is the child's as it was when the fork came to it.
            if child.regions.find(number).is_some_and(|own| !own.is_shared()) {
                child.show(number, mapping.frame, region, false)?;
                if mapping.access.write {
                    self.table.protect(page, region.access(false));
                }
                if in_file && self.clean.contains(number) {
                    child.clean.insert(number);
                }
            }
            from = number + 1;
        }
        Ok(from)
    }
}
