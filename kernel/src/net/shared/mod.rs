//! A port over memory that both nodes see, beside a card that leads to the same node.
//!
//! Frames pass through the memory while both ends have found each other there ([`link`]), and
//! through the card before that and if it ever fails. What the stack above sees is a port that
//! loses or reorders a few frames at such moments, as any network may. Streams are put into the
//! memory beside them ([`super::streams`]).

mod link;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use wayfarer_machine::SharedMemory;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::node;
use wayfarer_proto::shared::BELL_TYPE;

pub(super) use link::Link;

use super::port::{Port, QueueFull};
use super::segment::ETHERNET_HEADER;

/// How often a full ring is tried before its reader counts as dead, and what is sent as lost: the
/// stack tries again every 50 us.
const PATIENCE: u32 = 4096;

/// A card and the memory shared with the one node it leads to.
pub struct SharedPort {
    link: Link,
    card: Box<dyn Port>,
    bell: [u8; ETHERNET_HEADER],
    /// What frames are copied into before they are looked at, and filled in before they are sent.
    scratch: Vec<u8>,
    /// How often in a row the ring was full.
    refusals: u32,
}

impl SharedPort {
    /// The port of `node` that leads to `peer` through `memory` and through `card`. `session`
    /// tells this life of the node from others: any random number.
    ///
    /// # Panics
    ///
    /// If the memory is not that of a pair ([`wayfarer_proto::shared::PAIR_BYTES`]).
    pub fn new(
        memory: SharedMemory,
        card: Box<dyn Port>,
        node: NodeId,
        peer: NodeId,
        session: u64,
    ) -> Self {
        let mut link = Link::new(memory, node > peer, session);
        // A peer that is there shall look and answer, before anybody connects.
        link.remind();
        let mut bell = [0; ETHERNET_HEADER];
        bell[..6].copy_from_slice(&node::mac(peer));
        bell[6..12].copy_from_slice(&node::mac(node));
        bell[12..].copy_from_slice(&BELL_TYPE);
        let scratch = vec![0; ETHERNET_HEADER + card.mtu()];
        Self { link, card, bell, scratch, refusals: 0 }
    }

    /// Lets the card tell the peer, which is halted or runs a program. A full card has frames that
    /// will wake it anyhow.
    fn ring(&mut self) {
        let bell = self.bell;
        let _ = self.card.send(bell.len(), &mut |frame| frame.copy_from_slice(&bell));
    }
}

impl Port for SharedPort {
    fn mac(&self) -> [u8; 6] {
        self.card.mac()
    }

    fn mtu(&self) -> usize {
        self.card.mtu()
    }

    fn receive(&mut self, accept: &mut dyn FnMut(&[u8])) -> bool {
        if let Some(length) = self.link.take(&mut self.scratch) {
            accept(&self.scratch[..length]);
            return true;
        }
        self.card.receive(&mut |frame| {
            // A bell has done what it was for.
            if frame.get(12..ETHERNET_HEADER) != Some(&BELL_TYPE) {
                accept(frame);
            }
        })
    }

    fn send(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), QueueFull> {
        if !self.link.is_open() {
            return self.card.send(len, fill);
        }
        if !self.link.has_room(len) {
            self.link.remind();
            self.refusals = self.refusals.saturating_add(1);
            if self.refusals < PATIENCE {
                return Err(QueueFull);
            }
        } else {
            self.refusals = 0;
        }
        // Whoever takes a card of this MTU sends no longer frames.
        let frame = &mut self.scratch[..len];
        fill(frame);
        self.link.put(frame);
        Ok(())
    }

    fn announce(&mut self) {
        if self.link.must_ring() {
            self.ring();
        }
        self.card.announce();
    }

    fn link(&mut self) -> Option<&mut Link> {
        Some(&mut self.link)
    }

    fn has_frame(&self) -> bool {
        self.link.has_frame()
    }

    fn is_busy(&self) -> bool {
        self.link.is_busy()
    }

    fn watch(&mut self) {
        self.link.watch();
    }

    fn rest(&mut self) -> bool {
        self.link.rest()
    }
}
