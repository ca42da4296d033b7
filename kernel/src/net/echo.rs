//! Frames that a peer sends straight back: the round trip of the bare wire.
//!
//! For the benchmark, which compares forwarded calls with it. Neither IP nor a task takes part: the
//! stack that receives such a frame answers it before it looks at the next one.

use alloc::vec::Vec;
use core::task::Waker;

use wayfarer_machine::Clock;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::node;
use wayfarer_proto::time::Instant;

use super::segment::ETHERNET_HEADER;
use super::waiters::Waiters;

/// The Ethernet type for local experiments (IEEE 802, 9.2.3).
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

/// Bytes that every echo has: what it is, and the length wanted of the answer.
const HEADER: usize = 5;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// The exchange of a node with another, and whether it answers others.
#[derive(Default)]
pub(super) struct Echo {
    /// Whether this node sends requests back.
    pub(super) answers: bool,
    run: Option<Run>,
}

/// An exchange that goes on.
struct Run {
    peer: NodeId,
    order: EchoOrder,
    /// Read for each echo: several may come in one turn of the node.
    clock: Clock,
    last: Instant,
    round_trips: Vec<u64>,
    waiters: Waiters,
}

/// How much is exchanged, and how often. Sizes are those after the Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EchoOrder {
    /// Bytes there.
    pub request: usize,
    /// Bytes back.
    pub reply: usize,
    /// How often.
    pub count: usize,
}

/// An echo to be sent: its kind, its length, and the length of the answer.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    kind: u8,
    length: usize,
    answer: usize,
}

impl Frame {
    fn request(order: EchoOrder) -> Self {
        Self { kind: REQUEST, length: order.request, answer: order.reply }
    }

    /// The length of the whole frame where packets have at most `mtu` bytes.
    pub(super) fn length(&self, mtu: usize) -> usize {
        ETHERNET_HEADER + self.length.clamp(HEADER, mtu)
    }

    pub(super) fn write(&self, frame: &mut [u8], from: NodeId, to: NodeId) {
        let (header, payload) = frame.split_at_mut(ETHERNET_HEADER);
        header[0..6].copy_from_slice(&node::mac(to));
        header[6..12].copy_from_slice(&node::mac(from));
        header[12..].copy_from_slice(&ETHERTYPE);
        payload.fill(0);
        payload[0] = self.kind;
        let answer = u32::try_from(self.answer).unwrap_or(u32::MAX);
        payload[1..HEADER].copy_from_slice(&answer.to_le_bytes());
    }
}

/// Reads an echo for node `own`: who sent it, and what it says.
pub(super) fn parse(frame: &[u8], own: NodeId) -> Option<(NodeId, Frame)> {
    let (header, payload) = frame.split_at_checked(ETHERNET_HEADER)?;
    if header[0..6] != node::mac(own) || header[12..] != ETHERTYPE {
        return None;
    }
    let peer = node::of_mac(header[6..12].try_into().ok()?)?;
    let [kind, answer @ ..] = *payload.first_chunk::<HEADER>()?;
    let answer = u32::from_le_bytes(answer) as usize;
    Some((peer, Frame { kind, length: payload.len(), answer }))
}

impl Echo {
    /// Begins an exchange, in place of one that was given up; the first frame is to be sent.
    pub(super) fn begin(&mut self, peer: NodeId, order: EchoOrder, clock: Clock) -> Frame {
        let round_trips = Vec::with_capacity(order.count);
        let waiters = Waiters::default();
        self.run = Some(Run { peer, order, clock, last: now(clock), round_trips, waiters });
        Frame::request(order)
    }

    /// Takes in an echo; the answer, or the next request, is to be sent.
    pub(super) fn arrive(&mut self, peer: NodeId, frame: Frame) -> Option<Frame> {
        match frame.kind {
            REQUEST if self.answers => Some(Frame { kind: REPLY, length: frame.answer, answer: 0 }),
            REPLY => self.run.as_mut().filter(|run| run.peer == peer)?.next(),
            _ => None,
        }
    }

    /// Whether the exchange is over; if not, `waker` is woken when it is.
    pub(super) fn is_over(&mut self, waker: &Waker) -> bool {
        let Some(run) = &mut self.run else { return true };
        run.waiters.register(waker);
        run.is_over()
    }

    /// Ends the exchange; how long each round trip took, in nanoseconds.
    pub(super) fn end(&mut self) -> Vec<u64> {
        self.run.take().map(|run| run.round_trips).unwrap_or_default()
    }
}

impl Run {
    fn is_over(&self) -> bool {
        self.round_trips.len() >= self.order.count
    }

    fn next(&mut self) -> Option<Frame> {
        if self.is_over() {
            return None;
        }
        let now = now(self.clock);
        self.round_trips.push(now.since(self.last).as_nanos() as u64);
        self.last = now;
        if self.is_over() {
            self.waiters.wake();
            return None;
        }
        Some(Frame::request(self.order))
    }
}

fn now(clock: Clock) -> Instant {
    Instant(clock.now_ns())
}
