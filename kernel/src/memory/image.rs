//! An address space as data: its regions and pages on the way to another node.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use wayfarer_machine::{Frame, MapError, OutOfFrames, Present};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Epoch, UserAddr};
use wayfarer_proto::image::Region as ImageRegion;
use wayfarer_proto::limits;
use wayfarer_proto::linux::mman::{MAX_MAP_COUNT, MapFlags, Protection};
use wayfarer_proto::message::Remembered;

use super::address_space::{AddressSpace, MappedFile};
use super::maps_text::STACK_NAME;
use super::page_range::{PAGE, PageRange};
use super::region::{Backing, Region, RegionFlags};
use super::steps::SURVEY_PAGES;

/// Whether pages travel that the program has not changed since they came from a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CleanFilePages {
    /// No: the new body pages them in again when it needs them.
    Skip,
    /// Yes: more to send, and no round trip later.
    Include,
}

/// Where pages travel from and to, as far as it matters which.
#[derive(Clone, Copy, Debug)]
pub struct Travel {
    /// The epoch that ends here.
    pub epoch: Epoch,
    /// What the target has kept of the body's memory.
    pub remembered: Option<Remembered>,
    /// Whether pages travel that are as their file.
    pub clean: CleanFilePages,
}

/// Pages that follow each other and have to travel, unless the target has them already.
#[derive(Debug)]
pub struct PageRun {
    /// Number of the first page.
    pub first: u64,
    /// The epoch in which they were changed last.
    pub changed: Epoch,
    /// Whether the target has them as they are.
    pub same: bool,
    /// How many they are.
    pub count: usize,
    /// The frames, unless the target has them. While these handles live, a store by the program
    /// makes a copy.
    pub frames: Vec<Frame>,
}

impl PageRun {
    /// Number of the page after the last: where to go on.
    pub fn end(&self) -> u64 {
        self.first + self.count as u64
    }
}

/// A page that an address space shows.
struct Found<'a> {
    page: u64,
    shown: Present<'a>,
    /// The epoch in which it was changed last, if not in this one.
    unchanged_since: Option<Epoch>,
    way: Way,
}

/// How a body comes by a page elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It has to travel.
    Travels,
    /// It comes by itself: it is its file's, or its node's.
    Shared,
    /// Its region tells it.
    Told,
}

/// A page, as parts that those who show it have of it.
const WHOLE: u64 = 1 << 20;

/// A [`Footprint`] that is being counted in steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct FootprintCount {
    pages: u64,
    /// The space's part of shared pages, in parts of [`WHOLE`].
    shared_parts: u64,
    tables: u64,
    last: Option<u64>,
    next: u64,
}

impl FootprintCount {
    /// What was counted so far.
    pub const fn footprint(&self) -> Footprint {
        let shared = self.shared_parts.div_ceil(WHOLE);
        let frames = TOP_TABLES + self.pages + self.tables + shared;
        Footprint { pages: self.pages, frames, shared }
    }
}

/// What an address space takes on the node it moves to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Footprint {
    /// Pages that travel.
    pub pages: u64,
    /// Frames for them, for shared pages, and for the page tables of both.
    pub frames: u64,
    /// Of them, its part of the shared pages that it shows: who moves with it, showing them too,
    /// needs the rest.
    pub shared: u64,
}

/// Why regions that came from elsewhere make no address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageError {
    /// A region is not of whole pages within user space, or has bits that mean nothing.
    BadRegion,
    /// Two regions overlap.
    Overlap,
    /// There are more than [`MAX_MAP_COUNT`].
    TooManyRegions,
    /// A page belongs to no region, came twice, or is not a whole page.
    BadPage,
    /// No frame is left, or none of those that were promised.
    OutOfFrames,
}

impl From<OutOfFrames> for ImageError {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}

impl From<MapError> for ImageError {
    fn from(error: MapError) -> Self {
        match error {
            MapError::OutOfFrames => Self::OutOfFrames,
            MapError::Present => Self::BadPage,
        }
    }
}

impl From<ImageError> for Errno {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::OutOfFrames | ImageError::TooManyRegions => Self::ENOMEM,
            ImageError::BadRegion | ImageError::Overlap | ImageError::BadPage => Self::EINVAL,
        }
    }
}

impl AddressSpace {
    /// Its regions as they travel.
    pub fn image_regions(&self) -> impl Iterator<Item = ImageRegion> {
        self.regions.iter().map(|region| to_image(region, self.region_name(region)))
    }

    /// Adds a region that came from elsewhere. Nothing of it is believed.
    ///
    /// # Errors
    /// [`ImageError`], and nothing has changed.
    pub fn add_region(&mut self, image: &ImageRegion) -> Result<(), ImageError> {
        let region = from_image(image)?;
        if self.regions.len() >= MAX_MAP_COUNT {
            return Err(ImageError::TooManyRegions);
        }
        if !self.regions.is_free(region.range) {
            return Err(ImageError::Overlap);
        }
        if let Backing::File { map, .. } = region.backing {
            let file = MappedFile { path: image.name.clone(), ..MappedFile::default() };
            self.files.insert(map, file);
        }
        if image.name == STACK_NAME {
            self.layout.stack = UserAddr(region.range.end_address().0 - PAGE);
        }
        self.regions.insert(region);
        Ok(())
    }

    /// Says where the heap is, and refuses what cannot be.
    ///
    /// # Errors
    /// [`ImageError::BadRegion`] when the heap ends before it begins or beyond user space.
    pub fn set_heap(&mut self, start: UserAddr, end: UserAddr) -> Result<(), ImageError> {
        if start > end || end > UserAddr::END {
            return Err(ImageError::BadRegion);
        }
        (self.layout.heap_start, self.layout.heap_end) = (start, end);
        Ok(())
    }

    /// Names the address space in the cluster, so that a node that has kept it knows it again.
    /// `make` gives the name if it has none yet.
    pub fn name(&mut self, make: impl FnOnce() -> u64) -> u64 {
        self.ages.name(make)
    }

    /// What a node knows that keeps it, its body having left at the end of `epoch`; nothing if no
    /// body has.
    pub fn remembered(&self, epoch: Epoch) -> Option<Remembered> {
        self.ages.remembered(epoch)
    }

    /// The first run of pages at or after page `from` that have to travel: those with content that
    /// no region tells. Zero pages of memory that began as zeroes are left out; zero pages written
    /// over a file's are not. At most [`limits::RUN_PAGES`], or [`limits::SAME_PAGES`] of those
    /// that the target has.
    pub fn next_run(&self, from: u64, travel: &Travel) -> Option<PageRun> {
        let known = self.ages.known_to(travel.remembered);
        let (mut run, mut age, mut max) = (None::<PageRun>, None, 0);
        self.visit(from, travel.clean, |found| {
            if found.way != Way::Travels {
                return ControlFlow::Continue(());
            }
            let first = found.page;
            let run = match &mut run {
                Some(run) if first == run.end() && found.unchanged_since == age => run,
                Some(_) => return ControlFlow::Break(()),
                none => {
                    age = found.unchanged_since;
                    let same = age.is_some() && age <= known;
                    let changed = age.unwrap_or(travel.epoch);
                    max = if same { limits::SAME_PAGES } else { limits::RUN_PAGES };
                    let frames = Vec::with_capacity(if same { 0 } else { max });
                    none.insert(PageRun { first, changed, same, count: 0, frames })
                }
            };
            if !run.same {
                run.frames.push(found.shown.frame());
            }
            run.count += 1;
            if run.count < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        run
    }

    /// What it takes elsewhere, counted at once.
    pub fn footprint(&self, clean: CleanFilePages) -> Footprint {
        let mut count = FootprintCount::default();
        while !self.count_footprint(&mut count, clean) {}
        count.footprint()
    }

    /// Counts some more of what it takes elsewhere; true once that is all. What changes between
    /// two steps may be counted or not.
    pub fn count_footprint(&self, count: &mut FootprintCount, clean: CleanFilePages) -> bool {
        let mut left = SURVEY_PAGES;
        self.visit(count.next, clean, |Found { page, shown, way, .. }| {
            match way {
                // The file has it, too.
                Way::Shared => {
                    let spaces = shown.owners().saturating_sub(1).max(1);
                    count.shared_parts += WHOLE / u64::from(spaces);
                }
                Way::Travels => count.pages += 1,
                Way::Told => {}
            }
            if way != Way::Told {
                count.tables += tables_between(count.last, page);
                count.last = Some(page);
            }
            count.next = page + 1;
            left -= 1;
            if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        left > 0
    }

    /// Calls `each` for every page at or after `from` that is shown, in order, until it breaks off.
    fn visit(
        &self,
        from: u64,
        clean: CleanFilePages,
        mut each: impl FnMut(Found<'_>) -> ControlFlow<()>,
    ) {
        let zero = self.source.zero_number();
        for region in self.regions.iter_from(from) {
            let anonymous = matches!(region.backing, Backing::Anonymous);
            let skips = clean == CleanFilePages::Skip && !region.is_shared();
            let (mut age, mut until) = (None, 0);
            let range = from.max(region.range.first())..region.range.end();
            let visited = self.table.visit(range, |shown| {
                let page = shown.page().number();
                if page >= until {
                    (age, until) = self.ages.span(page);
                }
                let unchanged_since = age.filter(|_| !shown.is_dirty());
                let is_told = if anonymous {
                    let is_zero = || shown.frame_number() == zero || shown.is_zero();
                    unchanged_since.is_none() && is_zero()
                } else {
                    skips && self.clean.contains(page)
                };
                let way = match is_told {
                    true => Way::Told,
                    // What is shared with a file is the file's business.
                    false if !anonymous && region.is_shared() => Way::Shared,
                    false => Way::Travels,
                };
                each(Found { page, shown, unchanged_since, way })
            });
            if visited.is_break() {
                return;
            }
        }
    }

    /// Shows pages that came from elsewhere, or did once and are as they were then.
    pub(super) fn install_frames(
        &mut self,
        first: u64,
        frames: Vec<Frame>,
        changed: Epoch,
    ) -> Result<u64, ImageError> {
        let end = first.checked_add(frames.len() as u64).ok_or(ImageError::BadPage)?;
        let mut page = first;
        let mut frames = frames.into_iter();
        while page < end {
            let region = self.regions.find(page).cloned().ok_or(ImageError::BadPage)?;
            let until = end.min(region.range.end());
            // Processes that were forked from this one, on this node, may have frames too.
            self.show_run(page, frames.by_ref().take((until - page) as usize), &region)?;
            page = until;
        }
        self.ages.insert_range(first, end, changed);
        Ok(end - first)
    }
}

/// The table every address space has.
const TOP_TABLES: u64 = 1;

/// How many tables a page needs that the one before it did not.
fn tables_between(last: Option<u64>, page: u64) -> u64 {
    if last.is_some_and(|last| last >> 9 == page >> 9) {
        return 0;
    }
    [9, 18, 27]
        .iter()
        .filter(|level| last.is_none_or(|last| last >> **level != page >> **level))
        .count() as u64
}

fn to_image(region: &Region, name: &str) -> ImageRegion {
    let mut flags = if region.is_shared() { MapFlags::SHARED } else { MapFlags::PRIVATE };
    for (own, travelling) in FLAGS {
        flags.set(travelling, region.flags.contains(own));
    }
    let file = match &region.backing {
        Backing::File { map, page } => Some((*map, page.wrapping_mul(PAGE))),
        _ => None,
    };
    ImageRegion {
        start: region.range.start_address(),
        len: region.range.bytes(),
        prot: region.protection.bits(),
        flags: flags.bits(),
        file,
        name: name.into(),
    }
}

/// Flags of a region and what stands for them in an image.
const FLAGS: [(RegionFlags, MapFlags); 5] = [
    (RegionFlags::COHERENT, MapFlags::IMAGE_COHERENT),
    (RegionFlags::SEALED, MapFlags::IMAGE_SEALED),
    (RegionFlags::GROWS_DOWN, MapFlags::GROWS_DOWN),
    (RegionFlags::WIPE_ON_FORK, MapFlags::IMAGE_WIPE_ON_FORK),
    (RegionFlags::OMIT_ON_FORK, MapFlags::IMAGE_OMIT_ON_FORK),
];

fn from_image(image: &ImageRegion) -> Result<Region, ImageError> {
    let whole = image.len.is_multiple_of(PAGE);
    let range = PageRange::from_bytes(image.start, image.len).filter(|_| whole);
    let range = range.ok_or(ImageError::BadRegion)?;
    let protection = Protection::from_bits(image.prot).ok_or(ImageError::BadRegion)?;
    let known = MapFlags::from_bits(image.flags).ok_or(ImageError::BadRegion)?;
    let shared = known.contains(MapFlags::SHARED);
    let mut flags = RegionFlags::empty();
    for (own, travelling) in FLAGS {
        flags.set(own, known.contains(travelling));
    }
    let backing = match image.file {
        Some((map, offset)) if offset.is_multiple_of(PAGE) => {
            Backing::File { map, page: offset / PAGE }
        }
        None if !shared => Backing::Anonymous,
        _ => return Err(ImageError::BadRegion),
    };
    let in_file = image.file.is_some();
    flags.set(RegionFlags::SHARED, shared);
    let sealed = flags.contains(RegionFlags::SEALED);
    let file_flags = RegionFlags::SEALED | RegionFlags::COHERENT;
    let impossible = (sealed && protection.contains(Protection::WRITE))
        || (flags.intersects(file_flags) && !shared)
        || (flags.contains(RegionFlags::GROWS_DOWN) && in_file);
    if impossible {
        Err(ImageError::BadRegion)
    } else {
        Ok(Region { range, protection, flags, backing })
    }
}
