//! Frames: a length, then that many bytes.

use alloc::vec::Vec;

use super::{DecodeError, Reader, Wire, put_number};

/// The frame that carries `value`.
pub fn frame(value: &impl Wire) -> Vec<u8> {
    let mut payload = Vec::with_capacity(64);
    value.encode(&mut payload);
    let mut out = Vec::with_capacity(payload.len() + 3);
    put_number(&mut out, payload.len() as u64);
    out.append(&mut payload);
    out
}

/// Cuts a stream of bytes into frames, whatever pieces it comes in.
///
/// It holds at most one unfinished frame and what was pushed since frames were last taken: take
/// all frames after each push.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that belong to frames already taken.
    taken: usize,
    limit: usize,
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

    /// Adds bytes as they came from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The bytes that belong to no frame taken so far, for a reader of another kind.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buffer.split_off(self.taken)
    }

    /// The next whole frame, read as `T`; `None` until more bytes come.
    ///
    /// # Errors
    /// [`DecodeError`]: the stream is broken from here on and the connection must be dropped.
    pub fn next_frame<T: Wire>(&mut self) -> Result<Option<T>, DecodeError> {
        self.next_payload()?.map(super::decode).transpose()
    }

    /// The bytes of the next whole frame; `None` until more bytes come.
    ///
    /// # Errors
    /// [`DecodeError`] when the frame is longer than the limit: drop the connection.
    pub fn next_payload(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        let mut reader = Reader::new(&self.buffer[self.taken..]);
        let available = reader.remaining();
        let length = match reader.number() {
            Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Err(DecodeError::Truncated) => return Ok(None),
            Err(error) => return Err(error),
        };
        if length > self.limit {
            return Err(DecodeError::TooLong);
        }
        let prefix = available - reader.remaining();
        if reader.remaining() < length {
            return Ok(None);
        }
        let start = self.taken + prefix;
        self.taken = start + length;
        Ok(Some(&self.buffer[start..self.taken]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_went_in() {
        let mut stream = frame(&7u64);
        stream.extend(frame(&(1u64 << 40)));
        for piece in 1..=stream.len() {
            let mut reader = FrameReader::new(16);
            let mut values = Vec::new();
            for bytes in stream.chunks(piece) {
                reader.push(bytes);
                while let Some(value) = reader.next_frame::<u64>().unwrap() {
                    values.push(value);
                }
            }
            assert_eq!(values, [7, 1 << 40]);
        }
    }

    #[test]
    fn a_long_frame_is_refused_at_its_length() {
        let mut reader = FrameReader::new(16);
        reader.push(&[17]);
        assert_eq!(reader.next_frame::<u64>(), Err(DecodeError::TooLong));
    }
}
