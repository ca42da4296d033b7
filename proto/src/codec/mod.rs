//! Bytes of a message: LEB128 numbers (zigzag when signed), lengths before contents, explicit
//! ordinals for the variants of an enum.
//!
//! Decoding is strict and total: any bytes give a value or a [`DecodeError`], and no allocation is
//! larger than the bytes that are there (decision D13). Types are defined with `wire_struct!` and
//! `wire_enum!`, so that a field cannot be encoded and not decoded; an ordinal, once used, is
//! never given to another variant.

mod facts;
mod frame;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use frame::{Frame, FrameReader, frame};

use crate::errno::Errno;
use crate::limits;

/// Bytes that a message without long fields hardly exceeds.
const ROOM: usize = 64;

/// Why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The message ends inside a field.
    Truncated,
    /// Bytes follow the last field.
    Trailing,
    /// A number is larger than its field.
    Range,
    /// No variant has this ordinal.
    Ordinal(u64),
    /// A list, text or frame is longer than its limit.
    TooLong,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("message ends inside a field"),
            Self::Trailing => f.write_str("bytes after the last field"),
            Self::Range => f.write_str("number out of range"),
            Self::Ordinal(ordinal) => write!(f, "unknown ordinal {ordinal}"),
            Self::TooLong => f.write_str("longer than its limit"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A value that has a place in a message.
pub trait Wire: Sized {
    /// Appends its bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads it.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such a value.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// The bytes of a message that are still to be read.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.bytes = tail;
        Ok(head)
    }

    /// An unsigned LEB128 number of at most 64 bits.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::Range`] above 64 bits.
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::Range);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Range)
    }

    /// A length that is within `limit` and within the bytes that are left.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] above `limit`, [`DecodeError::Truncated`] above what is there.
    pub fn length(&mut self, limit: usize) -> Result<usize, DecodeError> {
        let length = usize::try_from(self.number()?).map_err(|_| DecodeError::TooLong)?;
        if length > limit {
            return Err(DecodeError::TooLong);
        }
        if length > self.remaining() { Err(DecodeError::Truncated) } else { Ok(length) }
    }
}

/// Reads one value that fills `bytes`.
///
/// # Errors
/// [`DecodeError`] when the bytes are not exactly one such value.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader)?;
    if reader.remaining() == 0 { Ok(value) } else { Err(DecodeError::Trailing) }
}

/// Appends an unsigned LEB128 number.
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes after their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Room for what follows them, too: it would else move them once more.
    out.reserve(bytes.len() + ROOM);
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

macro_rules! unsigned {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn encode(&self, out: &mut Vec<u8>) {
                put_number(out, u64::from(*self));
            }

            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::try_from(reader.number()?).map_err(|_| DecodeError::Range)
            }
        }
    )*};
}

unsigned!(u16, u32, u64);

impl Wire for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, ((self << 1) ^ (self >> 63)) as u64);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let zigzag = reader.number()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }
}

impl Wire for i32 {
    fn encode(&self, out: &mut Vec<u8>) {
        i64::from(*self).encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::try_from(i64::decode(reader)?).map_err(|_| DecodeError::Range)
    }
}

impl Wire for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.number()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::Ordinal(other)),
        }
    }
}

impl Wire for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = reader.length(limits::WINDOW)?;
        Ok(reader.take(length)?.to_vec())
    }
}

/// Text is cut at [`limits::TEXT`] when written; what is not UTF-8 is replaced when read.
impl Wire for String {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.as_bytes()[..self.floor_char_boundary(limits::TEXT)]);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = reader.length(limits::TEXT)?;
        Ok(Self::from_utf8_lossy(reader.take(length)?).into_owned())
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        debug_assert!(self.len() <= limits::LIST, "lists are bounded where they are made");
        put_number(out, self.len() as u64);
        for element in self {
            element.encode(out);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // An element takes at least one byte, so the count is bounded by the message too.
        let count = reader.length(limits::LIST)?;
        (0..count).map(|_| T::decode(reader)).collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if bool::decode(reader)? { T::decode(reader).map(Some) } else { Ok(None) }
    }
}

/// Success is a zero before the value; failure is the error number, which is never zero.
impl<T: Wire> Wire for Result<T, Errno> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Ok(value) => {
                out.push(0);
                value.encode(out);
            }
            Err(errno) => errno.encode(out),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u16::decode(reader)? {
            0 => T::decode(reader).map(Ok),
            errno => Ok(Err(Errno(errno))),
        }
    }
}

/// Defines structures whose fields travel in order.
macro_rules! wire_struct {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $kind:ty,)* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name { $($(#[$field_meta])* pub $field: $kind,)* }

        impl $crate::codec::Wire for $name {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                $($crate::codec::Wire::encode(&self.$field, out);)*
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::DecodeError> {
                Ok(Self { $($field: $crate::codec::Wire::decode(reader)?,)* })
            }
        }
    )*};
}

/// Defines enums whose variants have explicit ordinals, which are never reused.
macro_rules! wire_enum {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident {
            $(
                $(#[$variant_meta:meta])*
                $ordinal:literal => $variant:ident
                $({ $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* })?,
            )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum $name {
            $(
                $(#[$variant_meta])*
                $variant $({ $($(#[$field_meta])* $field: $kind,)* })?,
            )*
        }

        impl $crate::codec::Wire for $name {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field,)* })? => {
                        $crate::codec::put_number(out, $ordinal);
                        $($($crate::codec::Wire::encode($field, out);)*)?
                    })*
                }
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::DecodeError> {
                match reader.number()? {
                    $($ordinal => Ok(Self::$variant $({
                        $($field: $crate::codec::Wire::decode(reader)?,)*
                    })?),)*
                    other => Err($crate::codec::DecodeError::Ordinal(other)),
                }
            }
        }
    )*};
}

pub(crate) use {wire_enum, wire_struct};
