//! Memory that another machine of the same host sees, too.
//!
//! Who else writes there is not trusted: bytes are copied out before anybody looks at them, and may
//! be different the next time they are read. No reference to them ever exists.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use super::room::Room;
use super::{PAGE_SIZE, bytes};

/// A range of shared memory, this machine's only handle to it.
#[derive(Debug)]
pub struct SharedMemory {
    base: NonNull<u8>,
    length: usize,
}

impl SharedMemory {
    /// The `length` bytes from `base` on.
    ///
    /// # Safety
    ///
    /// They must be mapped writable for ever, begin at a multiple of 8, and be used by nothing else
    /// of this machine.
    pub(crate) unsafe fn new(base: NonNull<u8>, length: usize) -> Self {
        Self { base, length }
    }

    /// Handles to the same heap memory, which stays for ever: for tests on the host, where they
    /// stand for several machines.
    ///
    /// # Panics
    ///
    /// When the host has not that much memory.
    pub fn arena<const HANDLES: usize>(length: usize) -> [Self; HANDLES] {
        let layout = Layout::from_size_align(length.max(1), PAGE_SIZE);
        // SAFETY: the size is not 0.
        let memory = layout.map(|layout| unsafe { alloc::alloc::alloc_zeroed(layout) });
        let base = memory.ok().and_then(NonNull::new).expect("the host has memory for the arena");
        // SAFETY: the memory was allocated so, is never freed, and known to these only, which
        // access it as several machines would.
        [(); HANDLES].map(|()| unsafe { Self::new(base, length) })
    }

    /// Bytes of the range.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Two handles, to the first `middle` bytes and to the rest.
    ///
    /// # Panics
    ///
    /// When there are not that many.
    pub fn split_at(self, middle: usize) -> (Self, Self) {
        self.check(middle, 0);
        // SAFETY: the middle lies within the range or at its end.
        let rest = unsafe { self.base.add(middle) };
        let (first, second) = (middle, self.length - middle);
        (Self { base: self.base, length: first }, Self { base: rest, length: second })
    }

    /// Copies bytes out, from `offset` on.
    ///
    /// # Panics
    ///
    /// When they do not lie within the range: offsets are the caller's, never the peer's.
    pub fn read(&self, offset: usize, target: &mut [u8]) {
        self.check(offset, target.len());
        // SAFETY: the range is mapped; the copy is in assembly, so that a concurrent change by
        // another machine only decides which bytes are seen.
        unsafe { bytes::copy(target.as_mut_ptr(), self.address(offset), target.len()) };
    }

    /// Copies bytes in, from `offset` on.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn write(&self, offset: usize, source: &[u8]) {
        self.check(offset, source.len());
        // SAFETY: as in `read`.
        unsafe { bytes::copy(self.address(offset), source.as_ptr(), source.len()) };
    }

    /// The `length` bytes from `offset` on, to be written.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn room(&mut self, offset: usize, length: usize) -> Room<'_> {
        self.check(offset, length);
        // SAFETY: the range is mapped writable, and this is the machine's only handle to it.
        unsafe { Room::new(self.address(offset), length) }
    }

    /// A word, and with it all that its writer wrote before it.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read), and when `offset` is no multiple of 8.
    pub fn load(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Acquire)
    }

    /// Writes a word after all that was written before it.
    ///
    /// # Panics
    ///
    /// As [`load`](Self::load).
    pub fn store(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::Release);
    }

    /// Orders what was stored before it ahead of what is loaded after it.
    pub fn fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        self.check(offset, size_of::<u64>());
        assert!(offset.is_multiple_of(size_of::<u64>()), "{offset} is no place of a word");
        // SAFETY: the word is mapped and aligned, and whole words are all that the other machine's
        // kernel accesses there; whatever it does, any value is a valid one.
        unsafe { AtomicU64::from_ptr(self.address(offset).cast()) }
    }

    fn address(&self, offset: usize) -> *mut u8 {
        self.base.as_ptr().wrapping_add(offset)
    }

    fn check(&self, offset: usize, length: usize) {
        let fits = self.length.checked_sub(offset).is_some_and(|left| length <= left);
        assert!(fits, "{offset} and {length} lie outside {} shared bytes", self.length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_handles_see_the_same_bytes() {
        let [one, other] = SharedMemory::arena(64);
        one.write(8, b"abc");
        one.store(16, 7);
        let mut seen = [0; 3];
        other.read(8, &mut seen);
        assert_eq!((&seen, other.load(16), other.length()), (b"abc", 7, 64));
    }

    #[test]
    fn parts_are_apart() {
        let [one, other] = SharedMemory::arena(64);
        let (first, second) = one.split_at(24);
        assert_eq!((first.length(), second.length()), (24, 40));
        second.store(0, 9);
        assert_eq!((other.load(24), first.load(16)), (9, 0));
    }

    #[test]
    #[should_panic(expected = "outside 64 shared bytes")]
    fn what_lies_beyond_is_refused() {
        let [memory] = SharedMemory::arena(64);
        memory.read(60, &mut [0; 5]);
    }
}
