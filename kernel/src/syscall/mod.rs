//! System calls: from registers to a typed [`Call`], and to where it runs.
//!
//! The body half makes a [`Request`] of home whenever it cannot serve a call alone, and home
//! answers with a [`Reply`]. A whole process does the same; only the way between the halves is
//! shorter. So a handler exists once and cannot tell where its caller is (decision D3):
//!
//! | module | side | serves |
//! |---|---|---|
//! | [`local`] | body | calls that never need home: memory, futex, time, identity |
//! | [`execute`] | body | the way of every call, and the body's part of those that home serves |
//! | [`serve`] | home | requests, through the handlers in [`home`] |

pub mod caller;
pub mod execute;
pub mod home;
mod interval;
pub mod local;
pub mod serve;
pub mod trace;
pub mod user_memory;

pub use caller::Caller;
pub(crate) use local::{HOST, RELEASE, VERSION};
pub use user_memory::{MemoryError, UserMemory};

use alloc::vec::Vec;

use wayfarer_machine::Registers;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{MapId, UserAddr};
use wayfarer_proto::linux::signal::{SigInfo, SignalSet};
use wayfarer_proto::table::Sysno;

use crate::signal::Action;

/// What a system call gives: the value for `rax`, or why not.
pub type SysResult = Result<u64, Errno>;

/// What a call gives, as `rax` will hold it: a [`SysResult`] takes memory to hand over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Returned(u64);

impl Returned {
    /// Of a call that has failed.
    #[inline]
    pub const fn of_error(errno: Errno) -> Self {
        Self(errno.to_return_value())
    }

    /// The value for `rax`; `None` for an error that is not for programs.
    #[inline]
    pub const fn for_program(self) -> Option<u64> {
        const LARGEST: u64 = Errno::ERESTARTSYS.to_return_value();
        const SMALLEST: u64 = (-4095_i64).cast_unsigned();
        if self.0.wrapping_sub(SMALLEST) <= LARGEST - SMALLEST { None } else { Some(self.0) }
    }

    /// Whether the call has failed.
    #[inline]
    pub const fn is_error(self) -> bool {
        self.result().is_err()
    }

    /// The result that it was made of.
    #[inline]
    pub const fn result(self) -> SysResult {
        Errno::from_return_value(self.0)
    }
}

impl From<SysResult> for Returned {
    #[inline]
    fn from(result: SysResult) -> Self {
        match result {
            Ok(value) => Self(value),
            Err(errno) => Self::of_error(errno),
        }
    }
}

/// A system call with its raw arguments. Handlers get typed ones from the accessors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Which call.
    pub sysno: Sysno,
    /// The six argument registers.
    pub args: [u64; 6],
}

impl Call {
    /// Reads a call from the registers of the `syscall` instruction.
    ///
    /// # Errors
    /// The number in `rax`, if the table has no row for it.
    #[inline]
    pub fn from_registers(registers: &Registers) -> Result<Self, u64> {
        let sysno = Sysno::from_number(registers.rax).ok_or(registers.rax)?;
        let args = [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ];
        Ok(Self { sysno, args })
    }

    /// Argument `index` as the ABI's `int`: the upper half of the register means nothing.
    pub const fn int(&self, index: usize) -> i32 {
        self.args[index] as i32
    }

    /// Argument `index` as an address.
    pub const fn addr(&self, index: usize) -> UserAddr {
        UserAddr(self.args[index])
    }
}

/// Home's answer to mmap(2) of a file: what the body may map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    /// Memory of zeroes: the file is `/dev/zero`.
    Zeroes,
    /// A file.
    File {
        /// Its name for page-ins.
        map: MapId,
        /// Whether it is open for writing.
        writable: bool,
    },
}

impl Grant {
    const WRITABLE: u64 = 1 << 32;

    /// As the result of the call, on its way to the body.
    pub fn to_value(self) -> u64 {
        match self {
            Self::Zeroes => 0,
            Self::File { map, writable: false } => map.0.into(),
            Self::File { map, writable: true } => u64::from(map.0) | Self::WRITABLE,
        }
    }

    /// What [`to_value`](Self::to_value) was given.
    pub fn from_value(value: u64) -> Self {
        match value as u32 {
            0 => Self::Zeroes,
            map => Self::File { map: MapId(map), writable: value & Self::WRITABLE != 0 },
        }
    }
}

/// What a body asks of home; each begins a transaction (rule 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Execute a call's home handler.
    Call(Call),
    /// Nothing: the answer to an attention.
    Null,
    /// A synchronous fault, for home to judge.
    Fault(SigInfo),
    /// A handler has returned; this was the mask in its frame.
    SignalReturn(SignalSet),
    /// This thread ends, or all do: exit(2), exit_group(2). There is no answer.
    Exit {
        /// The exit status; that of a single thread counts if it is the last one.
        status: u8,
        /// Whether all threads end.
        group: bool,
    },
}

/// Home's answer to a [`Request`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// What the call gives.
    pub result: SysResult,
    /// What the body must do besides.
    pub actions: Vec<Action>,
}
