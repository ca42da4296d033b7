//! `poll.h` and `sys/select.h`: readiness (poll(2), select(2)).

use bitflags::bitflags;

bitflags! {
    /// What a file is ready for, in the bits of `struct pollfd`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct PollEvents: u16 {
        /// `POLLIN`: a read would not block.
        const IN = 0x001;
        /// `POLLPRI`: an exceptional condition.
        const PRI = 0x002;
        /// `POLLOUT`: a write would not block.
        const OUT = 0x004;
        /// `POLLERR`: an error; also a pipe's write end without readers. Reported unasked.
        const ERR = 0x008;
        /// `POLLHUP`: the other end is closed. Reported unasked.
        const HUP = 0x010;
        /// `POLLNVAL`: the descriptor is not open. Reported unasked.
        const NVAL = 0x020;
        /// `POLLRDNORM`.
        const RDNORM = 0x040;
        /// `POLLRDBAND`.
        const RDBAND = 0x080;
        /// `POLLWRNORM`.
        const WRNORM = 0x100;
        /// `POLLWRBAND`.
        const WRBAND = 0x200;
        /// `POLLRDHUP`: the peer closed its writing half.
        const RDHUP = 0x2000;
    }
}

impl PollEvents {
    /// Readable, in both spellings.
    pub const READABLE: Self = Self::IN.union(Self::RDNORM);
    /// Writable, in both spellings.
    pub const WRITABLE: Self = Self::OUT.union(Self::WRNORM);
    /// What poll(2) reports whether asked or not.
    pub const UNASKED: Self = Self::ERR.union(Self::HUP).union(Self::NVAL);
    /// What makes a descriptor readable for select(2) (`POLLIN_SET`).
    pub const SELECT_READ: Self =
        Self::READABLE.union(Self::RDBAND).union(Self::HUP).union(Self::ERR);
    /// What makes it writable (`POLLOUT_SET`).
    pub const SELECT_WRITE: Self = Self::WRITABLE.union(Self::WRBAND).union(Self::ERR);
    /// What makes it exceptional (`POLLEX_SET`).
    pub const SELECT_EXCEPT: Self = Self::PRI;
}

/// `FD_SETSIZE`: descriptors of the C library's `fd_set`; the kernel takes any number.
pub const FD_SETSIZE: usize = 1024;

layout! {
    /// `struct pollfd`.
    PollFd {
        /// The descriptor; negative ones are skipped.
        fd: i32,
        /// Events asked for.
        events: u16,
        /// Events returned.
        revents: u16,
    }
}
