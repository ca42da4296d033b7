//! How a connection begins: the one who opened it says what it is for, the other accepts or
//! refuses.
//!
//! | purpose | from | to |
//! |---|---|---|
//! | [`Purpose::NewBody`] | a deputy | the migration daemon of the target |
//! | [`Purpose::ForkChild`] | a new body | the deputy port of its home |
//! | [`Purpose::InDoubt`] | a body whose channel broke in doubt | the deputy port of its home |
//! | [`Purpose::Image`] | the old body | the image port of the target |
//!
//! Version and features are negotiated here and the epoch of the channel is fixed here; no later
//! message repeats them (decisions D6 and D13).

use alloc::string::String;

use crate::codec::{DecodeError, Frame, FrameReader, frame, wire_enum, wire_struct};
use crate::errno::Errno;
use crate::id::{Epoch, ProcessKey};
use crate::limits;
use crate::message::{Requirements, Ticket};

/// "WFR" and a byte that is no text, so that a stray text protocol is refused at once.
pub const MAGIC: u32 = 0x8052_4657;

/// The version spoken. A change that an older peer would misread raises it.
pub const VERSION: u16 = 1;

/// The features offered; none is defined yet, so none is ever agreed on.
pub const FEATURES: u64 = 0;

/// The TCP port of a node's deputies: fork children and bodies in doubt call here.
pub const DEPUTY_PORT: u16 = 8701;
/// The TCP port of a node's migration daemon.
pub const MIGRATION_PORT: u16 = 8702;
/// The TCP port of a node that images are streamed to.
pub const IMAGE_PORT: u16 = 8703;
/// The TCP port where a node answers benchmarks, if it was booted for them
/// ([`crate::boot::BENCH`]).
pub const PROBE_PORT: u16 = 8704;

wire_struct! {
    /// The first frame of a connection.
    pub struct Hello {
        /// [`MAGIC`].
        pub magic: u32,
        /// The highest version the caller speaks.
        pub version: u16,
        /// The features it offers.
        pub features: u64,
        /// What the connection is for.
        pub purpose: Purpose,
    }
}

wire_enum! {
    /// What a connection is for.
    pub enum Purpose {
        /// Host a body. The answer's token is what the old body shows at the image port.
        1 => NewBody {
            /// Whose.
            process: ProcessKey,
            /// The epoch the body has once it runs.
            epoch: Epoch,
            /// What it needs.
            requirements: Requirements,
        },
        /// The channel of a child that was made by fork.
        2 => ForkChild {
            /// The child.
            child: ProcessKey,
            /// What its deputy told the parent's body.
            token: u64,
        },
        /// A body asks what became of its move.
        3 => InDoubt {
            /// Whose body.
            process: ProcessKey,
            /// The epoch in which it ran.
            epoch: Epoch,
        },
        /// An image follows.
        4 => Image {
            /// What the target's daemon gave out.
            token: u64,
        },
    }

    /// The first frame of the answer.
    pub enum Answer {
        /// Go on.
        1 => Accept {
            /// The version to speak.
            version: u16,
            /// The features both have.
            features: u64,
            /// For [`Purpose::NewBody`]: what to show at the image port. Else [`Ticket::NONE`].
            ticket: Ticket,
        },
        /// No; the connection ends.
        2 => Refuse {
            /// For the program.
            errno: Errno,
            /// For people.
            reason: String,
        },
    }
}

/// Why the beginning of a connection is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandshakeError {
    /// Not a frame of ours.
    Decode(DecodeError),
    /// Another protocol.
    Magic,
    /// A version that is not spoken.
    Version(u16),
}

impl From<DecodeError> for HandshakeError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// The frame that opens a connection.
pub fn hello(purpose: Purpose) -> Frame {
    frame(&Hello { magic: MAGIC, version: VERSION, features: FEATURES, purpose })
}

/// The frame that accepts; `ticket` as in [`Answer::Accept`].
pub fn accept(ticket: Ticket) -> Frame {
    frame(&Answer::Accept { version: VERSION, features: FEATURES, ticket })
}

/// The frame that refuses.
pub fn refuse(errno: Errno, reason: &str) -> Frame {
    frame(&Answer::Refuse { errno, reason: reason.into() })
}

/// The receiving end of a connection until it is known what it is for.
#[derive(Debug)]
pub struct Acceptor {
    reader: FrameReader,
}

impl Default for Acceptor {
    fn default() -> Self {
        Self { reader: FrameReader::new(limits::HELLO) }
    }
}

impl Acceptor {
    /// Takes bytes of the peer; gives the purpose when all of the hello is there. The caller then
    /// answers with [`accept`] or [`refuse`] (or lets the session answer) and hands on
    /// [`Acceptor::into_reader`], which holds what came after the hello.
    ///
    /// # Errors
    /// [`HandshakeError`]: drop the connection.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<Option<Purpose>, HandshakeError> {
        let Some(hello) = self.reader.next_frame::<Hello>(&mut bytes)? else { return Ok(None) };
        self.reader.push(bytes);
        if hello.magic != MAGIC {
            return Err(HandshakeError::Magic);
        }
        if hello.version < VERSION {
            return Err(HandshakeError::Version(hello.version));
        }
        Ok(Some(hello.purpose))
    }

    /// The bytes after the hello, with the frame limit of a channel.
    pub fn into_reader(mut self) -> FrameReader {
        self.reader.set_limit(limits::FRAME);
        self.reader
    }
}
