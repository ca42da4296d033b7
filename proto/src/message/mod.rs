//! The messages of a channel.
//!
//! Each is an [`Envelope`]: the thread and the call it belongs to, then what is said. A body says
//! [`BodyMessage`]s, a deputy [`DeputyMessage`]s. Messages of the control stream have thread
//! [`Tid::CONTROL`] and sequence 0. The epoch was fixed in the channel's handshake and is not
//! repeated (decision D6).

mod body;
mod deputy;
mod memory;

use alloc::vec::Vec;

pub use body::{
    Args, BodyMessage, Call, CpuTime, InWindow, IoCounts, Lack, OutWindow, Remembered,
    Requirements, Ticket, Totals, Usage,
};
pub use deputy::{
    Action, ByeReason, DeputyMessage, FileBytes, FilePages, FileVersion, OutBytes, Query,
    RawResult, Reply,
};
pub use memory::{ExecImage, Expected, MemoryReply, MemoryRequest, StringEnd};

use crate::codec::{self, DecodeError, Frame, Reader, Wire, wire_struct};
use crate::id::{CallSeq, Tid};

/// A message and the call it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope<M> {
    /// The thread; [`Tid::CONTROL`] on the control stream.
    pub thread: Tid,
    /// Its call; 0 on the control stream.
    pub seq: CallSeq,
    /// What is said.
    pub message: M,
}

impl<M> Envelope<M> {
    /// A message of the control stream.
    pub const fn control(message: M) -> Self {
        Self { thread: Tid::CONTROL, seq: CallSeq(0), message }
    }
}

impl<M: Wire> Envelope<M> {
    /// The frame that carries it.
    pub fn to_frame(&self) -> Frame {
        codec::frame(self)
    }
}

impl<M: Wire> Wire for Envelope<M> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.thread.encode(out);
        self.seq.encode(out);
        self.message.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            thread: Tid::decode(reader)?,
            seq: CallSeq::decode(reader)?,
            message: M::decode(reader)?,
        })
    }
}

wire_struct! {
    /// Why something was refused.
    pub struct Refusal {
        /// For the program.
        pub errno: crate::errno::Errno,
        /// For people: names the object and the reason.
        pub reason: alloc::string::String,
    }
}
