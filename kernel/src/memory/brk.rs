//! brk(2): the heap that ends at the program break.

use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::mman::Protection;

use super::address_space::{AddressSpace, page_up};
use super::page_range::{PAGE, PageRange};
use super::region::{Backing, Region, RegionFlags};

impl AddressSpace {
    /// Moves the program break (brk(2), the system call): returns where it is afterwards, which
    /// is where it was if it cannot be moved there.
    pub fn set_break(&mut self, wanted: UserAddr) -> UserAddr {
        if wanted < self.layout.heap_start {
            return self.layout.heap_end;
        }
        let old = page_up(self.layout.heap_end.0);
        let new = page_up(wanted.0);
        let (Some(old), Some(new)) = (old, new) else { return self.layout.heap_end };
        let moved = if new > old {
            self.grow_heap(old / PAGE, new / PAGE)
        } else {
            if let Some(range) = PageRange::new(new / PAGE, old / PAGE) {
                self.unmap_range(range);
            }
            true
        };
        if moved {
            self.layout.heap_end = wanted;
        }
        self.layout.heap_end
    }

    /// Maps the pages `first..end` for the heap, if they are free and there is memory.
    fn grow_heap(&mut self, first: u64, end: u64) -> bool {
        let Some(range) = PageRange::new(first, end) else { return false };
        let clear_of_stack =
            self.regions.find_from(end).is_none_or(|above| above.guarded_first() >= end);
        let allowed = clear_of_stack
            && self.regions.is_free(range)
            && !self.is_overcommit(range.pages())
            && self.check_count().is_ok();
        if allowed {
            self.regions.insert(Region {
                range,
                protection: Protection::READ | Protection::WRITE,
                flags: RegionFlags::empty(),
                backing: Backing::Anonymous,
            });
        }
        allowed
    }
}
