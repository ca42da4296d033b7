//! The words and rings of a pair of nodes ([`wayfarer_proto::shared`]), from one side.
//!
//! Nothing in the memory is believed: counters are checked against each other and lengths against
//! what can be, on each read, and whoever finds nonsense begins a new session.

use core::ops::Range;

use wayfarer_machine::{Room, SharedMemory};
use wayfarer_proto::limits;
use wayfarer_proto::shared::{
    ANSWERS, AWAKE, BEAT, CUT, HEAD, Header, Kind, PAIR_BYTES, RING_BYTES, RINGS, SESSION, SIDES,
    TAIL,
};

/// Bytes of the word before each record; records begin at multiples of it.
const WORD: usize = size_of::<u64>();

/// One side of the memory.
pub struct Link {
    memory: SharedMemory,
    /// Where the page and the ring that this side writes begin.
    own: usize,
    outgoing: usize,
    /// Where those of the peer begin.
    peer: usize,
    incoming: usize,
    session: u64,
    /// The peer's session that this side has answered; 0: none yet.
    peer_session: u64,
    /// Bytes written to the outgoing ring and taken from the incoming one.
    head: u64,
    tail: u64,
    /// How often both rings have been given up.
    restarts: u32,
    is_awake: bool,
    is_busy: bool,
    /// Whether something was put that the peer may have to be told of.
    is_untold: bool,
}

impl Link {
    /// The side of the higher or of the lower node, in a session that no one knows yet.
    pub(in crate::net) fn new(memory: SharedMemory, is_higher: bool, session: u64) -> Self {
        assert_eq!(memory.length(), PAIR_BYTES, "the memory of a pair");
        let (own, peer) = (usize::from(is_higher), usize::from(!is_higher));
        let mut link = Self {
            own: SIDES[own],
            outgoing: RINGS[own],
            peer: SIDES[peer],
            incoming: RINGS[peer],
            session: memory.load(SIDES[own] + SESSION).wrapping_add(session),
            memory,
            peer_session: 0,
            head: 0,
            tail: 0,
            restarts: 0,
            is_awake: true,
            is_busy: false,
            is_untold: false,
        };
        link.store(AWAKE, 1);
        link.store(ANSWERS, 0);
        link.begin_session();
        link
    }

    /// Whether records pass: both sides are in each other's session. Begins that of a new peer.
    pub(in crate::net) fn is_open(&mut self) -> bool {
        let session = self.peers(SESSION);
        if session != self.peer_session {
            self.peer_session = session;
            self.restart();
            self.store(ANSWERS, session);
        }
        session != 0 && self.peers(ANSWERS) == self.session
    }

    /// How often both rings have been given up: what was in them is lost.
    pub(in crate::net) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether a frame of `length` bytes fits the ring now, or is lost anyhow.
    pub(super) fn has_room(&mut self, length: usize) -> bool {
        self.is_cut() || record(length) <= self.room()
    }

    /// Bytes of the outgoing ring that are free. If its reader writes nonsense, all are.
    fn room(&mut self) -> u64 {
        match self.head.checked_sub(self.peers(TAIL)) {
            Some(used) if used <= RING_CAPACITY => RING_CAPACITY - used,
            _ => {
                self.begin_session();
                RING_CAPACITY
            }
        }
    }

    /// Puts a frame into the ring. If there is no room or the link is cut, it is lost.
    pub(super) fn put(&mut self, frame: &[u8]) {
        if self.is_open() && !self.is_cut() && self.has_room(frame.len()) {
            self.append(Kind::Frame, &[], frame);
        }
    }

    /// How many bytes of a stream can be put now beside a header, if `spare` bytes are left free.
    pub(in crate::net) fn stream_room(&mut self, spare: usize) -> Option<usize> {
        if !self.is_open() || self.is_cut() {
            return None;
        }
        let taken = spare + WORD + Header::BYTES;
        (self.room() as usize).checked_sub(taken)
    }

    /// Puts a header and bytes of a stream into the ring, which has [room](Self::stream_room).
    pub(in crate::net) fn put_stream(&mut self, header: Header, bytes: &[u8]) {
        self.append(Kind::Stream, &header.to_bytes(), bytes);
    }

    /// The same with pages, which `put` writes by their index.
    pub(in crate::net) fn put_pages(
        &mut self,
        header: Header,
        pages: Range<usize>,
        put: &mut dyn FnMut(usize, Room<'_>),
    ) {
        self.fill(self.head + WORD as u64, &header.to_bytes());
        let mut from = self.head + (WORD + Header::BYTES) as u64;
        for index in pages.clone() {
            let at = place(from);
            if RING_BYTES - at >= limits::PAGE {
                put(index, self.memory.room(self.outgoing + at, limits::PAGE));
            } else {
                let mut page = [0; limits::PAGE];
                put(index, page.as_mut_slice().into());
                self.fill(from, &page);
            }
            from += limits::PAGE as u64;
        }
        self.finish(Kind::Stream, Header::BYTES + pages.len() * limits::PAGE);
    }

    fn append(&mut self, kind: Kind, header: &[u8], bytes: &[u8]) {
        self.fill(self.head + WORD as u64, header);
        self.fill(self.head + (WORD + header.len()) as u64, bytes);
        self.finish(kind, header.len() + bytes.len());
    }

    /// Shows the peer a record of `length` bytes, which are there.
    fn finish(&mut self, kind: Kind, length: usize) {
        self.memory.store(self.outgoing + place(self.head), kind.word(length));
        self.head += record(length);
        self.store(HEAD, self.head);
        self.is_busy = true;
        self.is_untold = true;
    }

    /// Writes into the outgoing ring, where the byte with the number `from` has its place.
    fn fill(&self, from: u64, bytes: &[u8]) {
        let at = place(from);
        let (first, second) = bytes.split_at(bytes.len().min(RING_BYTES - at));
        self.memory.write(self.outgoing + at, first);
        if !second.is_empty() {
            self.memory.write(self.outgoing, second);
        }
    }

    /// The oldest record of the peer that was not taken: what it is, and its length.
    pub(in crate::net) fn next(&mut self) -> Option<(Kind, usize)> {
        if !self.is_open() || self.is_cut() {
            return None;
        }
        let filled = self.peers(HEAD).wrapping_sub(self.tail);
        if filled == 0 {
            return None;
        }
        let word = self.memory.load(self.incoming + place(self.tail));
        let next = Kind::parse(word).filter(|(_, length)| record(*length) <= filled);
        if next.is_none() || filled > RING_CAPACITY {
            self.begin_session();
            return None;
        }
        next
    }

    /// Copies bytes of that record out, from its byte `offset` on.
    pub(in crate::net) fn copy(&self, offset: usize, target: &mut [u8]) {
        let at = place(self.tail + (WORD + offset) as u64);
        let (first, second) = target.split_at_mut(target.len().min(RING_BYTES - at));
        self.memory.read(self.incoming + at, first);
        if !second.is_empty() {
            self.memory.read(self.incoming, second);
        }
    }

    /// Takes that record, of `length` bytes.
    pub(in crate::net) fn advance(&mut self, length: usize) {
        self.tail += record(length);
        self.store(TAIL, self.tail);
        self.is_busy = true;
    }

    /// Takes the oldest record of the peer into `buffer`, if it is a frame; its length.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let (Kind::Frame, length) = self.next()? else { return None };
        let Some(frame) = buffer.get_mut(..length) else {
            self.begin_session();
            return None;
        };
        self.copy(0, frame);
        self.advance(length);
        Some(length)
    }

    /// Shows the peer that this side lives.
    pub(in crate::net) fn beat(&self) {
        self.store(BEAT, self.memory.load(self.own + BEAT).wrapping_add(1));
    }

    /// What changes while the peer lives; `None` if nothing is to be heard of it.
    pub(in crate::net) fn peers_beat(&self) -> Option<u64> {
        (!self.is_cut()).then(|| self.peers(BEAT))
    }

    /// Whether the link is cut.
    pub(in crate::net) fn is_cut(&self) -> bool {
        self.memory.load(CUT) != 0
    }

    /// Whether there may be a record to [take](Self::next), or a new session of the peer.
    pub(super) fn has_frame(&self) -> bool {
        let is_open = self.peer_session != 0 && self.peers(ANSWERS) == self.session;
        let is_new = self.peers(SESSION) != self.peer_session;
        is_new || (is_open && self.peers(HEAD) != self.tail && !self.is_cut())
    }

    /// Whether the peer rests and has to be told of what was put since this was last asked.
    pub(super) fn must_ring(&mut self) -> bool {
        core::mem::take(&mut self.is_untold) && {
            self.memory.fence();
            self.peers(AWAKE) == 0
        }
    }

    /// Has the peer told, if it rests, though nothing more fits.
    pub(super) fn remind(&mut self) {
        self.is_untold = true;
    }

    /// Whether frames have passed since the last rest.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Says that this side looks for frames by itself.
    pub(super) fn watch(&mut self) {
        if !self.is_awake {
            self.is_awake = true;
            self.store(AWAKE, 1);
        }
    }

    /// Says that this side does not, from now on; whether it should look once more.
    pub(super) fn rest(&mut self) -> bool {
        if self.is_awake {
            self.is_awake = false;
            self.is_busy = false;
            self.store(AWAKE, 0);
            self.memory.fence();
        }
        self.has_frame()
    }

    /// Gives up what lies in both rings.
    fn begin_session(&mut self) {
        self.restart();
        // Odd, so never 0, and another one than the last.
        self.session = self.session.wrapping_add(2) | 1;
        self.store(SESSION, self.session);
    }

    fn restart(&mut self) {
        self.restarts = self.restarts.wrapping_add(1);
        (self.head, self.tail) = (0, 0);
        self.store(HEAD, 0);
        self.store(TAIL, 0);
    }

    fn peers(&self, word: usize) -> u64 {
        self.memory.load(self.peer + word)
    }

    fn store(&self, word: usize, value: u64) {
        self.memory.store(self.own + word, value);
    }
}

/// Bytes of a whole ring.
const RING_CAPACITY: u64 = RING_BYTES as u64;

/// The place in a ring of the byte with this number.
fn place(counter: u64) -> usize {
    (counter % RING_CAPACITY) as usize
}

/// Bytes that a frame takes of a ring.
fn record(length: usize) -> u64 {
    (WORD + length.next_multiple_of(WORD)) as u64
}
