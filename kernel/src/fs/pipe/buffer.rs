//! The bytes in a pipe.

use alloc::collections::VecDeque;

use wayfarer_machine::{Frame, FramePool, OutOfFrames};

const PAGE: usize = 4096;

/// A queue of bytes in frames, so that full pipes fill the frame pool, which can run out, and not
/// the kernel's heap, which must not.
pub(crate) struct Buffer {
    pool: FramePool,
    frames: VecDeque<Frame>,
    /// Offset of the first byte in the first frame.
    start: usize,
    length: usize,
    capacity: usize,
}

/// More bytes wait than the new capacity holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooFull;

impl Buffer {
    pub(crate) const fn new(pool: FramePool, capacity: usize) -> Self {
        Self { pool, frames: VecDeque::new(), start: 0, length: 0, capacity }
    }

    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// 0 too when more was taken in than the capacity (decision 0016).
    pub(crate) const fn room(&self) -> usize {
        self.capacity.saturating_sub(self.length)
    }

    pub(crate) const fn set_capacity(&mut self, capacity: usize) -> Result<(), TooFull> {
        if capacity < self.length {
            return Err(TooFull);
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Takes up to `target.len()` bytes out; how many there were.
    pub(crate) fn read(&mut self, target: &mut [u8]) -> usize {
        let count = self.peek(0, target);
        self.skip(count);
        count
    }

    /// Forgets the first `count` bytes, which are there.
    pub(super) fn skip(&mut self, count: usize) {
        debug_assert!(count <= self.length, "the caller has seen them");
        self.length -= count;
        self.start += count;
        if self.start >= PAGE {
            self.frames.drain(..self.start / PAGE);
            self.start %= PAGE;
        }
        if self.length == 0 {
            self.start = 0;
            // One stays for the next write; an idle pipe takes no more.
            self.frames.truncate(1);
        }
    }

    /// Copies bytes from `offset` on without taking them out, as many as there are for `target`.
    pub(crate) fn peek(&self, offset: usize, target: &mut [u8]) -> usize {
        let count = target.len().min(self.length.saturating_sub(offset));
        let mut done = 0;
        while done < count {
            let at = self.start + offset + done;
            let part = (count - done).min(PAGE - at % PAGE);
            self.frames[at / PAGE].read(at % PAGE, &mut target[done..done + part]);
            done += part;
        }
        count
    }

    /// Puts all of `data` in; the caller has looked whether there is room.
    ///
    /// # Errors
    /// [`OutOfFrames`], with nothing put in.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<usize, OutOfFrames> {
        let end = self.start + self.length + data.len();
        while self.frames.len() < end.div_ceil(PAGE) {
            self.frames.push_back(self.pool.allocate()?);
        }
        let mut done = 0;
        while done < data.len() {
            let at = self.start + self.length;
            let part = (data.len() - done).min(PAGE - at % PAGE);
            self.frames[at / PAGE].write(at % PAGE, &data[done..done + part]);
            done += part;
            self.length += part;
        }
        Ok(done)
    }
}
