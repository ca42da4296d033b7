//! An address space while it arrives.

use alloc::vec::Vec;
use core::ops::Range;

use wayfarer_machine::{Frame, FrameReservation, OutOfFrames};
use wayfarer_proto::id::{Epoch, NodeId, UserAddr};
use wayfarer_proto::image::{ContentHash, Region as ImageRegion};
use wayfarer_proto::limits;
use wayfarer_proto::message::Remembered;

use super::address_space::AddressSpace;
use super::image::ImageError;
use super::page_range::PageRange;
use super::source::MemorySource;

/// Frames that every process may take beyond what it needed when it was asked, and that again.
///
/// A process runs on between the question and its freeze, and may use new memory meanwhile.
const GROWTH: u64 = 1024;

/// An arriving address space, and the frames promised to it when it was admitted (decision D6).
/// Dropping it frees both.
#[derive(Debug)]
pub struct Arrival {
    space: AddressSpace,
    promise: FrameReservation,
    /// Frames it may take beyond the promise, if there are any.
    beyond: u64,
    /// The body's memory as it was when it last left this node.
    remnant: Option<AddressSpace>,
    pages: u64,
}

impl Arrival {
    /// Admits an address space that says it needs `frames` frames
    /// ([`Footprint::frames`](super::Footprint::frames)). `remnant` is what this node has kept of
    /// it; it is given up if there is no room for both.
    ///
    /// # Errors
    /// [`OutOfFrames`] when there are fewer: the move is refused before it begins.
    pub fn admit(
        source: &MemorySource,
        frames: u64,
        mut remnant: Option<AddressSpace>,
    ) -> Result<Self, OutOfFrames> {
        let promised = usize::try_from(frames).map_err(|_| OutOfFrames)?;
        let pool = source.pool();
        let mut promise = pool.reserve(promised).or_else(|OutOfFrames| {
            remnant = None;
            pool.reserve(promised)
        })?;
        promise.release(1);
        let beyond = frames.saturating_add(GROWTH);
        Ok(Self { space: AddressSpace::new(source)?, promise, beyond, remnant, pages: 0 })
    }

    /// Says whose home the body is away from, if it is.
    pub fn set_guest_of(&mut self, home: Option<NodeId>) {
        self.space.set_guest_of(home);
    }

    /// What this node has kept of the body's memory, if it left at the end of `epoch`.
    pub fn remembered(&self, epoch: Epoch) -> Option<Remembered> {
        self.remnant.as_ref().and_then(|remnant| remnant.remembered(epoch))
    }

    /// Says how the address space is named in the cluster, and where the heap is.
    ///
    /// # Errors
    /// As [`AddressSpace::set_heap`].
    pub fn begin(&mut self, name: u64, heap: Range<UserAddr>) -> Result<(), ImageError> {
        self.space.name(|| name);
        self.space.set_heap(heap.start, heap.end)
    }

    /// Takes a region; regions come in order of address.
    ///
    /// # Errors
    /// As [`AddressSpace::add_region`].
    pub fn add_region(&mut self, region: &ImageRegion) -> Result<(), ImageError> {
        self.space.add_region(region)
    }

    /// Takes the content of pages that follow each other, their regions being known, and its hash.
    ///
    /// # Errors
    /// [`ImageError::BadPage`] for pages no region holds or that came before,
    /// [`ImageError::OutOfFrames`] for more than was promised and a process grows by.
    pub fn add_pages(
        &mut self,
        first: u64,
        changed: Epoch,
        content: &[[u8; limits::PAGE]],
        hash: &mut ContentHash,
    ) -> Result<(), ImageError> {
        let mut old = Vec::with_capacity(content.len());
        let pages = PageRange::new(first, first.saturating_add(content.len() as u64));
        if let (Some(remnant), Some(pages)) = (&mut self.remnant, pages) {
            // What it shares stays with the others as it is.
            let take = |page, frame: Frame| {
                if !frame.is_shared() {
                    old.push((page, frame))
                }
            };
            remnant.take_frames(pages, take);
        }
        let mut old = old.into_iter().peekable();
        let mut frames = Vec::with_capacity(content.len());
        for (index, content) in content.iter().enumerate() {
            let page = first.saturating_add(index as u64);
            let frame = match old.next_if(|(number, _)| *number == page) {
                Some((_, frame)) => {
                    self.promise.release(1);
                    frame
                }
                None => self.promise.allocate().or_else(|OutOfFrames| self.take_beyond())?,
            };
            frame.write_mixing(content, hash.lanes());
            frames.push(frame);
        }
        self.install(first, frames, changed)
    }

    /// Takes pages over that are as the remnant has them.
    ///
    /// # Errors
    /// [`ImageError::BadPage`] for pages that it has not.
    pub fn keep_pages(&mut self, pages: Range<u64>, changed: Epoch) -> Result<(), ImageError> {
        let remnant = self.remnant.as_mut().ok_or(ImageError::BadPage)?;
        let mut frames = Vec::new();
        let range = PageRange::new(pages.start, pages.end).ok_or(ImageError::BadPage)?;
        remnant.take_frames(range, |_, frame| frames.push(frame));
        if frames.len() as u64 != range.pages() {
            return Err(ImageError::BadPage);
        }
        // They were promised frames that they do not need.
        self.promise.release(frames.len());
        self.install(pages.start, frames, changed)
    }

    fn install(
        &mut self,
        first: u64,
        frames: Vec<Frame>,
        changed: Epoch,
    ) -> Result<(), ImageError> {
        self.pages += self.with_promise(|space| space.install_frames(first, frames, changed))?;
        Ok(())
    }

    /// A frame for a page that the process did not have when it said what it needs.
    fn take_beyond(&mut self) -> Result<Frame, OutOfFrames> {
        self.beyond = self.beyond.checked_sub(1).ok_or(OutOfFrames)?;
        self.space.source.pool().allocate()
    }

    /// Runs something that takes frames for page tables from the pool, at the promise's expense.
    /// Nobody else allocates meanwhile, so what is not taken can be promised again.
    fn with_promise<T>(
        &mut self,
        act: impl FnOnce(&mut AddressSpace) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        let pool = self.space.source.pool().clone();
        let left = self.promise.left();
        self.promise.release(left);
        let before = pool.counts().free;
        let result = act(&mut self.space);
        let taken = before.saturating_sub(pool.counts().free);
        self.promise = pool.reserve(left.saturating_sub(taken))?;
        result
    }

    /// Pages taken so far.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// What is left of the remnant, for the caller to free at leisure.
    pub fn take_remnant(&mut self) -> Option<AddressSpace> {
        self.remnant.take()
    }

    /// The address space, whole, and what is left of the promise: pages that are shared with others
    /// have not come yet.
    pub fn finish(self) -> (AddressSpace, FrameReservation) {
        (self.space, self.promise)
    }
}
