//! The text of `/proc/PID/maps` (proc_pid_maps(5)).

use alloc::format;
use alloc::string::String;

use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::mman::Protection;

use super::address_space::{AddressSpace, MappedFile};
use super::page_range::PAGE;
use super::region::{Backing, Region};

/// What the region of the main stack is called, here and in images.
pub(crate) const STACK_NAME: &str = "[stack]";

/// The column at which names begin.
const NAME_COLUMN: usize = 73;

impl AddressSpace {
    /// The text of `/proc/PID/maps`.
    pub fn maps_text(&self) -> String {
        self.regions.iter().map(|region| self.maps_line(region)).collect()
    }

    /// The line of a region, as Linux formats it (`show_map_vma()` in `fs/proc/task_mmu.c`).
    pub fn maps_line(&self, region: &Region) -> String {
        let nothing = MappedFile::default();
        let (offset, file) = match &region.backing {
            Backing::Anonymous => (0, &nothing),
            Backing::Shared { page, .. } => (page.wrapping_mul(PAGE), &nothing),
            Backing::File { map, page } => {
                (page.wrapping_mul(PAGE), self.files.get(map).unwrap_or(&nothing))
            }
        };
        let mut line = format!(
            "{:08x}-{:08x} {} {offset:08x} {:02x}:{:02x} {} ",
            region.range.start_address().0,
            region.range.end_address().0,
            permissions(region),
            file.device.0,
            file.device.1,
            file.inode,
        );
        let name = self.region_name(region);
        if !name.is_empty() {
            line = format!("{line:NAME_COLUMN$}{name}");
        }
        line.push('\n');
        line
    }

    /// What a region is called: `[heap]`, `[stack]`, a path, or nothing.
    pub fn region_name(&self, region: &Region) -> &str {
        match &region.backing {
            Backing::File { map, .. } => self.files.get(map).map_or("", |file| &file.path),
            Backing::Shared { .. } => "/dev/zero (deleted)",
            Backing::Anonymous if self.is_heap(region) => "[heap]",
            Backing::Anonymous if holds(region, self.layout.stack) => STACK_NAME,
            Backing::Anonymous => "",
        }
    }

    fn is_heap(&self, region: &Region) -> bool {
        let layout = self.layout;
        layout.heap_start < layout.heap_end
            && region.range.start_address() < layout.heap_end
            && region.range.end_address() > layout.heap_start
    }
}

fn holds(region: &Region, address: UserAddr) -> bool {
    region.range.contains(address.0 / PAGE)
}

/// `rwxp` and its variations.
fn permissions(region: &Region) -> String {
    let mark = |bit, letter| if region.protection.contains(bit) { letter } else { '-' };
    [
        mark(Protection::READ, 'r'),
        mark(Protection::WRITE, 'w'),
        mark(Protection::EXECUTE, 'x'),
        if region.is_shared() { 's' } else { 'p' },
    ]
    .into_iter()
    .collect()
}
