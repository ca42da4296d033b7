//! The image of a body, as it travels from its old node to its new one.
//!
//! A stream of frames: [`Record::Header`], the regions, the threads, runs of pages (each followed
//! by its content and that one's hash; zero pages are not sent), [`Record::End`] with the totals.
//! Registers and FPU state are plain data here; what they mean is the machine's affair.
//!
//! A node keeps the memory of a body that left it. Of each page it is known in which epoch it
//! changed last, so that a body that comes back brings only what has changed since
//! ([`Record::Same`]).

use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::{wire_enum, wire_struct};
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
        /// Pages that follow each other. After this frame comes their content, outside of any
        /// frame, so that each copies it once; after that its [`ContentHash`].
        7 => Pages {
            /// Number of the first page (address / 4096).
            first: u64,
            /// How many, at most [`limits::RUN_PAGES`].
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

/// The 64-bit hash of a record: FNV-1a's steps over little-endian words with a rotation, and a
/// final mix. It guards against our own mistakes and torn streams, not against forgers.
fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325u64 ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = step(state, u64::from_le_bytes(*word));
    }
    for byte in rest {
        state = step(state, u64::from(*byte));
    }
    finish(state)
}

const fn finish(state: u64) -> u64 {
    let state = (state ^ state >> 32).wrapping_mul(FACTOR);
    state ^ state >> 29
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

const fn step(state: u64, word: u64) -> u64 {
    (state ^ word).wrapping_mul(FACTOR).rotate_left(29)
}

/// The 64-bit hash of the content of pages that follow each other, to the same end. It has four
/// lanes, so that whoever copies the pages can take them in on the way, as the machine does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentHash {
    lanes: [u64; 4],
}

impl ContentHash {
    /// Bytes of it in an image, the least significant first.
    pub const BYTES: usize = size_of::<u64>();

    /// That of no page.
    pub const EMPTY: Self = Self { lanes: [1, 2, 3, 4] };

    /// Takes in the next page: two words a lane in turn, as in the hash of a record.
    pub fn add(&mut self, page: &[u8; limits::PAGE]) {
        let (words, _) = page.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let lane = &mut self.lanes[index / 2 % 4];
            *lane = step(*lane, u64::from_le_bytes(*word));
        }
    }

    /// The lanes, for the machine to take in a page that it copies, as [`add`](Self::add) does.
    pub const fn lanes(&mut self) -> &mut [u64; 4] {
        &mut self.lanes
    }

    /// The hash.
    pub fn value(&self) -> u64 {
        finish(self.lanes.into_iter().fold(0, step))
    }
}

impl Totals {
    /// Nothing yet.
    pub const EMPTY: Self = Self { records: 0, pages: 0, bytes: 0, hash: 0 };

    /// Counts one record, by the payload it travels as.
    pub fn count(&mut self, payload: &[u8]) {
        self.records += 1;
        self.bytes += payload.len() as u64;
        self.hash = step(self.hash, hash(payload));
    }

    /// Counts the content of `pages` pages, which has this hash.
    pub const fn count_content(&mut self, pages: u64, hash: u64) {
        self.pages += pages;
        self.bytes += pages * limits::PAGE as u64 + ContentHash::BYTES as u64;
        self.hash = step(self.hash, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_record_sees_every_swap() {
        assert_ne!(hash(b"ab"), hash(b"ba"));
        assert_ne!(hash(&[0; 8]), hash(&[0; 16]));
    }

    #[test]
    fn the_hash_of_content_sees_every_bit_and_every_swap() {
        let hash = |pages: &[&[u8; limits::PAGE]]| {
            let mut hash = ContentHash::EMPTY;
            pages.iter().for_each(|page| hash.add(page));
            hash.value()
        };
        let zero = [0; limits::PAGE];
        assert_ne!(hash(&[&zero]), hash(&[&zero, &zero]));
        for bit in 0..8 * limits::PAGE {
            let mut page = zero;
            page[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(hash(&[&page]), hash(&[&zero]), "bit {bit}");
        }
        let mut page = zero;
        page[77] = 5;
        assert_ne!(hash(&[&page, &zero]), hash(&[&zero, &page]));
    }
}
