//! The memory that two nodes of one host share: a ring of records in each direction, laid out the
//! same for the kernels at both ends and for the runner, which makes it.
//!
//! ```text
//! 0x000000  page of the node with the lower id   SESSION ANSWERS HEAD TAIL AWAKE BEAT
//! 0x001000  page of the other                    the same
//! 0x002000  page of the runner                   CUT
//! 0x080000  ring that the lower node fills
//! 0x100000  ring that the other fills
//! ```
//!
//! Each page and ring is written by one side only. A record in a ring is a word with its length in
//! bytes (the lower half) and its [`Kind`] (the upper half), its bytes, and up to seven more to the
//! next multiple of eight; it may go on at the ring's beginning. HEAD counts the bytes ever written
//! to the own ring, TAIL those ever taken from the peer's, both since the session began. BEAT is
//! another number at least three times in the limit of silence, as long as there are streams. All
//! words have 64 bits, in the order of x86.
//!
//! A record is an Ethernet frame, or a [`Header`] and bytes of a stream. A ring loses nothing while
//! its session lasts, so a stream needs neither numbers nor acknowledgements: it ends with the
//! session. Who reads it grants the writer a number of bytes ahead, and a ring is always emptied.
//!
//! A session is a number of its node's choice. A node that sees a new one of its peer sets its HEAD
//! and TAIL to 0 and writes the number to ANSWERS; frames pass while each has answered the other's.
//! Until then, and where there is no such memory, they go by way of the network card. A node whose
//! AWAKE is 0 does not look by itself: who sends to it rings its bell, a frame of type
//! [`BELL_TYPE`] through the card.

/// Bytes of the memory of one pair of nodes.
pub const PAIR_BYTES: usize = 0x20_0000;

/// Where the pages of the lower node and of the other begin.
pub const SIDES: [usize; 2] = [0, 0x1000];

/// Where the rings that they fill begin.
pub const RINGS: [usize; 2] = [0x8_0000, 0x10_0000];

/// Bytes of a ring; a power of two.
pub const RING_BYTES: usize = 0x8_0000;

/// Offset in a side's page: the number of its session, never 0.
pub const SESSION: usize = 0;

/// Offset in a side's page: the peer's session that it has begun.
pub const ANSWERS: usize = 8;

/// Offset in a side's page: bytes written to its ring.
pub const HEAD: usize = 64;

/// Offset in a side's page: bytes taken from the peer's ring.
pub const TAIL: usize = 128;

/// Offset in a side's page: whether it looks for frames by itself.
pub const AWAKE: usize = 192;

/// Offset in a side's page: changes while it lives.
pub const BEAT: usize = 256;

/// Where the runner writes a word other than 0 while the link is cut: a frame that is sent then is
/// lost, and streams stand still.
pub const CUT: usize = 0x2000;

/// The Ethernet type of a bell (IEEE 802, 9.2.3: the second for local experiments).
pub const BELL_TYPE: [u8; 2] = [0x88, 0xb6];

const _: () = assert!(RING_BYTES.is_power_of_two());
const _: () = assert!(SIDES[1] + BEAT + 8 <= CUT && CUT + 8 <= RINGS[0]);
const _: () = assert!(RINGS[0] + RING_BYTES <= RINGS[1] && RINGS[1] + RING_BYTES <= PAIR_BYTES);

/// What a record in a ring is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An Ethernet frame.
    Frame,
    /// A [`Header`] and bytes of a stream.
    Stream,
}

impl Kind {
    /// The word before a record of `length` bytes.
    pub const fn word(self, length: usize) -> u64 {
        (self as u64) << 32 | length as u64 & u32::MAX as u64
    }

    /// What the word before a record says: its kind, and its length in bytes.
    pub const fn parse(word: u64) -> Option<(Self, usize)> {
        let length = (word & u32::MAX as u64) as usize;
        match word >> 32 {
            0 => Some((Self::Frame, length)),
            1 => Some((Self::Stream, length)),
            _ => None,
        }
    }
}

/// What is said of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Begins one, to a port of the receiver.
    Open,
    /// It is accepted.
    Accept,
    /// Nobody listens on that port, or there is no room.
    Refuse,
    /// Bytes, if any, and how many the receiver may send.
    Data,
    /// No more bytes will come.
    End,
    /// That was heard.
    Ended,
    /// The stream is no more.
    Reset,
}

/// Before the bytes of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What is said.
    pub op: Op,
    /// The port opened; else 0.
    pub port: u16,
    /// The receiver's name of the stream; 0 to open one.
    pub to: u32,
    /// The sender's.
    pub from: u32,
    /// How many bytes the receiver may send, in all since the stream began.
    pub grant: u64,
}

impl Header {
    /// Bytes of a header.
    pub const BYTES: usize = 24;

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let what = u64::from(self.port) << 8 | self.op as u64;
        bytes[..8].copy_from_slice(&what.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.to.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.from.to_le_bytes());
        bytes[16..].copy_from_slice(&self.grant.to_le_bytes());
        bytes
    }

    /// The header that these bytes are, if they are one.
    pub fn parse(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let [op, port_low, port_high, rest @ ..] = *bytes;
        let op = match op {
            0 => Op::Open,
            1 => Op::Accept,
            2 => Op::Refuse,
            3 => Op::Data,
            4 => Op::End,
            5 => Op::Ended,
            6 => Op::Reset,
            _ => return None,
        };
        let name =
            |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let grant = u64::from(name(13)) | u64::from(name(17)) << 32;
        let port = u16::from_le_bytes([port_low, port_high]);
        Some(Self { op, port, to: name(5), from: name(9), grant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        for op in [Op::Open, Op::Accept, Op::Refuse, Op::Data, Op::End, Op::Ended, Op::Reset] {
            let header =
                Header { op, port: 0x1234, to: 0x0102_0304, from: 7, grant: 0x0a0b_0c0d_0e0f_0102 };
            assert_eq!(Header::parse(&header.to_bytes()), Some(header));
        }
        assert_eq!(Header::parse(&[7; Header::BYTES]), None);
    }

    #[test]
    fn a_word_says_what_a_record_is() {
        for kind in [Kind::Frame, Kind::Stream] {
            assert_eq!(Kind::parse(kind.word(9014)), Some((kind, 9014)));
        }
        assert_eq!(Kind::parse(2 << 32), None);
        assert_eq!(Kind::parse(u64::MAX), None);
    }
}
