//! THE system call table (decision D4): one row per call, many uses.
//!
//! A row gives the call's number and name, the class it has when its process is away from home,
//! and what each argument is. The numbers ([`Sysno`]), the dispatcher (an exhaustive `match` over
//! [`Sysno`]), the router, the body's eager marshalling, the deputy's checks, the trace and
//! `docs/syscalls.md` all come from it. A call without a row answers `ENOSYS`.

#[macro_use]
mod events;
#[macro_use]
mod files;
#[macro_use]
mod ipc;
#[macro_use]
mod process;
#[macro_use]
mod refused;
#[macro_use]
mod sockets;
mod route;
mod rows;
mod support;

pub use route::route;
pub use rows::{Sysno, TABLE};
pub use support::Support;

/// Where a call runs when its process is away from home (thesis, section 4.1).
///
/// At home every call runs where it is made and the class means nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Served entirely by the node that hosts the body; no message.
    Local,
    /// Forwarded to the deputy and executed by the home handler.
    Remote,
    /// Both halves take part (fork, exec, exit, mapping a file, migrating).
    Special,
}

impl Class {
    /// The word that traces, reports and the documentation use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Special => "special",
        }
    }
}

/// What one argument of a call is: how it is printed, and what memory it names.
///
/// A length is the index of the argument that holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgKind {
    /// A signed number.
    Int,
    /// An unsigned number or a size in bytes.
    Size,
    /// Flags, modes and requests, printed in hexadecimal.
    Hex,
    /// An octal file mode.
    Mode,
    /// A file descriptor.
    Fd,
    /// A descriptor of a directory, or `AT_FDCWD`.
    DirFd,
    /// A process or thread id.
    Pid,
    /// A signal number.
    Signal,
    /// A user address that is not read or written through (`brk`, `munmap`).
    Address,
    /// A NUL-terminated string that the handler reads (a path).
    Path,
    /// A buffer the handler reads; its length in bytes is argument `len`.
    InBuffer {
        /// Index of the length argument.
        len: u8,
    },
    /// A buffer the handler writes; its length in bytes is argument `len`.
    OutBuffer {
        /// Index of the length argument.
        len: u8,
    },
    /// A structure of this many bytes that the handler reads (may be null).
    InStruct(u16),
    /// A structure of this many bytes that the handler writes (may be null).
    OutStruct(u16),
    /// A structure of this many bytes that the handler reads and writes (may be null).
    InOutStruct(u16),
    /// An array the handler reads and writes, of argument `count` elements of `size` bytes.
    InOutArray {
        /// Index of the argument that counts the elements.
        count: u8,
        /// Bytes of one element.
        size: u8,
    },
    /// An array the handler writes, of argument `count` elements of `size` bytes.
    OutArray {
        /// Index of the argument that counts the elements.
        count: u8,
        /// Bytes of one element.
        size: u8,
    },
    /// An array of `struct iovec` whose buffers the handler reads; argument `count` counts them.
    InVector {
        /// Index of the argument that counts the elements.
        count: u8,
    },
    /// An array of `struct iovec` whose buffers the handler writes.
    OutVector {
        /// Index of the argument that counts the elements.
        count: u8,
    },
    /// A `struct msghdr` whose buffers and control data the handler reads (sendmsg(2)).
    InMessage,
    /// A `struct msghdr` whose buffers, name and control data the handler writes (recvmsg(2)).
    OutMessage,
    /// An array of `struct mmsghdr` whose messages the handler reads (sendmmsg(2)).
    InMessages {
        /// Index of the argument that counts the elements.
        count: u8,
    },
    /// An array of `struct mmsghdr` whose messages the handler writes (recvmmsg(2)).
    OutMessages {
        /// Index of the argument that counts the elements.
        count: u8,
    },
    /// Memory whose extent only the handler can tell (`ioctl`, `fcntl`): nothing travels early.
    Opaque,
}

/// One argument of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arg {
    /// The name that the manual page gives it.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgKind,
}

/// One call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Which call.
    pub sysno: Sysno,
    /// The name, as in the manual pages.
    pub name: &'static str,
    /// Where it runs when its process is away.
    pub class: Class,
    /// Its arguments, in order.
    pub args: &'static [Arg],
}

/// Linux's own numbers end below this: their rows are looked up. Those of other calls are searched.
const DENSE: usize = 512;

/// No place in [`TABLE`]: behind its end.
const ABSENT: u16 = u16::MAX;

/// Where the row of each of Linux's numbers is in [`TABLE`]: every call asks more than once.
static PLACES: [u16; DENSE] = {
    let mut places = [ABSENT; DENSE];
    let mut place = 0;
    while place < TABLE.len() {
        let number = TABLE[place].sysno as usize;
        if number < DENSE {
            places[number] = place as u16;
        }
        place += 1;
    }
    places
};

#[inline]
fn place(number: u64) -> Option<usize> {
    match PLACES.get(usize::try_from(number).ok()?) {
        Some(&place) => Some(place.into()),
        None => TABLE.binary_search_by_key(&number, |row| row.sysno as u64).ok(),
    }
}

impl Sysno {
    /// The call with this number, if the table has a row for it.
    #[inline]
    pub fn from_number(number: u64) -> Option<Self> {
        Some(TABLE.get(place(number)?)?.sysno)
    }

    /// The number that programs put into `rax`.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// This call's row.
    pub fn row(self) -> &'static Row {
        let place = place(self.number().into());
        &TABLE[place.expect("the macro makes every call with its row")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_number() {
        for row in TABLE {
            assert_eq!(Sysno::from_number(u64::from(row.sysno.number())), Some(row.sysno));
            assert_eq!(row.sysno.row(), row);
        }
        assert_eq!(Sysno::from_number(u64::MAX), None);
    }

    #[test]
    fn lengths_name_arguments_that_hold_numbers() {
        for row in TABLE {
            assert!(row.args.len() <= 6, "{}", row.name);
            for arg in row.args {
                let len = match arg.kind {
                    ArgKind::InBuffer { len } | ArgKind::OutBuffer { len } => len,
                    ArgKind::InVector { count }
                    | ArgKind::OutVector { count }
                    | ArgKind::InMessages { count }
                    | ArgKind::OutMessages { count }
                    | ArgKind::OutArray { count, .. }
                    | ArgKind::InOutArray { count, .. } => count,
                    _ => continue,
                };
                let kind = row.args.get(usize::from(len)).map(|arg| arg.kind);
                assert!(matches!(kind, Some(ArgKind::Size | ArgKind::Int)), "{}", row.name);
            }
        }
    }
}
