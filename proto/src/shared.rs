//! The memory that two nodes of one host share: a ring of frames in each direction, laid out the
//! same for the kernels at both ends and for the runner, which makes it.
//!
//! ```text
//! 0x000000  page of the node with the lower id   SESSION ANSWERS HEAD TAIL AWAKE
//! 0x001000  page of the other                    the same
//! 0x002000  page of the runner                   CUT
//! 0x080000  ring that the lower node fills
//! 0x100000  ring that the other fills
//! ```
//!
//! Each page and ring is written by one side only. A frame in a ring is a word with its length in
//! bytes, the frame, and up to seven bytes to the next multiple of eight; it may go on at the
//! ring's beginning. HEAD counts the bytes ever written to the own ring, TAIL those ever taken from
//! the peer's, both since the session began. All words have 64 bits, in the order of x86.
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

/// Where the runner writes a word other than 0 while the link is cut: what is sent then is lost.
pub const CUT: usize = 0x2000;

/// The Ethernet type of a bell (IEEE 802, 9.2.3: the second for local experiments).
pub const BELL_TYPE: [u8; 2] = [0x88, 0xb6];

const _: () = assert!(RING_BYTES.is_power_of_two());
const _: () = assert!(SIDES[1] + AWAKE + 8 <= CUT && CUT + 8 <= RINGS[0]);
const _: () = assert!(RINGS[0] + RING_BYTES <= RINGS[1] && RINGS[1] + RING_BYTES <= PAIR_BYTES);
