//! An address space while it arrives.

use wayfarer_machine::{Frame, FrameReservation, OutOfFrames};
use wayfarer_proto::id::{NodeId, UserAddr};
use wayfarer_proto::image::Region as ImageRegion;
use wayfarer_proto::limits;

use super::address_space::AddressSpace;
use super::image::ImageError;
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
    pages: u64,
}

impl Arrival {
    /// Admits an address space that says it needs `frames` frames
    /// ([`Footprint::frames`](super::Footprint::frames)).
    ///
    /// # Errors
    /// [`OutOfFrames`] when there are fewer: the move is refused before it begins.
    pub fn admit(source: &MemorySource, frames: u64) -> Result<Self, OutOfFrames> {
        let promised = usize::try_from(frames).map_err(|_| OutOfFrames)?;
        let mut promise = source.pool().reserve(promised)?;
        promise.release(1);
        let beyond = frames.saturating_add(GROWTH);
        Ok(Self { space: AddressSpace::new(source)?, promise, beyond, pages: 0 })
    }

    /// Says whose home the body is away from, if it is.
    pub fn set_guest_of(&mut self, home: Option<NodeId>) {
        self.space.set_guest_of(home);
    }

    /// Says where the heap is.
    ///
    /// # Errors
    /// As [`AddressSpace::set_heap`].
    pub fn set_heap(&mut self, start: UserAddr, end: UserAddr) -> Result<(), ImageError> {
        self.space.set_heap(start, end)
    }

    /// Takes a region; regions come in order of address.
    ///
    /// # Errors
    /// As [`AddressSpace::add_region`].
    pub fn add_region(&mut self, region: &ImageRegion) -> Result<(), ImageError> {
        self.space.add_region(region)
    }

    /// Takes the content of pages that follow each other, their regions being known.
    ///
    /// # Errors
    /// [`ImageError::BadPage`] for pages no region holds or that came before,
    /// [`ImageError::OutOfFrames`] for more than was promised and a process grows by.
    pub fn add_pages(&mut self, first: u64, bytes: &[u8]) -> Result<(), ImageError> {
        let (pages, rest) = bytes.as_chunks::<{ limits::PAGE }>();
        if !rest.is_empty() {
            return Err(ImageError::BadPage);
        }
        for (index, content) in pages.iter().enumerate() {
            let page = first.checked_add(index as u64).ok_or(ImageError::BadPage)?;
            self.add_page(page, content)?;
        }
        Ok(())
    }

    fn add_page(&mut self, page: u64, content: &[u8]) -> Result<(), ImageError> {
        let frame = self.promise.allocate().or_else(|OutOfFrames| self.take_beyond())?;
        frame.write(0, content);
        self.with_promise(|space| space.install_frame(page, frame))?;
        self.pages += 1;
        Ok(())
    }

    /// A frame for a page that the process did not have when it said what it needs.
    fn take_beyond(&mut self) -> Result<Frame, OutOfFrames> {
        self.beyond = self.beyond.checked_sub(1).ok_or(OutOfFrames)?;
        self.space.source.pool().allocate()
    }

    /// Runs something that takes frames for page tables from the pool, at the promise's expense.
    /// Nobody else allocates meanwhile, so what is not taken can be promised again.
    fn with_promise(
        &mut self,
        act: impl FnOnce(&mut AddressSpace) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
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

    /// The address space, whole. What is left of the promise returns to the pool.
    pub fn finish(self) -> AddressSpace {
        self.space
    }
}
