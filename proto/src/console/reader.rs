//! Frames out of a byte stream that arrives in pieces.

use alloc::vec::Vec;

use super::MAX_FRAME;
use super::wire::{Frame, FrameError};

/// Collects the bytes of a stream and gives back its frames.
///
/// Call [`push`](Self::push) with what arrived, then [`next`](Self::next) until it says `None`: so
/// no more than one frame and one piece are ever stored.
#[derive(Default, Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    /// How many of `bytes` belong to frames already given back.
    read: usize,
}

impl FrameReader {
    /// A reader at the beginning of a stream.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), read: 0 }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] for ever once a length exceeds [`MAX_FRAME`]. Any other error
    /// concerns one frame, which is passed over: the next call reads the one behind it.
    #[expect(clippy::should_implement_trait, reason = "the caller chooses the frame type")]
    pub fn next<F: Frame>(&mut self) -> Result<Option<F>, FrameError> {
        let Some((prefix, rest)) = self.bytes[self.read..].split_first_chunk() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(FrameError::TooLong { length });
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = F::decode_body(body);
        self.read += prefix.len() + length;
        frame.map(Some)
    }
}
