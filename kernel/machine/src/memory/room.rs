//! Room for bytes that somebody else writes.

use core::marker::PhantomData;

/// Memory to be written, this program's or such that another machine sees, too: so there is no
/// reference to it.
#[derive(Debug)]
pub struct Room<'a> {
    start: *mut u8,
    length: usize,
    lent: PhantomData<&'a mut [u8]>,
}

impl Room<'_> {
    /// The `length` bytes from `start` on.
    ///
    /// # Safety
    ///
    /// They must be writable, and this program must not use them otherwise, as long as the room
    /// lives.
    pub(super) unsafe fn new(start: *mut u8, length: usize) -> Self {
        Self { start, length, lent: PhantomData }
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.start
    }

    /// Bytes of it.
    pub fn length(&self) -> usize {
        self.length
    }
}

impl<'a> From<&'a mut [u8]> for Room<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        Self { start: bytes.as_mut_ptr(), length: bytes.len(), lent: PhantomData }
    }
}
