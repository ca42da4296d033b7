//! One stream through memory that two nodes share: a connection without TCP.
//!
//! The ring below keeps every byte in order as long as its session lasts
//! ([`wayfarer_proto::shared`]), so all that is left to a stream is its two ends, and that the
//! reader is never sent more than it has room for.

use alloc::collections::VecDeque;
use core::ops::Range;

use bitflags::bitflags;
use wayfarer_machine::Room;
use wayfarer_proto::limits;
use wayfarer_proto::shared::{Header, Op};
use wayfarer_proto::time::Instant;

use super::dial::Dial;
use super::error::{End, ReadError, WriteError};
use super::segment::Tuple;
use super::shared::Link;
use super::slot::{Counters, Kind, Owner, Role};
use super::waiters::Waiters;

/// Bytes of a ring that only short records use: the writer of an image leaves room for a call.
const RESERVE: usize = 64 * 1024;

/// The longest record that may use them.
const SHORT: usize = 4096;

/// The most bytes of one record.
const LONGEST: usize = 64 * 1024;

/// What an empty inbox keeps of its room in bytes.
const KEPT: usize = 256;

bitflags! {
    /// What has still to be said, in this order.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Owed: u8 {
        const OPEN = 1;
        const ACCEPT = 2;
        const GRANT = 4;
        const END = 8;
        const ENDED = 16;
        const RESET = 32;
    }
}

/// The two ways in which a direction has an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    Open,
    /// Its writer has ended it.
    Ended,
    /// And knows that its reader has heard so.
    Heard,
}

/// A stream in the table.
pub(super) struct Stream {
    /// The index of the port whose ring carries it.
    pub(super) port: usize,
    pub(super) tuple: Tuple,
    pub(super) owner: Owner,
    pub(super) dial: Option<Dial>,
    pub(super) end: Option<End>,
    pub(super) readers: Waiters,
    pub(super) writers: Waiters,
    pub(super) counters: Counters,
    /// When it was made, or tried last to be.
    pub(super) since: Instant,
    /// Whether a task waits for room in the ring.
    is_blocked: bool,
    /// Its names: this node's and, once it is open, the peer's.
    name: u32,
    peers: Option<u32>,
    /// Bytes that have come and nobody has read.
    inbox: VecDeque<u8>,
    window: usize,
    /// All bytes that have come, and those the peer was told it may send.
    received: u64,
    granted: u64,
    /// All bytes sent, and those that may be.
    sent: u64,
    allowed: u64,
    outgoing: Direction,
    incoming: Direction,
    owed: Owed,
}

impl Stream {
    fn new(port: usize, tuple: Tuple, window: usize, owner: Owner, now: Instant) -> Self {
        Self {
            port,
            tuple,
            owner,
            dial: None,
            end: None,
            readers: Waiters::default(),
            writers: Waiters::default(),
            counters: Counters::default(),
            since: now,
            is_blocked: false,
            name: 0,
            peers: None,
            inbox: VecDeque::new(),
            window,
            received: 0,
            granted: window as u64,
            sent: 0,
            allowed: 0,
            outgoing: Direction::Open,
            incoming: Direction::Open,
            owed: Owed::empty(),
        }
    }

    /// One that is to be opened.
    pub(super) fn dialing(port: usize, tuple: Tuple, kind: Kind, now: Instant) -> Self {
        let window = kind.window(Role::Dialer);
        let stream = Self::new(port, tuple, window, Owner::Handle, now);
        Self { dial: Some(Dial::new()), owed: Owed::OPEN, ..stream }
    }

    /// One that the peer has opened.
    pub(super) fn opened(
        port: usize,
        tuple: Tuple,
        kind: Kind,
        header: &Header,
        now: Instant,
    ) -> Self {
        let window = kind.window(Role::Listener);
        let stream = Self::new(port, tuple, window, Owner::Backlog, now);
        let peers = Some(header.from);
        Self { peers, allowed: header.grant, owed: Owed::ACCEPT, ..stream }
    }

    /// Gives it the name by which the peer speaks of it.
    pub(super) fn set_name(&mut self, name: u32) {
        self.name = name;
    }

    /// Bytes that it holds.
    pub(super) fn buffered(&self) -> usize {
        self.inbox.capacity()
    }

    /// Whether something has still to be said.
    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether it waits for room in the ring, for one thing or another.
    pub(super) fn waits(&self) -> bool {
        self.owes() || self.is_blocked
    }

    /// Whether a task waits for room in the ring.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// What the peer was not told yet of the end of a stream that is forgotten.
    pub(super) fn farewell(&mut self) -> Option<Header> {
        self.owed.contains(Owed::RESET).then(|| self.header(Op::Reset))
    }

    /// Wakes tasks that wait for room in the ring, if there is some; false if there is none.
    pub(super) fn unblock(&mut self, link: &mut Link) -> bool {
        if self.is_blocked
            && self.end.is_none()
            && link.stream_room(RESERVE + limits::PAGE).is_none()
        {
            return false;
        }
        self.is_blocked = false;
        self.writers.wake();
        true
    }

    /// Takes what the peer says, of which `length` bytes lie in the ring after the header. False if
    /// that cannot be.
    pub(super) fn hear(&mut self, header: &Header, link: &Link, length: usize) -> bool {
        self.counters.segments_in += 1;
        match header.op {
            Op::Accept if self.peers.is_none() && self.dial.is_some() => {
                self.peers = Some(header.from);
                if self.end.is_some() {
                    // It was given up meanwhile.
                    self.owed = Owed::RESET;
                } else {
                    self.dial = None;
                    self.allow(header.grant);
                    self.writers.wake();
                }
            }
            Op::Refuse if self.peers.is_none() => {
                self.end.get_or_insert(End::Refused);
                self.writers.wake();
            }
            Op::Reset => self.ends(End::Reset),
            _ if self.peers != Some(header.from) => return false,
            Op::Data => {
                self.allow(header.grant);
                return length == 0 || self.take(link, length);
            }
            Op::End => {
                self.incoming = Direction::Heard;
                self.owed |= Owed::ENDED;
                self.readers.wake();
                self.finish();
            }
            Op::Ended if self.outgoing == Direction::Ended => {
                self.outgoing = Direction::Heard;
                self.writers.wake();
                self.finish();
            }
            Op::Open | Op::Accept | Op::Refuse | Op::Ended => return false,
        }
        true
    }

    fn allow(&mut self, grant: u64) {
        if grant > self.allowed {
            // Whoever writes pages waits for room for one.
            let was_full = self.allowed - self.sent < limits::PAGE as u64;
            self.allowed = grant;
            if was_full {
                self.writers.wake();
            }
        }
    }

    fn take(&mut self, link: &Link, length: usize) -> bool {
        let granted = (self.granted - self.received) as usize;
        if self.incoming != Direction::Open || length > granted {
            return false;
        }
        self.received += length as u64;
        if self.end.is_some() {
            return true;
        }
        if self.inbox.is_empty() {
            // From the beginning, so that what comes is in one piece.
            self.inbox.clear();
        }
        let from = self.inbox.len();
        self.inbox.resize(from + length, 0);
        let (front, back) = self.inbox.as_mut_slices();
        let at = from.saturating_sub(front.len());
        let in_front = front.get_mut(from..).unwrap_or_default();
        let split = in_front.len();
        link.copy(Header::BYTES, in_front);
        if let Some(in_back) = back.get_mut(at..).filter(|bytes| !bytes.is_empty()) {
            link.copy(Header::BYTES + split, in_back);
        }
        self.readers.wake();
        true
    }

    /// Both directions have ended in order: nothing more will be said.
    fn finish(&mut self) {
        if self.outgoing == Direction::Heard && self.incoming == Direction::Heard {
            self.end.get_or_insert(End::Finished);
        }
    }

    fn ends(&mut self, end: End) {
        self.end.get_or_insert(end);
        self.readers.wake();
        self.writers.wake();
    }

    /// Reads what has come, up to `buffer`'s length: `None` if nothing has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, ReadError> {
        if self.inbox.is_empty() {
            return match (self.incoming, self.end) {
                (Direction::Open, None) => Ok(None),
                (Direction::Open, Some(end)) => Err(end.into()),
                _ => Err(ReadError::Closed),
            };
        }
        let length = buffer.len().min(self.inbox.len());
        let (front, back) = self.inbox.as_slices();
        let in_front = front.len().min(length);
        buffer[..in_front].copy_from_slice(&front[..in_front]);
        buffer[in_front..length].copy_from_slice(&back[..length - in_front]);
        self.inbox.drain(..length);
        if self.inbox.is_empty() && self.inbox.capacity() > KEPT {
            self.inbox.shrink_to(KEPT);
        }
        self.note_read(length);
        Ok(Some(length))
    }

    /// Hands out the inbox with all that has come, unless that is nothing or more than `most`
    /// bytes: who reads it where it lies saves a copy, and [gives it back](Self::give_back).
    pub(super) fn lend_inbox(&mut self, most: usize) -> Option<VecDeque<u8>> {
        let length = self.inbox.len();
        if length == 0 || length > most {
            return None;
        }
        let inbox = core::mem::take(&mut self.inbox);
        self.note_read(length);
        Some(inbox)
    }

    /// Takes the room of an inbox back that was read.
    pub(super) fn give_back(&mut self, mut inbox: VecDeque<u8>) {
        if self.inbox.capacity() == 0 && inbox.capacity() <= KEPT {
            inbox.clear();
            self.inbox = inbox;
        }
    }

    /// Has what has come, up to `most` bytes, read where it lies; how many bytes that were.
    pub(super) fn read_in_place(
        &mut self,
        most: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, ReadError> {
        let front = self.inbox.as_slices().0;
        if front.is_empty() {
            return self.read(&mut []).map(|_| 0);
        }
        let length = front.len().min(most);
        take(&front[..length]);
        self.inbox.drain(..length);
        self.note_read(length);
        Ok(length)
    }

    fn note_read(&mut self, length: usize) {
        self.counters.bytes_in += length as u64;
        if self.grant() - self.granted >= self.window as u64 / 2 {
            self.owed |= Owed::GRANT;
        }
    }

    /// All bytes the peer may send, with what is free by now.
    fn grant(&self) -> u64 {
        self.received - self.inbox.len() as u64 + self.window as u64
    }

    /// Sends as much of `bytes` as the peer and the ring have room for, none included.
    pub(super) fn write(&mut self, link: &mut Link, bytes: &[u8]) -> Result<usize, WriteError> {
        let length = self.room(link, bytes.len(), 1)?;
        if length > 0 {
            let header = self.header(Op::Data);
            link.put_stream(header, &bytes[..length]);
            self.note_sent(length);
        }
        Ok(length)
    }

    /// Sends those pages that the peer and the ring have room for; how many.
    pub(super) fn write_pages(
        &mut self,
        link: &mut Link,
        pages: Range<usize>,
        put: &mut dyn FnMut(usize, Room<'_>),
    ) -> Result<usize, WriteError> {
        let count = self.room(link, pages.len() * limits::PAGE, limits::PAGE)? / limits::PAGE;
        if count > 0 {
            let header = self.header(Op::Data);
            link.put_pages(header, pages.start..pages.start + count, put);
            self.note_sent(count * limits::PAGE);
        }
        Ok(count)
    }

    /// How many of so many bytes the peer and the ring have room for; less than `unit` are none.
    fn room(&mut self, link: &mut Link, length: usize, unit: usize) -> Result<usize, WriteError> {
        if let Some(end) = self.end {
            return Err(end.into());
        }
        if self.outgoing != Direction::Open {
            return Err(WriteError::Closed);
        }
        let allowed = usize::try_from(self.allowed - self.sent).unwrap_or(usize::MAX);
        let wanted = length.min(allowed).min(LONGEST);
        if wanted == 0 || self.peers.is_none() {
            return Ok(0);
        }
        let spare = if wanted <= SHORT { 0 } else { RESERVE };
        let room = wanted.min(link.stream_room(spare).unwrap_or(0));
        self.is_blocked |= room < unit.min(wanted);
        Ok(room)
    }

    fn note_sent(&mut self, length: usize) {
        self.owed.remove(Owed::GRANT);
        self.sent += length as u64;
        self.counters.segments_out += 1;
        self.counters.bytes_out += length as u64;
    }

    fn header(&mut self, op: Op) -> Header {
        let port = if op == Op::Open { self.tuple.peer_port } else { 0 };
        self.granted = self.granted.max(self.grant());
        Header { op, port, to: self.peers.unwrap_or(0), from: self.name, grant: self.granted }
    }

    /// Says what is owed, as far as there is room; how many records that were.
    pub(super) fn pay(&mut self, link: &mut Link) -> u64 {
        let mut paid = 0;
        for (owed, op) in [
            (Owed::OPEN, Op::Open),
            (Owed::ACCEPT, Op::Accept),
            (Owed::GRANT, Op::Data),
            (Owed::END, Op::End),
            (Owed::ENDED, Op::Ended),
            (Owed::RESET, Op::Reset),
        ] {
            if !self.owed.contains(owed) || (op == Op::End && self.peers.is_none()) {
                continue;
            }
            if link.stream_room(0).is_none() {
                break;
            }
            let header = self.header(op);
            link.put_stream(header, &[]);
            self.owed.remove(owed);
            paid += 1;
        }
        self.counters.segments_out += paid;
        paid
    }

    /// Ends this direction after what was written.
    pub(super) fn close(&mut self) {
        if self.outgoing == Direction::Open && self.end.is_none() {
            self.outgoing = Direction::Ended;
            self.owed |= Owed::END;
        }
    }

    /// Ends it for the reason `end`, unless it has ended before, and has the peer told.
    pub(super) fn abort(&mut self, end: End) {
        if self.end.is_none() {
            let peer_knows = self.peers.is_some();
            self.owed = if peer_knows { Owed::RESET } else { Owed::empty() };
        }
        self.ends(end);
    }

    /// The ring that carried it has been given up.
    pub(super) fn lose(&mut self) {
        self.owed = Owed::empty();
        let end = if self.dial.is_some() { End::Refused } else { End::Reset };
        self.ends(end);
    }

    /// Asks once more, after a refusal.
    pub(super) fn open_again(&mut self, now: Instant) {
        self.since = now;
        self.owed = Owed::OPEN;
    }

    /// Whether this direction was closed in order, or there is nothing left to close.
    pub(super) fn is_closing(&self) -> bool {
        self.outgoing != Direction::Open || self.end.is_some()
    }

    /// Whether nothing can be read of it, now or later.
    pub(super) fn is_barren(&self) -> bool {
        self.end.is_some() && self.inbox.is_empty()
    }

    /// Whether the peer has heard all that was written and the end of it: `None` if not yet.
    pub(super) fn is_delivered(&self) -> Option<Result<(), WriteError>> {
        match (self.outgoing, self.end) {
            (Direction::Heard, _) | (_, Some(End::Finished)) => Some(Ok(())),
            (_, Some(end)) => Some(Err(end.into())),
            _ => None,
        }
    }
}
