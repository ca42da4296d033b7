//! What a pseudoterminal shows, until its master reads it: plain, or in packets that say what they
//! are (`TIOCPKT`, ioctl_tty(2)).

use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell};

use wayfarer_proto::linux::termios::TIOCPKT_DATA;

use super::Sink;

/// Bytes that wait for the master to read them.
pub(super) const CAPACITY: usize = 4096;

/// The screen.
#[derive(Default)]
pub(super) struct Screen {
    bytes: RefCell<VecDeque<u8>>,
    /// Whether the master reads packets.
    packets: Cell<bool>,
    /// What has happened since it read last (`TIOCPKT_*`).
    events: Cell<u8>,
}

impl Sink for Screen {
    fn send(&self, bytes: &[u8]) -> usize {
        let mut shown = self.bytes.borrow_mut();
        let count = bytes.len().min(CAPACITY.saturating_sub(shown.len()));
        shown.extend(&bytes[..count]);
        count
    }

    fn tell(&self, happened: u8, undone: u8) {
        if self.packets.get() {
            self.events.set(self.events.get() & !undone | happened);
        }
    }
}

impl Screen {
    /// How many bytes are shown.
    pub(super) fn length(&self) -> usize {
        self.bytes.borrow().len()
    }

    /// Whether something has happened that the master has not read.
    pub(super) fn has_events(&self) -> bool {
        self.events.get() != 0
    }

    /// Whether the master reads packets.
    pub(super) fn has_packets(&self) -> bool {
        self.packets.get()
    }

    /// Says whether it does.
    pub(super) fn set_packets(&self, on: bool) {
        if !self.packets.replace(on) || !on {
            self.events.set(0);
        }
    }

    /// Reads for the master; 0 if there is nothing.
    pub(super) fn read(&self, buffer: &mut [u8]) -> usize {
        if !self.packets.get() {
            return self.take(buffer);
        }
        let Some((kind, rest)) = buffer.split_first_mut() else { return 0 };
        let events = self.events.take();
        if events == 0 && self.length() == 0 {
            return 0;
        }
        *kind = if events == 0 { TIOCPKT_DATA } else { events };
        if events == 0 { 1 + self.take(rest) } else { 1 }
    }

    fn take(&self, buffer: &mut [u8]) -> usize {
        let mut shown = self.bytes.borrow_mut();
        let count = buffer.len().min(shown.len());
        buffer.iter_mut().zip(shown.drain(..count)).for_each(|(to, byte)| *to = byte);
        count
    }
}
