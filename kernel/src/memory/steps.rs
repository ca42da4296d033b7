//! Operations on many pages in steps, so that no task holds the processor for long (decision D2).
//!
//! Between two steps others see the operation half done, as they would on Linux with another
//! processor; what must not be seen so is decided before the first step.

use core::ops::ControlFlow;

use wayfarer_proto::id::UserAddr;

use super::address_space::{AddressSpace, page_up};
use super::page_range::{END_PAGE, PAGE, PageRange};

/// Present pages that one step touches at most.
pub(super) const STEP_PAGES: usize = 64;

/// Present pages that one step looks at.
pub(super) const SURVEY_PAGES: usize = 512;

impl AddressSpace {
    /// How many of the `length` bytes at `address` an operation on pages may do in one step. All
    /// of them where they are no range of pages: the operation has an error to give then.
    pub fn step(&self, address: UserAddr, length: u64) -> u64 {
        let range = page_up(length).and_then(|length| PageRange::from_bytes(address, length));
        let Some(range) = range else { return length };
        let end = self.step_end(range);
        if end == range.end() { length } else { (end - range.first()) * PAGE }
    }

    /// The page after those of `range` that one step may touch.
    fn step_end(&self, range: PageRange) -> u64 {
        let (mut left, mut end) = (STEP_PAGES, range.end());
        let _ = self.table.visit(range.first()..range.end(), |present| {
            left -= 1;
            if left > 0 {
                return ControlFlow::Continue(());
            }
            end = present.page().number() + 1;
            ControlFlow::Break(())
        });
        end
    }

    /// Gives up some of the pages of an address space that nobody runs in any more. Says whether
    /// there may be more.
    pub fn shed(&mut self) -> bool {
        // Tables stay when their pages go: they need not be looked through again.
        let Some(rest) = PageRange::new(self.shed_to, END_PAGE) else { return false };
        let shed_to = self.take_some(rest, STEP_PAGES, &mut |_, frame| drop(frame));
        self.shed_to = shed_to.unwrap_or(END_PAGE);
        shed_to.is_some()
    }
}
