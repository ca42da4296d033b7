//! An address space as data: its regions and pages on the way to another node.

use alloc::vec::Vec;

use wayfarer_machine::{Frame, OutOfFrames};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Epoch, UserAddr};
use wayfarer_proto::image::Region as ImageRegion;
use wayfarer_proto::limits;
use wayfarer_proto::linux::mman::{MAX_MAP_COUNT, MapFlags, Protection};
use wayfarer_proto::message::Remembered;

use super::address_space::{AddressSpace, MappedFile};
use super::maps_text::STACK_NAME;
use super::page_range::{PAGE, PageRange, user_page};
use super::region::{Backing, Region, RegionFlags};
use super::steps::STEP_PAGES;

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
    /// The frames. While these handles live, a store by the program makes a copy.
    pub frames: Vec<Frame>,
}

impl PageRun {
    /// Number of the page after the last: where to go on.
    pub fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }
}

/// A page that a body has to have elsewhere.
struct Found {
    page: u64,
    frame: Frame,
    /// The epoch in which it was changed last, if not in this one.
    unchanged_since: Option<Epoch>,
    /// It does not travel: it is its file's, or its node's.
    shared: bool,
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
        let mut pages = self.travelling(from, travel.clean);
        let Found { page: first, frame, unchanged_since: age, .. } = pages.next()?;
        let same = age.is_some() && age <= known;
        let changed = age.unwrap_or(travel.epoch);
        let mut run = PageRun { first, changed, same, frames: alloc::vec![frame] };
        let max = if same { limits::SAME_PAGES } else { limits::RUN_PAGES };
        for found in pages.take(max - 1) {
            if found.page != run.end() || found.unchanged_since != age {
                break;
            }
            run.frames.push(found.frame);
        }
        Some(run)
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
        let mut left = STEP_PAGES;
        for Found { page, frame, shared, .. } in self.needed(count.next, clean).take(STEP_PAGES) {
            match shared {
                // The file has it, too, and so has this loop.
                true => {
                    count.shared_parts += WHOLE / u64::from(frame.owners().saturating_sub(2)).max(1)
                }
                false => count.pages += 1,
            }
            count.tables += tables_between(count.last, page);
            (count.last, count.next) = (Some(page), page + 1);
            left -= 1;
        }
        left > 0
    }

    /// The pages at or after `from` that have to travel, in order.
    fn travelling(&self, from: u64, clean: CleanFilePages) -> impl Iterator<Item = Found> {
        self.needed(from, clean).filter(|found| !found.shared)
    }

    /// The pages at or after `from` that a body has to have elsewhere, in order: those that have to
    /// travel, and shared ones, which come by themselves.
    fn needed(&self, from: u64, clean: CleanFilePages) -> impl Iterator<Item = Found> {
        let regions = self.regions.iter_from(from);
        regions.flat_map(move |region| self.needed_of(region, from, clean))
    }

    fn needed_of<'a>(
        &'a self,
        region: &'a Region,
        from: u64,
        clean: CleanFilePages,
    ) -> impl Iterator<Item = Found> {
        let from = from.max(region.range.first());
        let anonymous = matches!(region.backing, Backing::Anonymous);
        self.table.scan(from..region.range.end()).filter_map(move |present| {
            let page = present.page().number();
            let unchanged_since = self.ages.get(page).filter(|_| !present.is_dirty());
            let frame = present.frame();
            let skipped = if anonymous {
                unchanged_since.is_none() && (self.source.is_zero(&frame) || frame.is_zero())
            } else {
                let skips = clean == CleanFilePages::Skip && !region.is_shared();
                skips && self.clean.contains(page)
            };
            // What is shared with a file is the file's business.
            let shared = !anonymous && region.is_shared();
            (!skipped).then_some(Found { page, frame, unchanged_since, shared })
        })
    }

    /// Shows pages that came from elsewhere, or did once and are as they were then.
    pub(super) fn install_frames(
        &mut self,
        first: u64,
        frames: impl Iterator<Item = Frame>,
        changed: Epoch,
    ) -> Result<u64, ImageError> {
        let mut region: Option<Region> = None;
        let mut page = first;
        for frame in frames {
            region = region.filter(|region| region.range.contains(page));
            let found = || self.regions.find(page).cloned().ok_or(ImageError::BadPage);
            let there = region.take().map_or_else(found, Ok)?;
            self.install_frame(page, frame, &there)?;
            region = Some(there);
            page += 1;
        }
        self.ages.insert_range(first, page, changed);
        Ok(page - first)
    }

    fn install_frame(
        &mut self,
        page: u64,
        frame: Frame,
        region: &Region,
    ) -> Result<(), ImageError> {
        if self.table.lookup(user_page(page)).is_some() {
            return Err(ImageError::BadPage);
        }
        // A process that was forked from this one, on this node, may have the frame too.
        let owned = !frame.is_shared();
        Ok(self.show(page, frame, region, owned)?)
    }
}

/// The table every address space has.
const TOP_TABLES: u64 = 1;

/// How many tables a page needs that the one before it did not.
fn tables_between(last: Option<u64>, page: u64) -> u64 {
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
