//! The text of `/proc/PID/maps` (proc_pid_maps(5)).

use alloc::format;
use alloc::string::String;

use wayfarer_proto::id::{MapId, UserAddr};
use wayfarer_proto::image::Region as ImageRegion;
use wayfarer_proto::linux::mman::{MapFlags, Protection};

use super::address_space::{AddressSpace, MappedFile};
use super::page_range::{PAGE, PageRange, user_page};
use super::region::{Backing, Region};
use crate::fs::proc::RegionUse;

/// What the region of the main stack is called, here and in images.
pub(crate) const STACK_NAME: &str = "[stack]";

/// The column at which names begin.
const NAME_COLUMN: usize = 73;

/// The text of `/proc/PID/maps` for regions in order of address. What a file is called, and where
/// it is, is home's to say: `file` gives it, as far as it knows.
pub fn maps_text(
    regions: impl IntoIterator<Item = ImageRegion>,
    file: impl Fn(MapId) -> Option<MappedFile>,
) -> String {
    let line = |region: ImageRegion| {
        let (map, offset) = region.file.unzip();
        let known = map.and_then(&file);
        let unknown = MappedFile { path: region.name.clone(), ..MappedFile::default() };
        maps_line(&region, offset.unwrap_or(0), &known.unwrap_or(unknown))
    };
    regions.into_iter().map(line).collect()
}

/// The line of a region, as Linux formats it (`show_map_vma()` in `fs/proc/task_mmu.c`).
fn maps_line(region: &ImageRegion, offset: u64, file: &MappedFile) -> String {
    let end = region.start.0.saturating_add(region.len);
    let permissions = permissions(region);
    let mut line = format!(
        "{:08x}-{end:08x} {permissions} {offset:08x} {:02x}:{:02x} {} ",
        region.start.0, file.device.0, file.device.1, file.inode,
    );
    if !file.path.is_empty() {
        line = format!("{line:NAME_COLUMN$}{}", file.path);
    }
    line.push('\n');
    line
}

/// `rwxp` and its variations.
fn permissions(region: &ImageRegion) -> String {
    let protection = Protection::from_bits_truncate(region.prot);
    let mark = |bit, letter| if protection.contains(bit) { letter } else { '-' };
    let shared = MapFlags::from_bits_truncate(region.flags).contains(MapFlags::SHARED);
    [
        mark(Protection::READ, 'r'),
        mark(Protection::WRITE, 'w'),
        mark(Protection::EXECUTE, 'x'),
        if shared { 's' } else { 'p' },
    ]
    .into_iter()
    .collect()
}

impl AddressSpace {
    /// The text of `/proc/PID/maps`, with what is known here of the files.
    pub fn maps_text(&self) -> String {
        maps_text(self.image_regions(), |map| self.files.get(&map).cloned())
    }

    /// Counts what is used of pages of a region, at most `most` of those in memory; what is left
    /// to count.
    pub fn count_pages(
        &self,
        range: PageRange,
        most: usize,
        sum: &mut RegionUse,
    ) -> Option<PageRange> {
        let mut from = range.first();
        for _ in 0..most {
            let found = self.table.next_present(user_page(from));
            let (page, mapping) = found.filter(|(page, _)| page.number() < range.end())?;
            let page = page.number();
            let region = self.regions.find(page)?;
            if !self.source.is_zero(&mapping.frame) {
                let changed = !region.is_shared() && !self.clean.contains(page);
                let (shared, changed) = (u64::from(mapping.shared), u64::from(changed));
                sum.resident += 1;
                sum.shared += shared;
                sum.changed += changed;
                sum.shared_changed += shared & changed;
            }
            from = page + 1;
        }
        PageRange::new(from, range.end())
    }

    /// What a region is called: `[heap]`, `[stack]`, a path, or nothing.
    pub fn region_name(&self, region: &Region) -> &str {
        match &region.backing {
            Backing::File { map, .. } => self.files.get(map).map_or("", |file| &file.path),
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
