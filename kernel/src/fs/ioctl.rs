//! Requests of ioctl(2): how many bytes each reads at its argument.

use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::termios::{
    FIONBIO, TCSETS, TCSETS2, TCSETSF, TCSETSF2, TCSETSW, TCSETSW2, TIOCPKT, TIOCSETD, TIOCSPGRP,
    TIOCSPTLCK, TIOCSTI, TIOCSWINSZ, Termios, Termios2, WindowSize,
};

/// A request, with what the handler has read for it.
#[derive(Clone, Copy, Debug)]
pub struct Ioctl<'a> {
    /// Its number.
    pub number: u32,
    /// The argument as it was passed: a value or an address.
    pub argument: u64,
    /// What is at that address, [`bytes_read`] of it.
    pub data: &'a [u8],
}

/// How many bytes a request reads at its argument. None for one that is not known: whoever serves
/// it refuses it.
pub const fn bytes_read(number: u32) -> usize {
    match number {
        TCSETS | TCSETSW | TCSETSF => Termios::SIZE,
        TCSETS2 | TCSETSW2 | TCSETSF2 => Termios2::SIZE,
        TIOCSWINSZ => WindowSize::SIZE,
        TIOCSPGRP | TIOCSETD | TIOCSPTLCK | TIOCPKT | FIONBIO => size_of::<i32>(),
        TIOCSTI => 1,
        _ => 0,
    }
}
