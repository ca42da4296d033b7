//! The image of a body, as it travels from its old node to its new one.
//!
//! A stream of frames: [`Record::Header`], the regions, the threads, runs of pages (each with its
//! hash; zero pages are not sent), [`Record::End`] with the totals. Registers and FPU state are
//! plain data here; what they mean is the machine's affair.
//!
//! A node keeps the memory of a body that left it. Of each page it is known in which epoch it
//! changed last, so that a body that comes back brings only what has changed since
//! ([`Record::Same`]).

use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::{Wire, put_number, wire_enum, wire_struct};
use crate::id::{CallSeq, Epoch, MapId, ProcessKey, Tid, UserAddr};
use crate::limits;
use crate::linux::signal::SigAltStack;
use crate::message::{Args, CpuTime, Requirements, Totals, Usage};
use crate::time::Instant;

/// How many registers a thread has: rax rbx rcx rdx rsi rdi rbp rsp r8 to r15 rip rflags fs_base
/// gs_base, in this order.
pub const REGISTERS: usize = 20;

wire_enum! {
    /// One frame of an image.
    pub enum Record {
        /// The process as a whole; always first.
        1 => Header {
            /// What is said of it.
            header: Header,
        },
        /// A region of the address space, in order of address.
        2 => Region {
            /// Which.
            region: Region,
        },
        /// A thread.
        3 => Thread {
            /// Its state.
            thread: Thread,
        },
        /// Pages that follow each other.
        4 => Pages {
            /// Number of the first page (address / 4096).
            first: u64,
            /// The epoch in which they were changed last.
            changed: Epoch,
            /// [`hash`] of the bytes.
            hash: u64,
            /// Their content, a multiple of 4096 bytes, at most one window.
            bytes: Vec<u8>,
        },
        /// All was sent.
        5 => End {
            /// What.
            totals: Totals,
        },
        /// Pages that follow each other and are as the target remembers them.
        6 => Same {
            /// Number of the first page.
            first: u64,
            /// How many, at most [`limits::SAME_PAGES`].
            count: u64,
            /// The epoch in which they were changed last.
            changed: Epoch,
        },
    }

    /// Where a thread stands.
    pub enum ThreadState {
        /// At a trap boundary: it runs on.
        1 => Running,
        /// In a local call that waits.
        2 => LocalWait {
            /// Which.
            wait: LocalWait,
        },
        /// A transaction is open at home: the reply will find it.
        3 => AwaitReply {
            /// Which.
            seq: CallSeq,
            /// The call, for its result and the restart rules of signal(7); `None` for an
            /// exchange that the kernel began. (read(2) has number 0: no number means none.)
            call: Option<(u16, Args)>,
        },
    }
}

wire_struct! {
    /// The process as a whole.
    pub struct Header {
        /// Which.
        pub process: ProcessKey,
        /// The epoch of the body once it runs.
        pub epoch: Epoch,
        /// Names its address space: see [`Remembered::memory`](crate::message::Remembered::memory).
        pub memory: u64,
        /// The program's name.
        pub name: String,
        /// The CPU it has been shown.
        pub requirements: Requirements,
        /// What it has used so far.
        pub usage: Usage,
        /// ITIMER_VIRTUAL and ITIMER_PROF: the CPU time at which each expires, 0 if never, and its
        /// interval, nanoseconds.
        pub cpu_timers: ((u64, u64), (u64, u64)),
        /// Its real and effective user, and group.
        pub identity: ((u32, u32), (u32, u32)),
        /// The body's CLOCK_MONOTONIC when it was frozen. The target adds what the transit took,
        /// so that the clock never jumps back.
        pub monotonic: Instant,
        /// Home's CLOCK_REALTIME less the body's CLOCK_MONOTONIC, nanoseconds.
        pub realtime_offset_ns: i64,
        /// Where the heap begins.
        pub brk_start: UserAddr,
        /// Where it ends.
        pub brk: UserAddr,
        /// The last call begun, over all threads.
        pub last_seq: CallSeq,
        /// How many regions follow.
        pub regions: u32,
        /// How many threads follow.
        pub threads: u32,
    }

    /// A region of an address space.
    pub struct Region {
        /// First address, a multiple of 4096.
        pub start: UserAddr,
        /// Bytes, a multiple of 4096.
        pub len: u64,
        /// `PROT_*` of mmap(2).
        pub prot: u32,
        /// `MAP_*` of mmap(2) that still matter (`MAP_GROWSDOWN`, `MAP_STACK`, `MAP_SHARED`).
        pub flags: u32,
        /// The file behind it, and the byte of it at `start`.
        pub file: Option<(MapId, u64)>,
        /// What `/proc/PID/maps` calls it; empty for anonymous memory.
        pub name: String,
    }

    /// A thread.
    pub struct Thread {
        /// Its id.
        pub tid: Tid,
        /// All [`REGISTERS`], in their order.
        pub registers: Vec<u64>,
        /// The FPU state in the standard format of xsave.
        pub fpu: Vec<u8>,
        /// sigaltstack(2).
        pub alt_stack: SigAltStack,
        /// set_tid_address(2).
        pub clear_tid: UserAddr,
        /// set_robust_list(2): head and length.
        pub robust_list: (UserAddr, u64),
        /// CPU time of this thread.
        pub cpu: CpuTime,
        /// Where it stands.
        pub state: ThreadState,
    }

    /// A local call that waits. It may have become another than the registers say.
    pub struct LocalWait {
        /// The call's number.
        pub number: u16,
        /// Its arguments.
        pub args: Args,
        /// When it ends, on the body's CLOCK_MONOTONIC; [`Instant::NEVER`] for never.
        pub deadline: Instant,
    }
}

/// The 64-bit content hash of a run of pages: FNV-1a's steps over little-endian words with a
/// rotation, and a final mix. It guards against our own mistakes and torn streams, not against
/// forgers.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325u64 ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = step(state, u64::from_le_bytes(*word));
    }
    for byte in rest {
        state = step(state, u64::from(*byte));
    }
    state ^= state >> 32;
    state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^ state >> 29
}

const fn step(state: u64, word: u64) -> u64 {
    (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// The beginning of the frame of a [`Record::Pages`] with `length` bytes of content, which follow
/// it: so they need not be copied to be sent.
pub fn pages_head(first: u64, changed: Epoch, hash: u64, length: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(32);
    Record::Pages { first, changed, hash, bytes: Vec::new() }.encode(&mut payload);
    // The content is last, after its length, which is 0 here.
    payload.pop();
    put_number(&mut payload, length as u64);
    let mut head = Vec::with_capacity(payload.len() + 3);
    put_number(&mut head, (payload.len() + length) as u64);
    head.append(&mut payload);
    head
}

impl Totals {
    /// Nothing yet.
    pub const EMPTY: Self = Self { records: 0, pages: 0, bytes: 0, hash: 0 };

    /// Counts one record and the payload it travels as.
    pub fn count(&mut self, record: &Record, payload: &[u8]) {
        match record {
            Record::Pages { hash, bytes, .. } => {
                self.count_pages(*hash, bytes.len(), payload.len());
            }
            _ => self.count_one(hash(payload), payload.len()),
        }
    }

    /// Counts a record of pages with `content` bytes and this hash, in a payload of `length` bytes.
    pub fn count_pages(&mut self, hash: u64, content: usize, length: usize) {
        self.pages += (content / limits::PAGE) as u64;
        self.count_one(hash, length);
    }

    fn count_one(&mut self, hash: u64, length: usize) {
        self.records += 1;
        self.bytes += length as u64;
        self.hash = step(self.hash, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_travel_as_their_record() {
        for pages in [1, 16] {
            let bytes = alloc::vec![3; pages * limits::PAGE];
            let (first, changed, hash) = (0x1234_5678, Epoch(9), hash(&bytes));
            let mut frame = pages_head(first, changed, hash, bytes.len());
            frame.extend(&bytes);
            let record = Record::Pages { first, changed, hash, bytes };
            assert_eq!(frame, crate::codec::frame(&record).to_vec());
        }
    }

    #[test]
    fn the_hash_sees_every_bit_and_every_swap() {
        let mut page = alloc::vec![0u8; limits::PAGE];
        let zero = hash(&page);
        for bit in [0, 63, 64, 32767] {
            page[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(hash(&page), zero);
            page[bit / 8] ^= 1 << (bit % 8);
        }
        assert_ne!(hash(b"ab"), hash(b"ba"));
        assert_ne!(hash(&[0; 8]), hash(&[0; 16]));
    }
}
