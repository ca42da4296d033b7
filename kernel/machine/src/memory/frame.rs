//! A handle to one frame of memory.

use alloc::vec::Vec;
use core::fmt;
use core::mem::ManuallyDrop;

use super::mixing::{Lanes, copy_mixing};
use super::pool::FramePool;
use super::room::Room;
use super::{PAGE_SIZE, bytes};

/// An owned, counted handle to one 4 KiB frame.
///
/// Cloning shares the frame, dropping the last handle returns it to its pool. A page-table entry
/// holds a handle too, so the content may change while nobody in the kernel writes it; that is why
/// there is no way to borrow the bytes, only to copy them in and out.
pub struct Frame {
    pool: FramePool,
    number: u32,
}

impl Frame {
    /// Wraps a frame number.
    ///
    /// # Safety
    ///
    /// One owner of the frame must have been counted that is not yet represented by a handle.
    pub(super) unsafe fn from_number(pool: FramePool, number: u32) -> Frame {
        Frame { pool, number }
    }

    /// Gives up the handle and leaves its owner counted, for a page-table entry to hold.
    pub(super) fn into_number(self) -> u32 {
        let mut frame = ManuallyDrop::new(self);
        // SAFETY: `frame` is never used or dropped again, so the pool handle is dropped once.
        unsafe { core::ptr::drop_in_place(&raw mut frame.pool) };
        frame.number
    }

    /// The frame's number: its physical address divided by the page size.
    pub fn number(&self) -> u64 {
        u64::from(self.number)
    }

    /// The pool it belongs to.
    pub(super) fn pool(&self) -> &FramePool {
        &self.pool
    }

    /// Whether other handles to this frame exist, those in page tables included.
    pub fn is_shared(&self) -> bool {
        self.owners() > 1
    }

    /// The number of handles, this one and those in page tables included.
    pub fn owners(&self) -> u32 {
        self.pool.0.record(self.number).owners.get()
    }

    /// Copies bytes out of the frame, from `offset` on.
    ///
    /// # Panics
    ///
    /// When the range does not lie within the frame: callers split at page boundaries.
    pub fn read(&self, offset: usize, target: &mut [u8]) {
        check_range(offset, target.len());
        // SAFETY: the range lies within the frame, which is mapped and owned; the copy is in
        // assembly, so concurrent change of the source by another VM or a device is no data race
        // in the language's sense: it only decides which bytes are seen.
        unsafe { bytes::copy(target.as_mut_ptr(), self.address().add(offset), target.len()) };
    }

    /// Appends `length` bytes of the frame, from `offset` on, to `target`.
    ///
    /// # Panics
    ///
    /// As [`read`](Frame::read).
    pub fn append(&self, offset: usize, length: usize, target: &mut Vec<u8>) {
        check_range(offset, length);
        target.reserve(length);
        // SAFETY: as in `read`, and `reserve` has made room for as many bytes after the last one;
        // they are initialised before they count.
        unsafe {
            let end = target.as_mut_ptr().add(target.len());
            bytes::copy(end, self.address().add(offset), length);
            target.set_len(target.len() + length);
        }
    }

    /// Copies bytes into the frame, from `offset` on.
    ///
    /// # Panics
    ///
    /// As [`read`](Frame::read).
    pub fn write(&self, offset: usize, source: &[u8]) {
        check_range(offset, source.len());
        // SAFETY: as in `read`.
        unsafe { bytes::copy(self.address().add(offset), source.as_ptr(), source.len()) };
    }

    /// Fills the whole frame with zeroes.
    pub fn fill_zero(&self) {
        // SAFETY: the frame is mapped, owned and this long.
        unsafe { bytes::fill(self.address(), 0, PAGE_SIZE) };
    }

    /// Fills part of the frame with zeroes.
    ///
    /// # Panics
    ///
    /// As [`read`](Frame::read).
    pub fn fill_zero_range(&self, offset: usize, length: usize) {
        check_range(offset, length);
        // SAFETY: the range lies within the frame, which is mapped and owned.
        unsafe { bytes::fill(self.address().add(offset), 0, length) };
    }

    /// Makes the content equal to that of `source`, which may belong to another pool.
    pub fn copy_from(&self, source: &Frame) {
        // SAFETY: both frames are mapped, owned and this long; being the same frame is allowed.
        unsafe { bytes::copy_either_way(self.address(), source.address(), PAGE_SIZE) };
    }

    /// Whether every byte is 0.
    pub fn is_zero(&self) -> bool {
        self.pool.0.is_zero(self.number)
    }

    /// Copies the whole frame to where it is wanted, and takes it into a hash on the way, as
    /// [`copy_mixing`] does.
    ///
    /// # Panics
    ///
    /// When the room is not that of a frame.
    pub fn read_mixing(&self, room: Room<'_>, lanes: &mut Lanes) {
        assert_eq!(room.length(), PAGE_SIZE, "room for a frame");
        // SAFETY: as in `read`; the room is writable and this long.
        unsafe { copy_mixing(room.start(), self.address(), PAGE_SIZE, lanes) };
    }

    /// Fills the whole frame, and takes its content into a hash on the way.
    pub fn write_mixing(&self, source: &[u8; PAGE_SIZE], lanes: &mut Lanes) {
        // SAFETY: as in `read`.
        unsafe { copy_mixing(self.address(), source.as_ptr(), PAGE_SIZE, lanes) };
    }

    fn address(&self) -> *mut u8 {
        self.pool.0.address(self.number).as_ptr()
    }
}

fn check_range(offset: usize, length: usize) {
    let inside = offset <= PAGE_SIZE && length <= PAGE_SIZE - offset;
    assert!(inside, "{length} bytes at {offset} do not lie within a frame");
}

impl Clone for Frame {
    fn clone(&self) -> Frame {
        let owners = &self.pool.0.record(self.number).owners;
        let more = owners.get().checked_add(1).expect("a frame has fewer than 2^32 owners");
        owners.set(more);
        Frame { pool: self.pool.clone(), number: self.number }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let owners = &self.pool.0.record(self.number).owners;
        owners.set(owners.get() - 1);
        if owners.get() == 0 {
            self.pool.0.put_back(self.number);
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:#x}, {} owners)", self.number, self.owners())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let pool = FramePool::arena(2);
        let frame = pool.allocate_zeroed().unwrap();
        assert!(frame.is_zero());
        frame.write(4090, &[1, 2, 3, 4, 5, 6]);
        let mut back = [0; 8];
        frame.read(4088, &mut back);
        assert_eq!(back, [0, 0, 1, 2, 3, 4, 5, 6]);
        assert!(!frame.is_zero());
        frame.fill_zero_range(4090, 6);
        assert!(frame.is_zero());
    }

    #[test]
    #[should_panic(expected = "do not lie within a frame")]
    fn a_range_beyond_the_frame_is_refused() {
        FramePool::arena(1).allocate().unwrap().write(4095, &[0, 0]);
    }

    #[test]
    fn clones_share_and_the_last_one_frees() {
        let pool = FramePool::arena(1);
        let first = pool.allocate_zeroed().unwrap();
        let second = first.clone();
        assert!(first.is_shared());
        second.write(0, b"x");
        assert!(!first.is_zero());
        drop(first);
        assert!(!second.is_shared());
        assert_eq!(pool.counts().free, 0);
        drop(second);
        assert_eq!(pool.counts().free, 1);
    }

    #[test]
    fn what_is_copied_is_mixed_the_same_each_way() {
        let pool = FramePool::arena(2);
        let (one, two) = (pool.allocate_zeroed().unwrap(), pool.allocate().unwrap());
        one.write(100, b"hello");
        let (mut out, mut back, mut page) = ([5, 6, 7, 8], [5, 6, 7, 8], [1; PAGE_SIZE]);
        one.read_mixing(page.as_mut_slice().into(), &mut out);
        two.write_mixing(&page, &mut back);
        assert_eq!((&page[98..107], out), (&b"\0\0hello\0\0"[..], back));
        let mut copy = [1; PAGE_SIZE];
        two.read(0, &mut copy);
        assert_eq!(copy, page);
    }

    #[test]
    fn a_copy_has_equal_content() {
        let pool = FramePool::arena(2);
        let (one, two) = (pool.allocate_zeroed().unwrap(), pool.allocate().unwrap());
        one.write(100, b"hello");
        two.copy_from(&one);
        let mut bytes = [0; 5];
        two.read(100, &mut bytes);
        assert_eq!(&bytes, b"hello");
    }
}
