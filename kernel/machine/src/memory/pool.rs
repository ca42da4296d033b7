//! The frame pool: who owns each 4 KiB of a range of physical memory.
//!
//! A pool covers frame numbers `0..limit` of one address space and hands out the ones it was
//! given. Ownership is counted per frame, so that a fork can share. Frames never handed out before
//! cost nothing, not even initialisation of their record: boot time does not depend on the size of
//! memory.
//!
//! The pool is a value, not a global: bodies may live in a different one than the kernel (a pool
//! shared between VMs), and host tests make their own over heap memory.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;

use super::PAGE_SIZE;
use super::frame::Frame;

/// No frame is left (or none that is not promised to a reservation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames;

/// How many frames a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCounts {
    /// Frames given to the pool.
    pub total: usize,
    /// Frames that are neither in use nor reserved; what a cache can do without is in use.
    pub free: usize,
}

/// Who holds frames that it can do without: a cache.
pub trait Spare {
    /// How many frames would return to the pool if all that can be were given up.
    fn idle(&self) -> usize;

    /// Gives up as many frames as that, or all that it can.
    fn give_up(&self, count: usize);
}

/// Frames that are kept out of a cache's hands: from here on down it is asked for some back, each
/// time after [`SPARE_STEP`] more were taken, so that the kernel's heap finds some when it grows.
const SPARE_BELOW: usize = 256;
/// How many frames a cache is asked for at once.
const SPARE_STEP: usize = 64;

/// The end of the free list.
const NO_FRAME: u32 = u32::MAX;

/// What is known about one frame. Meaningful only for frames handed out at least once.
pub(crate) struct FrameRecord {
    /// Handles in existence, page-table entries included; 0 while the frame is on the free list.
    pub(super) owners: Cell<u32>,
    /// The next frame of the free list.
    next: Cell<u32>,
}

/// Where the memory of a pool comes from and who takes it back.
enum Backing {
    /// Physical memory: never returned.
    Physical,
    /// A heap allocation made by [`FramePool::arena`].
    Arena { layout: Layout, records: usize },
}

/// A pool's books.
pub(super) struct Pool {
    /// The address at which frame 0 can be accessed; frame `n` is `n * PAGE_SIZE` bytes further.
    base: NonNull<u8>,
    /// One record for each frame number below the pool's limit.
    records: NonNull<[FrameRecord]>,
    /// Frame numbers never handed out yet.
    fresh: RefCell<Vec<Range<u32>>>,
    free_head: Cell<u32>,
    /// Frames not in use, reserved ones included.
    unused: Cell<usize>,
    /// Frames promised to reservations.
    reserved: Cell<usize>,
    total: usize,
    backing: Backing,
    /// Who can do without frames.
    spares: RefCell<Vec<Weak<dyn Spare>>>,
}

/// A shared handle to a pool of frames. Cloning it is cheap and yields the same pool.
#[derive(Clone)]
pub struct FramePool(pub(super) Rc<Pool>);

impl FramePool {
    /// A pool over physical memory: `frames` are ranges of frame numbers, in order.
    ///
    /// # Safety
    ///
    /// For each frame number in `frames`, the page at `base + number * PAGE_SIZE` must be mapped
    /// writable for ever, and used by nothing else. `records` must be used by nothing else and
    /// longer than every number in `frames`; its content may be anything.
    pub(crate) unsafe fn over_physical(
        base: NonNull<u8>,
        records: NonNull<[FrameRecord]>,
        frames: Vec<Range<u32>>,
    ) -> FramePool {
        FramePool::new(base, records, frames, Backing::Physical)
    }

    /// A pool of `frames` frames of heap memory, for tests on the host. Frames are numbered from 1,
    /// so that a test notices a 0 used as a number.
    ///
    /// # Panics
    ///
    /// When the host has not that much memory.
    pub fn arena(frames: usize) -> FramePool {
        let limit = frames + 1;
        let invariant = "an arena fits the address space and u32 frame numbers";
        let end = u32::try_from(limit).expect(invariant);
        let layout = Layout::from_size_align(limit * PAGE_SIZE, PAGE_SIZE).expect(invariant);
        // SAFETY: the size is not 0, as `limit` is at least 1.
        let memory = unsafe { alloc::alloc::alloc(layout) };
        let base = NonNull::new(memory).expect("the host has memory for the arena");
        let records: Vec<FrameRecord> = (0..limit)
            .map(|_| FrameRecord { owners: Cell::new(0), next: Cell::new(NO_FRAME) })
            .collect();
        let records = NonNull::from(alloc::boxed::Box::leak(records.into_boxed_slice()));
        let backing = Backing::Arena { layout, records: limit };
        let fresh = alloc::vec![1..end];
        FramePool::new(base, records, fresh, backing)
    }

    fn new(
        base: NonNull<u8>,
        records: NonNull<[FrameRecord]>,
        mut frames: Vec<Range<u32>>,
        backing: Backing,
    ) -> FramePool {
        let total = frames.iter().map(|range| range.len()).sum();
        // Fresh frames are taken from the last range: let that be the lowest.
        frames.reverse();
        FramePool(Rc::new(Pool {
            base,
            records,
            fresh: RefCell::new(frames),
            free_head: Cell::new(NO_FRAME),
            unused: Cell::new(total),
            reserved: Cell::new(0),
            total,
            backing,
            spares: RefCell::default(),
        }))
    }

    /// Takes a frame whose content is whatever it was.
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`] when all are in use or reserved.
    pub fn allocate(&self) -> Result<Frame, OutOfFrames> {
        let free = self.counts().free;
        if free <= SPARE_BELOW && free.is_multiple_of(SPARE_STEP) {
            self.ask_back(SPARE_STEP);
        }
        self.allocate_at_hand()
    }

    /// As [`allocate`](FramePool::allocate), without asking who could do without a frame: for the
    /// kernel's heap, which whoever is asked uses.
    ///
    /// # Errors
    ///
    /// As [`allocate`](FramePool::allocate).
    pub(super) fn allocate_at_hand(&self) -> Result<Frame, OutOfFrames> {
        if self.0.unused.get() <= self.0.reserved.get() {
            return Err(OutOfFrames);
        }
        self.take()
    }

    /// Takes a frame filled with zeroes.
    ///
    /// # Errors
    ///
    /// As [`allocate`](FramePool::allocate).
    pub fn allocate_zeroed(&self) -> Result<Frame, OutOfFrames> {
        let frame = self.allocate()?;
        frame.fill_zero();
        Ok(frame)
    }

    /// Takes `count` neighbouring frames that were never in use, for devices, which know nothing of
    /// page tables; returns the number of the first. Each has one owner, to be given back with
    /// [`free_run`](FramePool::free_run).
    pub(crate) fn allocate_run(&self, count: usize) -> Result<u32, OutOfFrames> {
        if self.counts().free < count {
            return Err(OutOfFrames);
        }
        let first = self.0.take_fresh_run(count).ok_or(OutOfFrames)?;
        self.0.unused.set(self.0.unused.get() - count);
        (first..).take(count).for_each(|number| self.0.record(number).owners.set(1));
        Ok(first)
    }

    /// Gives back what [`allocate_run`](FramePool::allocate_run) returned.
    ///
    /// # Safety
    ///
    /// Nothing may use these frames any more.
    pub(crate) unsafe fn free_run(&self, first: u32, count: usize) {
        for number in (first..).take(count) {
            // SAFETY: the one owner counted by `allocate_run` becomes this handle.
            drop(unsafe { Frame::from_number(self.clone(), number) });
        }
    }

    /// Promises `count` frames to the returned reservation.
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`] when fewer are free; nothing is reserved then.
    pub fn reserve(&self, count: usize) -> Result<FrameReservation, OutOfFrames> {
        if let Some(lacking) = count.checked_sub(self.counts().free) {
            self.ask_back(lacking);
        }
        if self.counts().free < count {
            return Err(OutOfFrames);
        }
        self.0.reserved.set(self.0.reserved.get() + count);
        Ok(FrameReservation { pool: self.clone(), left: count })
    }

    /// How many frames there are, and how many can be had.
    pub fn counts(&self) -> FrameCounts {
        let free = self.0.unused.get().saturating_sub(self.0.reserved.get());
        FrameCounts { total: self.0.total, free }
    }

    /// How many frames can be had once a cache has given up what it can do without.
    pub fn available(&self) -> usize {
        let spares = self.0.spares.borrow();
        let idle = spares.iter().filter_map(Weak::upgrade).map(|spare| spare.idle());
        self.counts().free + idle.sum::<usize>()
    }

    /// Whether that many frames can be had so; caches are asked only if it takes them.
    pub fn has_available(&self, count: usize) -> bool {
        self.counts().free >= count || self.available() >= count
    }

    /// From now on asks `spare`, too, for frames before there are none; the one added last is
    /// asked first. It is not kept alive.
    pub fn add_spare(&self, spare: &Rc<impl Spare + 'static>) {
        let spare = Rc::downgrade(spare);
        self.0.spares.borrow_mut().push(spare);
    }

    /// Asks whoever can do without frames for `count`.
    fn ask_back(&self, count: usize) {
        let before = self.counts().free;
        for spare in self.0.spares.borrow().iter().rev().filter_map(Weak::upgrade) {
            let had = self.counts().free.saturating_sub(before);
            if had >= count {
                return;
            }
            spare.give_up(count - had);
        }
    }

    /// Whether both are handles to one pool.
    pub fn same_as(&self, other: &FramePool) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Takes a frame, reserved or not.
    fn take(&self) -> Result<Frame, OutOfFrames> {
        let number = self.0.take_freed().or_else(|| self.0.take_fresh()).ok_or(OutOfFrames)?;
        self.0.unused.set(self.0.unused.get() - 1);
        self.0.record(number).owners.set(1);
        // SAFETY: the number came off the free list or a fresh range, so nobody else owns it, and
        // the one owner just counted is this handle.
        Ok(unsafe { Frame::from_number(self.clone(), number) })
    }
}

impl fmt::Debug for FramePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().fmt(f)
    }
}

impl Pool {
    /// The record of a frame of this pool.
    pub(super) fn record(&self, number: u32) -> &FrameRecord {
        // SAFETY: the slice is the pool's alone and lives as long as it. A record not yet written
        // holds arbitrary integers, which is valid for cells of integers in memory that was
        // mapped and set up by the machine, not allocated uninitialised.
        let records = unsafe { self.records.as_ref() };
        &records[number as usize]
    }

    /// The address of a frame's first byte.
    pub(super) fn address(&self, number: u32) -> NonNull<u8> {
        debug_assert!((number as usize) < self.records.len());
        // SAFETY: the constructors promise that all frames lie in one mapping above `base`.
        unsafe { self.base.add(number as usize * PAGE_SIZE) }
    }

    /// Whether every byte of a frame is 0.
    pub(super) fn is_zero(&self, number: u32) -> bool {
        let words = self.address(number).cast::<u64>();
        // SAFETY: the words lie within the frame, which is mapped and page-aligned; the reads are
        // volatile, since user code or a device may change them.
        let word = |index| unsafe { words.add(index).read_volatile() };
        // Eight at a time: a question for each would take longer than to read it.
        let starts = (0..PAGE_SIZE / size_of::<u64>()).step_by(8);
        starts.into_iter().all(|start| (start..start + 8).fold(0, |any, at| any | word(at)) == 0)
    }

    /// Puts a frame without owners back.
    pub(super) fn put_back(&self, number: u32) {
        self.record(number).next.set(self.free_head.get());
        self.free_head.set(number);
        self.unused.set(self.unused.get() + 1);
    }

    fn take_freed(&self) -> Option<u32> {
        let number = self.free_head.get();
        if number == NO_FRAME {
            return None;
        }
        self.free_head.set(self.record(number).next.get());
        Some(number)
    }

    fn take_fresh(&self) -> Option<u32> {
        let mut fresh = self.fresh.borrow_mut();
        loop {
            let range = fresh.last_mut()?;
            if let Some(number) = range.next() {
                return Some(number);
            }
            fresh.pop();
        }
    }

    fn take_fresh_run(&self, count: usize) -> Option<u32> {
        let mut fresh = self.fresh.borrow_mut();
        let range = fresh.iter_mut().rev().find(|range| range.len() >= count)?;
        let first = range.start;
        range.start += u32::try_from(count).ok()?;
        Some(first)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let Backing::Arena { layout, records } = self.backing else { return };
        let records = core::ptr::slice_from_raw_parts_mut(self.records.as_ptr().cast(), records);
        // SAFETY: both were allocated by `arena` with these sizes, and no frame is left that could
        // use them: each holds a handle to this pool.
        unsafe {
            alloc::alloc::dealloc(self.base.as_ptr(), layout);
            drop(alloc::boxed::Box::<[FrameRecord]>::from_raw(records));
        }
    }
}

/// Frames promised to one holder, so that work admitted once cannot fail for want of memory.
///
/// What is left of the promise returns to the pool when the reservation is dropped.
#[derive(Debug)]
pub struct FrameReservation {
    pool: FramePool,
    left: usize,
}

impl FrameReservation {
    /// Takes one of the promised frames; its content is whatever it was.
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`] when all that was promised has been taken.
    pub fn allocate(&mut self) -> Result<Frame, OutOfFrames> {
        if self.left == 0 {
            return Err(OutOfFrames);
        }
        self.release(1);
        self.pool.take()
    }

    /// Gives up to `count` frames of the promise back to the pool, where whoever allocates next
    /// finds them: the way to pay for page tables, which take their frames from the pool.
    pub fn release(&mut self, count: usize) {
        let count = count.min(self.left);
        self.left -= count;
        self.pool.0.reserved.set(self.pool.0.reserved.get() - count);
    }

    /// How many of the promised frames have not been taken.
    pub fn left(&self) -> usize {
        self.left
    }
}

impl Drop for FrameReservation {
    fn drop(&mut self) {
        self.release(self.left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_can_be_had_once_and_again_after_release() {
        let pool = FramePool::arena(5);
        for _ in 0..3 {
            let frames: Vec<Frame> = (0..5).map(|_| pool.allocate().unwrap()).collect();
            let mut numbers: Vec<u64> = frames.iter().map(Frame::number).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, [1, 2, 3, 4, 5]);
            assert_eq!(pool.allocate().unwrap_err(), OutOfFrames);
            assert_eq!(pool.counts(), FrameCounts { total: 5, free: 0 });
        }
        assert_eq!(pool.counts(), FrameCounts { total: 5, free: 5 });
    }

    #[test]
    fn a_reservation_keeps_its_frames_from_others() {
        let pool = FramePool::arena(4);
        let mut reservation = pool.reserve(3).unwrap();
        assert_eq!(pool.reserve(2).unwrap_err(), OutOfFrames);
        let other = pool.allocate().unwrap();
        assert_eq!(pool.allocate().unwrap_err(), OutOfFrames);
        let own = reservation.allocate().unwrap();
        assert_eq!((reservation.left(), pool.counts().free), (2, 0));
        reservation.release(1);
        assert!(pool.allocate().is_ok());
        drop(reservation);
        assert_eq!(pool.counts().free, 2);
        drop((own, other));
        assert_eq!(pool.counts().free, 4);
    }

    #[test]
    fn a_run_is_neighbouring_frames() {
        let pool = FramePool::arena(8);
        let _frame = pool.allocate().unwrap();
        assert_eq!(pool.allocate_run(8), Err(OutOfFrames));
        let first = pool.allocate_run(5).unwrap();
        assert_eq!((first, pool.counts().free), (2, 2));
        assert_eq!(pool.allocate().unwrap().number(), 7);
        // SAFETY: nothing uses the frames.
        unsafe { pool.free_run(first, 5) };
        assert_eq!(pool.counts().free, 7);
        assert_eq!(pool.allocate_run(5), Err(OutOfFrames), "only never used frames are in order");
    }

    #[test]
    fn a_reservation_yields_no_more_than_was_promised() {
        let pool = FramePool::arena(2);
        let mut reservation = pool.reserve(1).unwrap();
        let _frame = reservation.allocate().unwrap();
        assert_eq!(reservation.allocate().unwrap_err(), OutOfFrames);
    }
}
