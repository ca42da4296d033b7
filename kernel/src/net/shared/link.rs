//! The words and rings of a pair of nodes ([`wayfarer_proto::shared`]), from one side.
//!
//! Nothing in the memory is believed: counters are checked against each other and lengths against
//! what can be, on each read, and whoever finds nonsense begins a new session.

use wayfarer_machine::SharedMemory;
use wayfarer_proto::shared::{
    ANSWERS, AWAKE, CUT, HEAD, PAIR_BYTES, RING_BYTES, RINGS, SESSION, SIDES, TAIL,
};

/// Bytes of the length before each frame; frames begin at multiples of it.
const WORD: usize = size_of::<u64>();

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Put {
    /// It lies in the ring.
    Done,
    /// There was no room, or the link is cut: it is lost.
    Lost,
}

/// One side of the memory.
pub(super) struct Link {
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
    is_awake: bool,
    is_busy: bool,
}

impl Link {
    /// The side of the higher or of the lower node, in a session that no one knows yet.
    pub(super) fn new(memory: SharedMemory, is_higher: bool, session: u64) -> Self {
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
            is_awake: true,
            is_busy: false,
        };
        link.store(AWAKE, 1);
        link.store(ANSWERS, 0);
        link.begin_session();
        link
    }

    /// Whether frames pass: both sides are in each other's session. Begins that of a new peer.
    pub(super) fn is_open(&mut self) -> bool {
        let session = self.peers(SESSION);
        if session != self.peer_session {
            self.peer_session = session;
            self.restart();
            self.store(ANSWERS, session);
        }
        session != 0 && self.peers(ANSWERS) == self.session
    }

    /// Whether a frame of `length` bytes fits the ring now.
    pub(super) fn has_room(&mut self, length: usize) -> bool {
        match self.head.checked_sub(self.peers(TAIL)) {
            Some(used) if used <= RING_BYTES as u64 => {
                record(length) <= RING_BYTES as u64 - used || self.is_cut()
            }
            _ => {
                self.begin_session();
                true
            }
        }
    }

    /// Puts a frame into the ring, of a link that is open.
    pub(super) fn put(&mut self, frame: &[u8]) -> Put {
        if !self.is_open() || self.is_cut() || !self.has_room(frame.len()) {
            return Put::Lost;
        }
        let at = place(self.head);
        self.memory.write(self.outgoing + at, &(frame.len() as u64).to_le_bytes());
        let (first, second) = frame.split_at(frame.len().min(RING_BYTES - at - WORD));
        self.memory.write(self.outgoing + at + WORD, first);
        self.memory.write(self.outgoing, second);
        self.head += record(frame.len());
        self.store(HEAD, self.head);
        self.is_busy = true;
        Put::Done
    }

    /// Takes the oldest frame of the peer into `buffer`; its length, if there is one.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if !self.is_open() || self.is_cut() {
            return None;
        }
        let filled = self.peers(HEAD).checked_sub(self.tail);
        let Some(filled @ 0..=RING_CAPACITY) = filled else {
            self.begin_session();
            return None;
        };
        if filled == 0 {
            return None;
        }
        let at = place(self.tail);
        let mut length = [0; WORD];
        self.memory.read(self.incoming + at, &mut length);
        let frame = usize::try_from(u64::from_le_bytes(length)).ok();
        let frame = frame.and_then(|length| buffer.get_mut(..length));
        let Some(frame) = frame.filter(|frame| record(frame.len()) <= filled) else {
            self.begin_session();
            return None;
        };
        let length = frame.len();
        let (first, second) = frame.split_at_mut(length.min(RING_BYTES - at - WORD));
        self.memory.read(self.incoming + at + WORD, first);
        self.memory.read(self.incoming, second);
        self.tail += record(length);
        self.store(TAIL, self.tail);
        self.is_busy = true;
        Some(length)
    }

    /// Whether there may be a frame to [take](Self::take), or a new session of the peer.
    pub(super) fn has_frame(&self) -> bool {
        let is_open = self.peer_session != 0 && self.peers(ANSWERS) == self.session;
        let is_new = self.peers(SESSION) != self.peer_session;
        is_new || (is_open && self.peers(HEAD) != self.tail && !self.is_cut())
    }

    /// Whether the peer has to be told of what was put.
    pub(super) fn peer_rests(&self) -> bool {
        self.memory.fence();
        self.peers(AWAKE) == 0
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
        (self.head, self.tail) = (0, 0);
        self.store(HEAD, 0);
        self.store(TAIL, 0);
    }

    fn is_cut(&self) -> bool {
        self.memory.load(CUT) != 0
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
