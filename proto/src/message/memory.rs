//! What a deputy wants of a body's memory while it serves a call, and the answers.

use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::{wire_enum, wire_struct};
use crate::errno::Errno;
use crate::id::{ProcessKey, Tid, UserAddr};
use crate::image::Region;

wire_enum! {
    /// A memory request. The body answers the requests of one call in order.
    pub enum MemoryRequest {
        /// Read; answered by [`MemoryReply::Bytes`].
        1 => CopyIn {
            /// From where.
            addr: UserAddr,
            /// How many bytes, at most one window.
            len: u32,
        },
        /// Read a string; answered by [`MemoryReply::Text`].
        2 => CopyInStr {
            /// From where.
            addr: UserAddr,
            /// How many bytes at most, the NUL counted.
            max: u32,
        },
        /// Write; answered by [`MemoryReply::Count`].
        3 => CopyOut {
            /// Where to.
            addr: UserAddr,
            /// What, at most one window.
            bytes: Vec<u8>,
        },
        /// How many bytes can be read; answered by [`MemoryReply::Count`].
        4 => ProbeIn {
            /// From where.
            addr: UserAddr,
            /// How many bytes are of interest.
            len: u32,
        },
        /// How many bytes can be written; answered by [`MemoryReply::Count`].
        5 => ProbeOut {
            /// From where.
            addr: UserAddr,
            /// How many bytes are of interest.
            len: u32,
        },
        /// fork(2), vfork(2), clone(2): make the body of a child, which then calls home on a
        /// channel of its own; answered by [`MemoryReply::Done`].
        6 => MakeChild {
            /// The child.
            child: ProcessKey,
            /// What its body shows at home's door.
            token: u64,
            /// Whether it shares the address space until it execs or exits.
            vfork: bool,
        },
        /// execve(2): end every thread but the caller; answered by [`MemoryReply::Done`].
        7 => KillOthers,
        /// execve(2): a new address space and new registers; answered by [`MemoryReply::Done`].
        8 => Exec {
            /// What it holds.
            image: ExecImage,
        },
    }

    /// The answer to a memory request.
    pub enum MemoryReply {
        /// What could be read: fewer bytes than wanted mean a fault after them.
        1 => Bytes {
            /// The bytes.
            bytes: Vec<u8>,
        },
        /// A string.
        2 => Text {
            /// Its bytes, without the NUL.
            bytes: Vec<u8>,
            /// How it ended.
            end: StringEnd,
        },
        /// How many bytes were written or can be accessed: fewer than wanted mean a fault.
        3 => Count {
            /// The count.
            bytes: u32,
        },
        /// It is done.
        4 => Done,
        /// It could not be done.
        5 => Failed {
            /// Why.
            errno: Errno,
        },
    }

    /// How a string ended.
    pub enum StringEnd {
        /// With its NUL.
        1 => Nul,
        /// At the most bytes that were wanted.
        2 => Max,
        /// At memory that cannot be read.
        3 => Fault,
    }
}

wire_struct! {
    /// The address space of a new program. What must stand in it from the beginning (arguments,
    /// environment, auxiliary vector) follows as copyouts, the rest as page-ins.
    pub struct ExecImage {
        /// Its regions, sorted by address.
        pub regions: Vec<Region>,
        /// Where the heap begins.
        pub brk: UserAddr,
        /// The first instruction.
        pub entry: UserAddr,
        /// The first stack pointer.
        pub stack: UserAddr,
        /// The program's name (`comm`).
        pub name: String,
        /// The thread id the caller has from now on: the leader's.
        pub leader: Tid,
    }
}

/// What kind of answer a request wants, and how large it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// [`MemoryReply::Bytes`], at most so many.
    Bytes(u32),
    /// [`MemoryReply::Text`], at most so many bytes.
    Text(u32),
    /// [`MemoryReply::Count`], at most this.
    Count(u32),
    /// [`MemoryReply::Done`].
    Done,
}

impl MemoryRequest {
    /// What answers this request.
    pub fn expected(&self) -> Expected {
        match self {
            Self::CopyIn { len, .. } => Expected::Bytes(*len),
            Self::CopyInStr { max, .. } => Expected::Text(*max),
            Self::CopyOut { bytes, .. } => {
                Expected::Count(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
            }
            Self::ProbeIn { len, .. } | Self::ProbeOut { len, .. } => Expected::Count(*len),
            Self::MakeChild { .. } | Self::KillOthers | Self::Exec { .. } => Expected::Done,
        }
    }
}

impl Expected {
    /// Whether `reply` is such an answer: a peer may say anything (decision D13).
    pub fn fits(self, reply: &MemoryReply) -> bool {
        match (self, reply) {
            (_, MemoryReply::Failed { .. }) | (Self::Done, MemoryReply::Done) => true,
            (Self::Bytes(len), MemoryReply::Bytes { bytes }) => bytes.len() <= len as usize,
            (Self::Text(max), MemoryReply::Text { bytes, .. }) => {
                bytes.len() <= max as usize && !bytes.contains(&0)
            }
            (Self::Count(most), MemoryReply::Count { bytes }) => *bytes <= most,
            _ => false,
        }
    }
}
