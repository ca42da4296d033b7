//! What a body says.

use alloc::vec::Vec;

use super::{MemoryReply, Refusal};
use crate::codec::{DecodeError, Reader, Wire, wire_enum, wire_struct};
use crate::errno::Errno;
use crate::id::{CallSeq, Epoch, Fd, MapId, UserAddr};
use crate::linux::signal::SigInfo;

wire_enum! {
    /// What a body says to its deputy.
    pub enum BodyMessage {
        /// A system call, remote or special. fork, clone, execve, mmap and migrate are calls like
        /// others; what the deputy wants of the body for them it asks by memory requests.
        1 => Call {
            /// The call and what it reads and writes.
            call: Call,
        },
        /// A synchronous signal, raised by what the thread did; the deputy judges it.
        2 => Fault {
            /// Which, and where.
            info: SigInfo,
        },
        /// The answer to an attention: the thread has nothing to ask.
        3 => Null,
        /// rt_sigreturn(2): the registers are restored, this is the mask for home.
        4 => SigReturn {
            /// `uc_sigmask` of the frame.
            mask: u64,
        },
        /// exit(2) or exit_group(2). The thread is gone; there is no reply.
        5 => Exit {
            /// The argument of the call.
            status: i32,
            /// Whether it ends all threads.
            group: bool,
            /// What the process has used.
            usage: Usage,
        },
        /// The answer to a memory request.
        6 => Memory {
            /// The number of the request.
            id: u32,
            /// The answer.
            reply: MemoryReply,
        },
        /// A write(2) that the deputy has lent room for: its result is known, so there is no reply
        /// (decision 0016).
        7 => Post {
            /// The descriptor.
            fd: Fd,
            /// What is written.
            bytes: Vec<u8>,
        },
        /// Control: reads were made of bytes that the deputy has lent, which ends the loan
        /// (decision 0018). It goes in front of whatever ends it, if there were any.
        14 => Took {
            /// The descriptor.
            fd: Fd,
            /// By how many bytes its offset has moved.
            bytes: u32,
            /// How many reads that took.
            calls: u32,
        },
        /// Control: the deputy has said something while room was lent. The loan is over, and what
        /// was written on it is ahead of this.
        15 => Returned,
        /// Control: what the body needs of a node it would move to, or why it cannot move.
        16 => Surveyed {
            /// The needs.
            requirements: Requirements,
        },
        /// Control: the body cannot move.
        17 => Unmovable {
            /// Why.
            refusal: Refusal,
        },
        /// Control: every thread has stopped and every memory request received is answered.
        18 => Frozen {
            /// The last call that was begun.
            last: CallSeq,
        },
        /// Control: the last byte of the image is on its way; the body is in doubt.
        19 => Departed {
            /// What was sent.
            totals: Totals,
        },
        /// Control: the image could not be sent.
        20 => DepartFailed {
            /// Why.
            errno: Errno,
        },
        /// Control: the image has arrived whole.
        21 => Whole {
            /// What arrived, checked.
            totals: Totals,
        },
        /// Control: the image did not arrive.
        22 => ArrivalFailed {
            /// Why.
            errno: Errno,
        },
        /// Control: the body runs again after an abort.
        23 => Thawed,
        /// Control: pages of a mapped file are needed.
        24 => PageIn {
            /// Number of the request.
            id: u32,
            /// Which file.
            map: MapId,
            /// First page.
            page: u64,
            /// How many pages, at most one window's.
            count: u32,
        },
        /// Control: the last region of a mapped file is gone.
        25 => ReleaseMap {
            /// Which file.
            map: MapId,
        },
        /// Control: the answer to a query.
        26 => Answer {
            /// Number of the query.
            id: u32,
            /// The answer's text.
            bytes: Vec<u8>,
        },
        /// Control: the body is destroyed; the channel ends.
        27 => ByeAck {
            /// What the process has used.
            usage: Usage,
        },
        /// Control: pages of a file that the body has stored to, for the file. Home answers with
        /// `PageData` of no bytes.
        28 => PageOut {
            /// Number of the request; page-ins and these have one sequence.
            id: u32,
            /// Which file.
            map: MapId,
            /// First page.
            page: u64,
            /// Whole pages, at most one window.
            bytes: Vec<u8>,
        },
    }
}

wire_struct! {
    /// A system call as it travels.
    pub struct Call {
        /// Its number in the table.
        pub number: u16,
        /// Its arguments, as many as its row has.
        pub args: Args,
        /// What it reads, as far as the body could tell.
        pub ins: Vec<InWindow>,
        /// Where it writes, as far as the body could tell.
        pub outs: Vec<OutWindow>,
    }

    /// Memory that travels with a request.
    pub struct InWindow {
        /// Where it begins.
        pub addr: UserAddr,
        /// Its content.
        pub bytes: Vec<u8>,
        /// Whether the byte after the last cannot be read.
        pub fault: bool,
    }

    /// Memory that a reply may write.
    pub struct OutWindow {
        /// Where it begins.
        pub addr: UserAddr,
        /// How many bytes can be written.
        pub len: u32,
        /// Whether the byte after the last cannot be written.
        pub fault: bool,
    }

    /// CPU time, nanoseconds.
    #[derive(Copy, Default)]
    pub struct CpuTime {
        /// In user mode.
        pub user: u64,
        /// In the kernel, for calls and faults, where the body is.
        pub system: u64,
    }

    /// What read(2), write(2) and their kin have done, as programs see it (proc_pid_io(5)).
    #[derive(Copy, Default)]
    pub struct IoCounts {
        /// Bytes that were read.
        pub bytes_read: u64,
        /// Bytes that were written.
        pub bytes_written: u64,
        /// Calls that read.
        pub reads: u64,
        /// Calls that wrote.
        pub writes: u64,
    }

    /// What a process has used, as far as its body knows.
    #[derive(Default)]
    pub struct Usage {
        /// CPU time of all threads.
        pub cpu: CpuTime,
        /// What it has read and written.
        pub io: IoCounts,
        /// Calls that were served where the body was, away from home.
        pub local_calls: u64,
    }

    /// What a body needs of the node that hosts it.
    pub struct Requirements {
        /// Frames: pages present and page tables.
        pub frames: u64,
        /// Of them, the body's part of pages that it shares with files of home: it needs none for
        /// them where the files are.
        pub shared_frames: u64,
        /// CPUID feature words that user code could see, in an order fixed by the machine.
        pub features: Vec<u32>,
        /// XCR0: the state components that user code could enable.
        pub xcr0: u64,
        /// Bytes of the xsave area.
        pub xsave_bytes: u32,
    }

    /// What a node that admits a body gives the old one for its image.
    #[derive(Copy, Default)]
    pub struct Ticket {
        /// What to show at the node's image port.
        pub token: u64,
        /// What the node has kept of the body's memory.
        pub remembered: Option<Remembered>,
    }

    /// A body's memory as it was when the body left a node, which has kept it.
    #[derive(Copy)]
    pub struct Remembered {
        /// Names the address space in the cluster. An execve(2), or another process of the same
        /// id, has another.
        pub memory: u64,
        /// The epoch that ended when the body left.
        pub epoch: Epoch,
    }

    /// What an image held, counted and hashed alike at both ends.
    pub struct Totals {
        /// Records, the end not counted.
        pub records: u64,
        /// Pages.
        pub pages: u64,
        /// Bytes of the records as they travel, without their length prefixes.
        pub bytes: u64,
        /// Hash over the records' hashes.
        pub hash: u64,
    }
}

impl Ticket {
    /// For what needs none.
    pub const NONE: Self = Self { token: 0, remembered: None };
}

/// What a node lacks that a body needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// Frames.
    Frames {
        /// How many are needed.
        needed: u64,
        /// How many are free.
        free: u64,
    },
    /// A CPU feature: bit `bit` of word `word`.
    Feature {
        /// Index of the word.
        word: usize,
        /// Number of the bit.
        bit: u32,
    },
    /// State components of XCR0.
    Xcr0 {
        /// The components missing.
        missing: u64,
    },
    /// Room for the xsave area.
    Xsave {
        /// Bytes needed.
        needed: u32,
    },
}

impl Usage {
    /// CPU time in user mode, and nothing else.
    pub fn cpu(user: u64) -> Self {
        Self { cpu: CpuTime { user, system: 0 }, ..Self::default() }
    }
}

impl CpuTime {
    /// All of it.
    pub const fn total(self) -> u64 {
        self.user.saturating_add(self.system)
    }
}

impl core::ops::Add for CpuTime {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let user = self.user.saturating_add(other.user);
        Self { user, system: self.system.saturating_add(other.system) }
    }
}

impl Requirements {
    /// The first thing that a node with `offer` lacks; `None` if it covers all.
    pub fn lacking(&self, offer: &Self) -> Option<Lack> {
        for (word, needed) in self.features.iter().enumerate() {
            let missing = needed & !offer.features.get(word).copied().unwrap_or(0);
            if missing != 0 {
                return Some(Lack::Feature { word, bit: missing.trailing_zeros() });
            }
        }
        if self.xcr0 & !offer.xcr0 != 0 {
            return Some(Lack::Xcr0 { missing: self.xcr0 & !offer.xcr0 });
        }
        if self.xsave_bytes > offer.xsave_bytes {
            return Some(Lack::Xsave { needed: self.xsave_bytes });
        }
        let lacks = self.frames > offer.frames;
        lacks.then_some(Lack::Frames { needed: self.frames, free: offer.frames })
    }
}

/// The arguments of a call, at most six.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Args {
    values: [u64; 6],
    count: usize,
}

impl Args {
    /// The first six of `values`.
    pub fn new(values: &[u64]) -> Self {
        let count = values.len().min(6);
        let mut args = Self { values: [0; 6], count };
        args.values[..count].copy_from_slice(&values[..count]);
        args
    }

    /// Argument `index`; 0 if the call has no such argument.
    pub fn get(&self, index: usize) -> u64 {
        self.values.get(index).copied().unwrap_or(0)
    }

    /// All six, the missing ones 0: what a handler takes.
    pub const fn registers(&self) -> [u64; 6] {
        self.values
    }

    /// The arguments that are there.
    pub fn as_slice(&self) -> &[u64] {
        &self.values[..self.count]
    }
}

/// Arguments are often small negative numbers (`AT_FDCWD`), so they travel signed.
impl Wire for Args {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.count as u8);
        for value in self.as_slice() {
            value.cast_signed().encode(out);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.length(6)?;
        let mut args = Self { values: [0; 6], count };
        for value in &mut args.values[..count] {
            *value = i64::decode(reader)?.cast_unsigned();
        }
        Ok(args)
    }
}
