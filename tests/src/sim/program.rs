//! What a model thread does: operations drawn from a number in its registers, so that the program
//! moves with the thread and needs nothing else.

use wayfarer_proto::id::UserAddr;
use wayfarer_proto::limits::{EAGER, PAGE};
use wayfarer_proto::message::Args;
use wayfarer_proto::table::Sysno;

use super::memory::{self, BUFFER, FILE_PAGES};
use super::rng::Rng;

/// The registers that the model gives a meaning.
pub mod register {
    /// The state of the draw of the next operation.
    pub const DRAW: usize = 0;
    /// Operations left.
    pub const LEFT: usize = 1;
    /// Which area of memory is the thread's.
    pub const SLOT: usize = 2;
    /// Signal frames on the stack: rt_sigreturns owed.
    pub const FRAMES: usize = 3;
    /// What the open transaction is ([`super::Open`]).
    pub const OPEN: usize = 4;
    /// When the local wait ends; 0 if there is none.
    pub const DEADLINE: usize = 5;
    /// How many forks deep the process is.
    pub const DEPTH: usize = 6;
    /// How many registers an image holds.
    pub const COUNT: usize = wayfarer_proto::image::REGISTERS;
}

/// Registers of a thread.
pub type Registers = [u64; register::COUNT];

/// What a thread's open transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Open {
    /// None.
    Nothing,
    /// The call of its current operation.
    Call,
    /// The answer to an attention.
    Null,
    /// rt_sigreturn.
    SigReturn,
    /// The beginning of a fork's child.
    Start,
}

impl Open {
    /// The one that a register says.
    pub const fn from_register(value: u64) -> Self {
        match value {
            1 => Self::Call,
            2 => Self::Null,
            3 => Self::SigReturn,
            4 => Self::Start,
            _ => Self::Nothing,
        }
    }
}

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Write a word of the buffer.
    Compute {
        /// Where.
        addr: UserAddr,
        /// What.
        value: u64,
    },
    /// Write a word of a page of the mapped file.
    Touch {
        /// Where.
        addr: UserAddr,
        /// What.
        value: u64,
    },
    /// A system call, which goes where the router says.
    Call {
        /// Which.
        sysno: Sysno,
        /// Its arguments.
        args: [u64; 4],
    },
    /// A synchronous signal.
    Fault,
}

/// Where a path stands: the file behind it, some bytes before the end of an area's mapped file, so
/// that looking for its end meets the end of the mapping.
fn path(slot: u64) -> UserAddr {
    memory::counters(slot).offset(64)
}

impl Op {
    /// The operation that a thread is at.
    pub fn of(registers: &Registers) -> Self {
        let mut rng = Rng(registers[register::DRAW]);
        let slot = registers[register::SLOT];
        let call = |sysno, args| Self::Call { sysno, args };
        let anonymous = memory::buffer(slot).offset(rng.range(0..PAGE as u64));
        let in_file = memory::file_area(slot).offset(rng.range(0..(FILE_PAGES - 1) * PAGE as u64));
        let addr = if rng.one_in(3) { in_file } else { anonymous };
        let fd = rng.next() >> 8;
        let value = rng.next();
        match rng.range(0..100) {
            0..12 => Self::Compute { addr: anonymous, value },
            12..22 => Self::Touch { addr: in_file, value },
            22..30 => call(Sysno::nanosleep, [rng.range(10..20_000), 0, 0, 0]),
            30..38 => call(Sysno::lseek, [fd, rng.range(0..1000), 0, 0]),
            38..43 => call(Sysno::unlink, [path(slot).0, 0, 0, 0]),
            43..60 => call(Sysno::read, [fd, addr.0, length(&mut rng, addr, anonymous), 0]),
            60..75 => call(Sysno::write, [fd, addr.0, length(&mut rng, addr, anonymous), 0]),
            75..79 => call(Sysno::fork, [0; 4]),
            79..81 => call(Sysno::vfork, [0; 4]),
            81..86 => call(Sysno::clone, [0; 4]),
            86..88 => call(Sysno::execve, [path(slot).0, 0, 0, 0]),
            88..93 => call(Sysno::migrate, [rng.range(1..5), 0, 0, 0]),
            93..97 => call(Sysno::kill, [0, 10, 0, 0]),
            _ => Self::Fault,
        }
    }

    /// The arguments of a call as they travel. The last names the operation, for the checkers.
    pub fn args(args: [u64; 4], registers: &Registers) -> Args {
        let name = registers[register::DRAW];
        Args::new(&[args[0], args[1], args[2], args[3], 0, name])
    }
}

/// How much is read or written: little, more than travels early, or more than is mapped.
fn length(rng: &mut Rng, addr: UserAddr, anonymous: UserAddr) -> u64 {
    let room = if addr == anonymous { BUFFER - PAGE as u64 } else { PAGE as u64 };
    match rng.range(0..10) {
        0..7 => rng.range(1..600),
        7 => rng.range(1..room + 1),
        8 => rng.range(1..(EAGER as u64).min(room) + 1),
        // Runs into what is not mapped: a short count.
        _ => 2 * BUFFER + rng.range(0..100),
    }
}
