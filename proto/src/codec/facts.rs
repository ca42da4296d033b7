//! How ids and Linux's own facts travel.

use alloc::vec::Vec;
use core::time::Duration;

use super::{DecodeError, Reader, Wire};
use crate::errno::Errno;
use crate::id::{CallSeq, Epoch, Fd, MapId, NodeId, Pid, ProcessKey, Tid, UserAddr};
use crate::linux::signal::{SigAction, SigAltStack, SigDetail, SigInfo, Signal};
use crate::time::Instant;

/// Newtypes travel as what they hold.
macro_rules! transparent {
    ($($name:ident),*) => {$(
        impl Wire for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }

            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Wire::decode(reader).map(Self)
            }
        }
    )*};
}

transparent!(NodeId, Pid, Epoch, CallSeq, Fd, MapId, UserAddr, Errno, Instant);

/// A thread id is positive and 0 is the control stream: unsigned, so that it stays short.
impl Wire for Tid {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.cast_unsigned().encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        i32::try_from(u32::decode(reader)?).map(Self).map_err(|_| DecodeError::Range)
    }
}

/// Structures of facts, field by field.
macro_rules! fields {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Wire for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$field.encode(out);)*
            }

            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: Wire::decode(reader)?),* })
            }
        }
    )*};
}

fields! {
    ProcessKey { home, pid }
    SigAction { handler, flags, restorer, mask }
    SigAltStack { base, flags, padding, size }
    SigInfo { signal, code, detail }
}

impl Wire for Signal {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.number());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::new(reader.number()?).ok_or(DecodeError::Range)
    }
}

impl Wire for SigDetail {
    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::None => out.push(0),
            Self::Sender { pid, uid } => {
                out.push(1);
                (pid, uid).encode(out);
            }
            Self::Child { pid, uid, status } => {
                out.push(2);
                (pid, uid).encode(out);
                status.encode(out);
            }
            Self::Fault { address } => {
                out.push(3);
                address.encode(out);
            }
            Self::Queued { pid, uid, value } => {
                out.push(4);
                (pid, uid).encode(out);
                value.encode(out);
            }
            Self::Timer { id, overrun, value } => {
                out.push(5);
                (id, overrun).encode(out);
                value.encode(out);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.number()? {
            0 => Ok(Self::None),
            1 => <(i32, u32)>::decode(reader).map(|(pid, uid)| Self::Sender { pid, uid }),
            2 => {
                let (pid, uid) = Wire::decode(reader)?;
                Ok(Self::Child { pid, uid, status: Wire::decode(reader)? })
            }
            3 => Wire::decode(reader).map(|address| Self::Fault { address }),
            4 => {
                let (pid, uid) = Wire::decode(reader)?;
                Ok(Self::Queued { pid, uid, value: Wire::decode(reader)? })
            }
            5 => {
                let (id, overrun) = Wire::decode(reader)?;
                Ok(Self::Timer { id, overrun, value: Wire::decode(reader)? })
            }
            other => Err(DecodeError::Ordinal(other)),
        }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::decode(reader)?, B::decode(reader)?))
    }
}

/// A duration travels as nanoseconds.
impl Wire for Duration {
    fn encode(&self, out: &mut Vec<u8>) {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX).encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u64::decode(reader).map(Self::from_nanos)
    }
}
