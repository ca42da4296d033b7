//! Which memory travels with a call (decision D5): the table's row and the arguments tell.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use wayfarer_proto::id::UserAddr;
use wayfarer_proto::limits;
use wayfarer_proto::message::{Args, Call, InWindow, OutWindow};
use wayfarer_proto::table::{ArgKind, Row, Sysno};

/// Bytes of `struct iovec`.
const IOVEC: usize = 16;
/// Bytes of `struct msghdr`.
const MESSAGE: usize = 56;
/// Bytes of `struct mmsghdr`: a message and the count of its bytes.
const COUNTED_MESSAGE: usize = 64;
/// Bytes of the longest socket address (`struct sockaddr_storage`).
const SOCKET_ADDRESS: usize = 128;
/// Bytes of a pointer.
const POINTER: usize = 8;
/// Pointers of `argv` and `envp` that are read at a time.
const POINTERS: usize = 64;

/// What is to be done with a piece of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Read it.
    Read,
    /// Read up to the first NUL, and no page after it.
    Text,
    /// See how much of it can be written.
    Write,
}

/// A piece of memory that a [`Gather`] wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Where it begins.
    pub addr: UserAddr,
    /// Bytes, at most [`limits::EAGER`].
    pub len: usize,
    /// What to do with it.
    pub memory: Memory,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Supply {
    /// The bytes that could be read, from the beginning on.
    Read(Vec<u8>),
    /// How many bytes could be written, from the beginning on.
    Writable(usize),
}

/// What an item leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Bytes,
    Text,
    Out,
    /// An array of `struct iovec`.
    Vector {
        out: bool,
    },
    /// Structures that begin with a `struct msghdr`, each of `size` bytes.
    Messages {
        out: bool,
        size: usize,
    },
    /// A NULL-terminated array of strings; how many may still come.
    Pointers {
        left: usize,
    },
}

#[derive(Clone, Copy, Debug)]
struct Item {
    addr: UserAddr,
    len: usize,
    kind: Kind,
}

/// Collects the memory that travels with a call: asks for one piece after the other, because what
/// a vector holds tells where its buffers are.
#[derive(Debug)]
pub struct Gather {
    number: u16,
    args: Args,
    items: VecDeque<Item>,
    ins: Vec<InWindow>,
    outs: Vec<OutWindow>,
    /// Bytes that may still travel with the request and with the reply.
    in_budget: usize,
    out_budget: usize,
}

impl Gather {
    /// Begins with what the row says of the arguments.
    pub fn new(row: &Row, args: Args) -> Self {
        let mut gather = Self {
            number: row.sysno.number(),
            args,
            items: VecDeque::new(),
            ins: Vec::new(),
            outs: Vec::new(),
            in_budget: limits::EAGER,
            out_budget: limits::EAGER,
        };
        for (index, arg) in row.args.iter().enumerate() {
            gather.plan(index, arg.kind);
        }
        gather.plan_opaque(row.sysno);
        gather
    }

    fn plan(&mut self, index: usize, kind: ArgKind) {
        let addr = UserAddr(self.args.get(index));
        let size = |len: u8| usize::try_from(self.args.get(len.into())).unwrap_or(usize::MAX);
        match kind {
            ArgKind::Path => self.want(addr, limits::PATH, Kind::Text),
            ArgKind::InBuffer { len } => self.want(addr, size(len), Kind::Bytes),
            ArgKind::OutBuffer { len } => self.want(addr, size(len), Kind::Out),
            ArgKind::InStruct(len) => self.want(addr, len.into(), Kind::Bytes),
            ArgKind::OutStruct(len) => self.want(addr, len.into(), Kind::Out),
            ArgKind::InOutStruct(len) => self.want_both(addr, len.into()),
            ArgKind::InOutArray { count, size: element } => {
                self.want_both(addr, size(count).saturating_mul(element.into()));
            }
            ArgKind::OutArray { count, size: element } => {
                self.want(addr, size(count).saturating_mul(element.into()), Kind::Out);
            }
            ArgKind::InMessage => self.want_messages(addr, 1, MESSAGE, false),
            ArgKind::OutMessage => self.want_messages(addr, 1, MESSAGE, true),
            ArgKind::InMessages { count } => {
                let count = size(count).min(limits::VECTOR);
                self.want_messages(addr, count, COUNTED_MESSAGE, false);
                // The handler writes how much of each was sent.
                self.want(addr, count * COUNTED_MESSAGE, Kind::Out);
            }
            ArgKind::OutMessages { count } => {
                let count = size(count);
                self.want_messages(addr, count, COUNTED_MESSAGE, true);
            }
            ArgKind::InVector { count } => {
                let len = size(count).min(limits::VECTOR) * IOVEC;
                self.want(addr, len, Kind::Vector { out: false });
            }
            ArgKind::OutVector { count } => {
                let len = size(count).min(limits::VECTOR) * IOVEC;
                self.want(addr, len, Kind::Vector { out: true });
            }
            _ => {}
        }
    }

    /// Arguments whose extent no row can tell.
    fn plan_opaque(&mut self, sysno: Sysno) {
        match sysno {
            Sysno::execve | Sysno::execveat => {
                let argv = if sysno == Sysno::execve { 1 } else { 2 };
                for index in [argv, argv + 1] {
                    let left = limits::STRINGS;
                    let addr = UserAddr(self.args.get(index));
                    self.want(addr, POINTERS * POINTER, Kind::Pointers { left });
                }
            }
            Sysno::select | Sysno::pselect6 => {
                let descriptors = usize::try_from(self.args.get(0)).unwrap_or(0).min(1 << 16);
                for index in 1..=3 {
                    let addr = UserAddr(self.args.get(index));
                    self.want_both(addr, descriptors.div_ceil(64) * 8);
                }
            }
            _ => {}
        }
    }

    fn want_messages(&mut self, addr: UserAddr, count: usize, size: usize, out: bool) {
        let len = count.min(limits::VECTOR) * size;
        self.want(addr, len, Kind::Messages { out, size });
        if out {
            self.want(addr, len, Kind::Out);
        }
    }

    fn want_both(&mut self, addr: UserAddr, len: usize) {
        self.want(addr, len, Kind::Bytes);
        self.want(addr, len, Kind::Out);
    }

    fn want(&mut self, addr: UserAddr, len: usize, kind: Kind) {
        if !addr.is_null() && len > 0 {
            self.items.push_back(Item { addr, len, kind });
        }
    }

    /// The next piece of memory to look at; `None` when the call is complete.
    pub fn wanted(&mut self) -> Option<Wanted> {
        while let Some(item) = self.items.front() {
            let (budget, memory) = match item.kind {
                Kind::Out => (self.out_budget, Memory::Write),
                Kind::Text => (self.in_budget, Memory::Text),
                Kind::Bytes
                | Kind::Vector { .. }
                | Kind::Messages { .. }
                | Kind::Pointers { .. } => (self.in_budget, Memory::Read),
            };
            let lists_full = self.ins.len().max(self.outs.len()) >= limits::LIST;
            if budget > 0 && !lists_full {
                return Some(Wanted { addr: item.addr, len: item.len.min(budget), memory });
            }
            // What does not travel early the deputy asks for.
            self.items.pop_front();
        }
        None
    }

    /// Takes what was found of the piece last wanted.
    pub fn supply(&mut self, supply: Supply) {
        let Some(wanted) = self.wanted() else { return };
        let Some(item) = self.items.pop_front() else { return };
        match supply {
            Supply::Writable(bytes) => {
                let len = bytes.min(wanted.len);
                self.out_budget -= len;
                let fault = len < wanted.len;
                self.outs.push(OutWindow { addr: item.addr, len: len as u32, fault });
            }
            Supply::Read(mut bytes) => {
                bytes.truncate(wanted.len);
                let (length, ended) = cut(&bytes, item.kind);
                bytes.truncate(length);
                self.follow(item, &bytes, ended);
                self.in_budget -= length;
                let fault = length < wanted.len && !ended;
                self.ins.push(InWindow { addr: item.addr, bytes, fault });
            }
        }
    }

    /// Plans what the bytes of an item point to, to be looked at next and in order.
    fn follow(&mut self, item: Item, bytes: &[u8], ended: bool) {
        let planned = self.items.len();
        match item.kind {
            Kind::Vector { out } => {
                let kind = if out { Kind::Out } else { Kind::Bytes };
                for entry in bytes.as_chunks::<IOVEC>().0 {
                    let (base, len) = (word(entry, 0), word(entry, 1));
                    self.want(UserAddr(base), usize::try_from(len).unwrap_or(usize::MAX), kind);
                }
            }
            Kind::Messages { out, size } => {
                bytes.chunks_exact(size).for_each(|message| self.follow_message(message, out));
            }
            Kind::Pointers { left } => {
                let strings = bytes.as_chunks::<POINTER>().0;
                for pointer in strings {
                    self.want(UserAddr(word(pointer, 0)), limits::PATH, Kind::Text);
                }
                let left = left.saturating_sub(strings.len());
                if !ended && left > 0 && bytes.len() == item.len {
                    let addr = item.addr.offset(bytes.len() as u64);
                    self.want(addr, left.min(POINTERS) * POINTER, Kind::Pointers { left });
                }
            }
            Kind::Bytes | Kind::Text | Kind::Out => {}
        }
        self.items.rotate_left(planned);
    }

    /// The name, the vector and the control data of a `struct msghdr` (recvmsg(2)).
    fn follow_message(&mut self, message: &[u8], out: bool) {
        let size = |index| usize::try_from(word(message, index)).unwrap_or(usize::MAX);
        let kind = if out { Kind::Out } else { Kind::Bytes };
        let name_length = (size(1) & 0xffff_ffff).min(SOCKET_ADDRESS);
        self.want(UserAddr(word(message, 0)), name_length, kind);
        let vector = size(3).min(limits::VECTOR) * IOVEC;
        self.want(UserAddr(word(message, 4)), size(5), kind);
        self.want(UserAddr(word(message, 2)), vector, Kind::Vector { out });
    }

    /// The call with all that was found.
    pub fn into_call(self) -> Call {
        let Self { number, args, ins, outs, .. } = self;
        Call { number, args, ins, outs }
    }
}

/// How long text is with its NUL and a pointer array with its NULL; whether that was there.
fn cut(bytes: &[u8], kind: Kind) -> (usize, bool) {
    let end = match kind {
        Kind::Text => bytes.iter().position(|byte| *byte == 0).map(|at| at + 1),
        Kind::Pointers { .. } => {
            let pointers = bytes.as_chunks::<POINTER>().0;
            pointers.iter().position(|p| word(p, 0) == 0).map(|at| (at + 1) * POINTER)
        }
        _ => None,
    };
    end.map_or((bytes.len(), false), |end| (end, true))
}

/// Word `index` of little-endian memory.
fn word(bytes: &[u8], index: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
    u64::from_le_bytes(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x1000;

    /// Gathers from a memory that begins at [`BASE`] and ends with the slice.
    fn gather(sysno: Sysno, args: &[u64], memory: &[u8]) -> Call {
        let mut gather = Gather::new(sysno.row(), Args::new(args));
        while let Some(Wanted { addr, len, memory: how }) = gather.wanted() {
            let start = usize::try_from(addr.0 - BASE).unwrap().min(memory.len());
            let end = memory.len().min(start + len);
            gather.supply(match how {
                Memory::Read | Memory::Text => Supply::Read(memory[start..end].to_vec()),
                Memory::Write => Supply::Writable(end - start),
            });
        }
        gather.into_call()
    }

    #[test]
    fn a_write_carries_its_bytes_and_where_they_end() {
        let call = gather(Sysno::write, &[1, BASE, 5], b"hello world");
        assert_eq!(call.ins[0].bytes, b"hello");
        assert!(!call.ins[0].fault);
        let call = gather(Sysno::write, &[1, BASE, 50], b"hello world");
        assert_eq!(call.ins[0].bytes, b"hello world");
        assert!(call.ins[0].fault);
    }

    #[test]
    fn a_large_write_carries_its_beginning() {
        let memory = std::vec![7; 100_000];
        let call = gather(Sysno::write, &[1, BASE, 100_000], &memory);
        assert_eq!(call.ins[0].bytes.len(), limits::EAGER);
        assert!(!call.ins[0].fault, "a limit is no fault");
    }

    #[test]
    fn a_path_ends_with_its_nul() {
        let call = gather(Sysno::open, &[BASE, 0, 0], b"/etc\0junk");
        assert_eq!(call.ins[0].bytes, b"/etc\0");
        assert!(!call.ins[0].fault);
    }

    #[test]
    fn a_vector_leads_to_its_buffers_in_order() {
        let mut memory = Vec::new();
        for (at, len) in [(BASE + 40, 3u64), (0, 0), (BASE + 32, 2)] {
            memory.extend(at.to_le_bytes());
            memory.extend(len.to_le_bytes());
        }
        memory.extend(b"abcdefgh");
        let args = [1, BASE, 3];
        let call = gather(Sysno::writev, &args, &memory);
        let windows: Vec<_> = call.ins.iter().map(|w| (w.addr.0 - BASE, w.bytes.len())).collect();
        assert_eq!(windows, [(0, 48), (40, 3), (32, 2)]);
        let call = gather(Sysno::readv, &args, &memory);
        assert_eq!(call.outs.len(), 2);
    }

    #[test]
    fn an_exec_carries_its_strings() {
        let mut memory = std::vec![0; 40];
        memory[0..8].copy_from_slice(&(BASE + 24).to_le_bytes());
        memory[8..16].copy_from_slice(&(BASE + 28).to_le_bytes());
        memory[24..32].copy_from_slice(b"ls\0\0-l\0\0");
        let call = gather(Sysno::execve, &[BASE + 24, BASE, 0], &memory);
        let texts: Vec<_> = call.ins.iter().map(|window| window.bytes.as_slice()).collect();
        assert_eq!(texts[0], b"ls\0");
        assert_eq!(texts[1].len(), 24);
        assert_eq!(texts[2..], [b"ls\0", b"-l\0"]);
    }

    #[test]
    fn every_row_gathers_from_garbage_within_its_budget() {
        let memory = std::vec![0xee; 70_000];
        for row in wayfarer_proto::table::TABLE {
            let call = gather(row.sysno, &[BASE; 6], &memory);
            let bytes: usize = call.ins.iter().map(|window| window.bytes.len()).sum();
            assert!(bytes <= limits::EAGER, "{}", row.name);
        }
    }
}
