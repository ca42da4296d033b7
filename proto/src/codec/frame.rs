//! Frames: a length, then that many bytes.

use alloc::vec::Vec;
use core::ops::{Deref, Range};

use super::{DecodeError, ROOM, Reader, Wire, put_number};

/// Bytes of a reader's buffer that are kept for the next frame.
const KEPT: usize = 4096;

/// Room for a length before its message is written: as many bytes as a number can take.
const PREFIX: usize = 10;

/// One frame as bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    bytes: Vec<u8>,
    /// Where it begins: how long the length is shows only when the message is written.
    start: usize,
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// The frame that carries `value`.
pub fn frame(value: &impl Wire) -> Frame {
    let mut bytes = Vec::with_capacity(ROOM);
    bytes.resize(PREFIX, 0);
    value.encode(&mut bytes);
    let length = (bytes.len() - PREFIX) as u64;
    // The length is written after the message and put before it: large messages are not copied.
    let end = bytes.len();
    put_number(&mut bytes, length);
    let start = PREFIX - (bytes.len() - end);
    bytes.copy_within(end.., start);
    bytes.truncate(end);
    Frame { bytes, start }
}

/// Cuts a stream of bytes into frames, whatever pieces it comes in. A frame that comes in one piece
/// is read where it lies.
///
/// It holds at most one unfinished frame and what was pushed: take all frames of what comes.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that belong to frames already taken.
    taken: usize,
    limit: usize,
}

/// What the beginning of some bytes is.
enum Cut {
    /// A frame with this payload.
    Whole(Range<usize>),
    /// Part of a frame that needs so many bytes more, at least.
    Part(usize),
}

impl FrameReader {
    /// A reader that refuses frames of more than `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), taken: 0, limit }
    }

    /// Changes the limit for the frames still to come (after a handshake).
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Keeps bytes of the peer for later.
    pub fn push(&mut self, bytes: &[u8]) {
        self.drop_taken();
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives back the room of frames already taken.
    pub fn shrink(&mut self) {
        self.drop_taken();
        self.buffer.shrink_to_fit();
    }

    /// The bytes that belong to no frame taken so far, for a reader of another kind.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buffer.split_off(self.taken)
    }

    /// The next whole frame, read as `T`: see [`next_payload`](Self::next_payload).
    ///
    /// # Errors
    /// [`DecodeError`]: the stream is broken from here on and the connection must be dropped.
    pub fn next_frame<T: Wire>(&mut self, bytes: &mut &[u8]) -> Result<Option<T>, DecodeError> {
        self.next_payload(bytes)?.map(super::decode).transpose()
    }

    /// The bytes of the next whole frame of what was kept and of `bytes`, which come after it and
    /// of which those are taken off that were used; `None` once more of the peer must come.
    ///
    /// # Errors
    /// [`DecodeError`] when the frame is longer than the limit: drop the connection.
    pub fn next_payload<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        while self.taken < self.buffer.len() {
            match self.cut(&self.buffer[self.taken..])? {
                Cut::Whole(payload) => {
                    let start = self.taken;
                    self.taken += payload.end;
                    return Ok(Some(&self.buffer[start + payload.start..self.taken]));
                }
                Cut::Part(_) if bytes.is_empty() => return Ok(None),
                Cut::Part(missing) => self.keep(bytes, missing),
            }
        }
        self.rest();
        if bytes.is_empty() {
            return Ok(None);
        }
        match self.cut(bytes)? {
            Cut::Whole(payload) => {
                let (frame, rest) = bytes.split_at(payload.end);
                *bytes = rest;
                Ok(Some(&frame[payload]))
            }
            Cut::Part(missing) => {
                let there = bytes.len();
                self.keep(bytes, there);
                // Once, not each time that a piece of it comes.
                self.buffer.reserve_exact(missing);
                Ok(None)
            }
        }
    }

    fn cut(&self, bytes: &[u8]) -> Result<Cut, DecodeError> {
        let mut reader = Reader::new(bytes);
        let length = match reader.number() {
            Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Err(DecodeError::Truncated) => return Ok(Cut::Part(1)),
            Err(error) => return Err(error),
        };
        if length > self.limit {
            return Err(DecodeError::TooLong);
        }
        let start = bytes.len() - reader.remaining();
        Ok(match length.checked_sub(reader.remaining()) {
            None | Some(0) => Cut::Whole(start..start + length),
            Some(missing) => Cut::Part(missing),
        })
    }

    /// Keeps the first `most` bytes of `bytes`.
    fn keep(&mut self, bytes: &mut &[u8], most: usize) {
        let (kept, rest) = bytes.split_at(most.min(bytes.len()));
        self.push(kept);
        *bytes = rest;
    }

    fn drop_taken(&mut self) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Gives back the room of large frames once nothing is left of them: most channels say nothing
    /// most of the time.
    fn rest(&mut self) {
        self.taken = 0;
        self.buffer.clear();
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn payload(value: &impl Wire) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        bytes
    }

    #[test]
    fn frames_come_out_whole_however_they_went_in() {
        let large = vec![5u8; 300];
        let stream = [&frame(&7u64)[..], &frame(&(1u64 << 40)), &frame(&large)].concat();
        for piece in 1..=stream.len() {
            let mut reader = FrameReader::new(512);
            let mut payloads = Vec::new();
            for mut bytes in stream.chunks(piece) {
                while let Some(payload) = reader.next_payload(&mut bytes).unwrap() {
                    payloads.push(payload.to_vec());
                }
                assert!(bytes.is_empty());
            }
            assert_eq!(payloads, [payload(&7u64), payload(&(1u64 << 40)), payload(&large)]);
        }
    }

    #[test]
    fn the_room_of_a_large_frame_is_given_back() {
        let large = frame(&vec![7u8; 5 * KEPT]);
        let mut reader = FrameReader::new(2 * large.len());
        let mut next = |mut bytes: &[u8]| {
            let frame = reader.next_frame::<Vec<u8>>(&mut bytes).unwrap();
            let none = reader.next_frame::<Vec<u8>>(&mut bytes).unwrap();
            assert_eq!((none, bytes), (None, &[][..]));
            (frame.map(|bytes| bytes.len()), reader.buffer.capacity())
        };
        let (begun, whole) = (Some(5 * KEPT), Some(3));
        assert_eq!(next(&large), (begun, 0), "what comes whole is not kept");
        let (none, capacity) = next(&large[..2 * KEPT]);
        assert!(none.is_none() && capacity >= large.len());
        let small = frame(&vec![8u8; 3]);
        let rest = [&large[2 * KEPT..], &small[..2]].concat();
        assert_eq!(next(&rest).0, begun);
        let (last, capacity) = next(&small[2..]);
        assert!(last == whole && capacity <= KEPT, "{last:?} {capacity}");
    }

    #[test]
    fn a_long_frame_is_refused_at_its_length() {
        let mut reader = FrameReader::new(16);
        assert_eq!(reader.next_frame::<u64>(&mut &[17][..]), Err(DecodeError::TooLong));
        assert!(reader.buffer.is_empty());
    }
}
