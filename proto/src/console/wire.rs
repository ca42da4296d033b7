//! Bytes and fields: how each type of field is written and read, and what can be wrong with it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::MAX_FRAME;
use crate::errno::Errno;
use crate::id::{NodeId, Pid, Tid};
use crate::session::MovePhase;
use crate::table::Class;

/// What is wrong with bytes that claim to be a frame, or with a frame too large to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// The frame is `length` bytes, more than [`MAX_FRAME`]. A reader cannot find the next frame
    /// after this one: the stream is lost.
    TooLong {
        /// The length that was announced or that would have been sent.
        length: usize,
    },
    /// The frame ends inside a field.
    Truncated,
    /// Bytes are left after the last field.
    TrailingBytes,
    /// No frame of this direction has this tag.
    UnknownTag(u8),
    /// A field that is a choice has a value that stands for none.
    BadChoice(u8),
    /// A text field is not UTF-8.
    NotText,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "frame of {length} bytes, limit {MAX_FRAME}"),
            Self::Truncated => f.write_str("frame ends inside a field"),
            Self::TrailingBytes => f.write_str("bytes left after a frame's last field"),
            Self::UnknownTag(tag) => write!(f, "no frame has tag {tag}"),
            Self::BadChoice(value) => write!(f, "no choice has value {value}"),
            Self::NotText => f.write_str("text field is not UTF-8"),
        }
    }
}

impl core::error::Error for FrameError {}

/// One direction's set of frames.
pub trait Frame: Sized {
    /// Appends the frame's tag and fields, without the length, to `out`.
    fn encode_body(&self, out: &mut Vec<u8>);

    /// Reads a frame from `body`, which is all its bytes after the length.
    ///
    /// # Errors
    /// Any [`FrameError`] but `TooLong`.
    fn decode_body(body: &[u8]) -> Result<Self, FrameError>;

    /// Appends the whole frame, length first, to `out`.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when its fields exceed [`MAX_FRAME`]; `out` is then unchanged.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        self.encode_body(out);
        let length = out.len() - start - 4;
        match u32::try_from(length) {
            Ok(prefix) if length <= MAX_FRAME => {
                out[start..start + 4].copy_from_slice(&prefix.to_le_bytes());
                Ok(())
            }
            _ => {
                out.truncate(start);
                Err(FrameError::TooLong { length })
            }
        }
    }
}

/// The unread rest of a frame.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], FrameError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(FrameError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(FrameError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    /// Checks that every byte was read.
    pub(super) fn end(self) -> Result<(), FrameError> {
        if self.0.is_empty() { Ok(()) } else { Err(FrameError::TrailingBytes) }
    }
}

/// A type that a frame can have as a field.
pub(super) trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(input: &mut Input<'_>) -> Result<Self, FrameError>;
}

macro_rules! integer_fields {
    ($($integer:ty),*) => {$(
        impl Field for $integer {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
                input.array().map(Self::from_le_bytes)
            }
        }
    )*};
}

integer_fields!(u8, u16, u32, u64, i32);

macro_rules! newtype_fields {
    ($($newtype:ident),*) => {$(
        impl Field for $newtype {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
                Field::take(input).map(Self)
            }
        }
    )*};
}

newtype_fields!(NodeId, Pid, Tid, Errno);

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
        match u8::take(input)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(FrameError::BadChoice(other)),
        }
    }
}

/// Appends a length or count. A frame that needs more than 32 bits is far above [`MAX_FRAME`] and
/// is refused as a whole by [`Frame::encode`].
fn put_count(count: usize, out: &mut Vec<u8>) {
    u32::try_from(count).unwrap_or(u32::MAX).put(out);
}

fn take_count(input: &mut Input<'_>) -> Result<usize, FrameError> {
    usize::try_from(u32::take(input)?).map_err(|_| FrameError::Truncated)
}

impl Field for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        out.extend_from_slice(self);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
        let length = take_count(input)?;
        input.take(length).map(<[u8]>::to_vec)
    }
}

/// A list grows as its items are read, so a false count costs nothing.
macro_rules! list_fields {
    ($($item:ty),*) => {$(
        impl Field for Vec<$item> {
            fn put(&self, out: &mut Vec<u8>) {
                put_count(self.len(), out);
                for item in self {
                    item.put(out);
                }
            }

            fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
                let count = take_count(input)?;
                let mut items = Self::new();
                for _ in 0..count {
                    items.push(Field::take(input)?);
                }
                Ok(items)
            }
        }
    )*};
}

list_fields!(Vec<u8>, u64);

impl Field for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
        Self::from_utf8(Field::take(input)?).map_err(|_| FrameError::NotText)
    }
}

impl Field for Result<(), Errno> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_err().put(out);
        if let Err(errno) = self {
            errno.put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
        Ok(if bool::take(input)? { Err(Field::take(input)?) } else { Ok(()) })
    }
}

impl Field for MovePhase {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
        let number = u8::take(input)?;
        Self::ALL.get(usize::from(number)).copied().ok_or(FrameError::BadChoice(number))
    }
}

impl Field for Class {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Local => 0,
            Self::Remote => 1,
            Self::Special => 2,
        });
    }

    fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
        match u8::take(input)? {
            0 => Ok(Self::Local),
            1 => Ok(Self::Remote),
            2 => Ok(Self::Special),
            other => Err(FrameError::BadChoice(other)),
        }
    }
}
