//! The nodes that this node has TCP connections with, and one sign of life for each.
//!
//! Probes of each connection would wake both nodes as often as they have connections, ten thousand
//! perhaps. Instead each node tells the other how many connections they have, three times in the
//! limit of silence: that it lives, and that it has not forgotten any. If the numbers differ twice
//! in a row, and at once if the other has none left, each connection is probed: what the other does
//! not know it resets. A node that has none answers, or one that was replaced would be silent.

use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_proto::id::NodeId;
use wayfarer_proto::node;
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::time::Instant;

use super::error::End;
use super::segment::ETHERNET_HEADER;
use super::slot::Slot;
use super::stack::{Core, Stack};
use super::table::SlotId;

/// The second Ethernet type for local experiments (IEEE 802, 9.2.3).
const ETHERTYPE: [u8; 2] = [0x88, 0xb6];

/// A sign of life: how many connections its sender has with the node that gets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Beat(u32);

impl Beat {
    /// Bytes of its frame.
    pub(super) const LENGTH: usize = ETHERNET_HEADER + size_of::<u32>();

    pub(super) fn write(self, frame: &mut [u8], from: NodeId, to: NodeId) {
        let (header, payload) = frame.split_at_mut(ETHERNET_HEADER);
        header[0..6].copy_from_slice(&node::mac(to));
        header[6..12].copy_from_slice(&node::mac(from));
        header[12..].copy_from_slice(&ETHERTYPE);
        payload.copy_from_slice(&self.0.to_le_bytes());
    }

    /// Reads one for node `own`, and who sent it.
    pub(super) fn parse(frame: &[u8], own: NodeId) -> Option<(NodeId, Self)> {
        let (header, payload) = frame.split_at_checked(ETHERNET_HEADER)?;
        if header[0..6] != node::mac(own) || header[12..] != ETHERTYPE {
            return None;
        }
        let peer = node::of_mac(header[6..12].try_into().ok()?)?;
        Some((peer, Self(u32::from_le_bytes(*payload.first_chunk()?))))
    }
}

/// What follows from a neighbour's beat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// Nothing.
    Fine,
    /// It is to be answered.
    Answer(Beat),
    /// One of the two nodes has forgotten a connection.
    Doubt,
}

/// A node with which there are connections.
struct Neighbour {
    connections: u32,
    heard_at: Instant,
    /// Whether its last beat had another number.
    differed: bool,
}

/// All such nodes.
pub(super) struct Neighbours {
    known: SortedMap<NodeId, Neighbour>,
    /// How long one may be silent; `None` for ever.
    limit: Option<Duration>,
    /// When to look at them next.
    look_at: Instant,
}

impl Neighbours {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { known: SortedMap::default(), limit, look_at: Instant::NEVER }
    }

    /// One more connection with a node, which has just been heard.
    pub(super) fn join(&mut self, peer: NodeId, now: Instant) {
        if let Some(limit) = self.limit.filter(|_| self.known.is_empty()) {
            self.look_at = now + limit / 3;
        }
        let new = || Neighbour { connections: 0, heard_at: now, differed: false };
        self.known.get_or_insert_with(peer, new).connections += 1;
    }

    /// One connection less; when the node was heard last.
    pub(super) fn part(&mut self, peer: NodeId) -> Option<Instant> {
        let neighbour = self.known.get_mut(&peer)?;
        neighbour.connections -= 1;
        let (heard_at, left) = (neighbour.heard_at, neighbour.connections);
        if left == 0 {
            self.known.remove(&peer);
        }
        Some(heard_at)
    }

    /// A segment has come from a node.
    pub(super) fn note(&mut self, peer: NodeId, now: Instant) {
        if let Some(neighbour) = self.known.get_mut(&peer) {
            neighbour.heard_at = now;
        }
    }

    /// A beat has come.
    pub(super) fn hear(&mut self, peer: NodeId, Beat(theirs): Beat, now: Instant) -> Heard {
        let Some(neighbour) = self.known.get_mut(&peer) else {
            return if theirs == 0 { Heard::Fine } else { Heard::Answer(Beat(0)) };
        };
        neighbour.heard_at = now;
        let differed = core::mem::replace(&mut neighbour.differed, false);
        if theirs == neighbour.connections {
            return Heard::Fine;
        }
        if theirs == 0 || differed {
            return Heard::Doubt;
        }
        neighbour.differed = true;
        Heard::Fine
    }

    /// What is due: beats to send, and nodes without one that have been silent for too long.
    pub(super) fn look(&mut self, now: Instant) -> Vec<(NodeId, Option<Beat>)> {
        let Some(limit) = self.limit.filter(|_| self.look_at <= now) else { return Vec::new() };
        self.look_at = now + limit / 3;
        let mut due = Vec::new();
        for (peer, neighbour) in self.known.iter() {
            let silent_at = neighbour.heard_at + limit;
            let lives = silent_at > now;
            if lives {
                self.look_at = self.look_at.min(silent_at);
            }
            due.push((*peer, lives.then_some(Beat(neighbour.connections))));
        }
        due
    }

    /// When to look next.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        Some(self.look_at).filter(|at| !self.known.is_empty() && *at != Instant::NEVER)
    }
}

impl Stack {
    /// Shows peers that this node lives, and ends connections with those that do not.
    pub(super) fn look_at_neighbours(&mut self) {
        let (fabric, core) = self.parts();
        for (peer, beat) in core.neighbours.look(core.now) {
            match beat {
                Some(beat) => {
                    let sent = fabric.send_beat(peer, beat);
                    core.totals.count_sent(sent);
                }
                None => core.end_all(peer),
            }
        }
    }
}

impl Core {
    /// Counts a connection among those with its peer, or no longer.
    pub(super) fn count(&mut self, id: SlotId) {
        let Some(slot) = self.table.get_mut(id) else { return };
        if slot.is_kept() == slot.is_counted {
            return;
        }
        slot.is_counted = !slot.is_counted;
        if slot.is_counted {
            self.neighbours.join(slot.tuple.peer, self.now);
        } else if let Some(heard_at) = self.neighbours.part(slot.tuple.peer) {
            slot.note_heard(heard_at);
        }
    }

    /// Takes a sign of life in; what it is answered by, if it is.
    pub(super) fn hear_beat(&mut self, peer: NodeId, beat: Beat) -> Option<Beat> {
        match self.neighbours.hear(peer, beat, self.now) {
            Heard::Fine => None,
            Heard::Answer(answer) => Some(answer),
            Heard::Doubt => {
                self.change_all(peer, Slot::probe);
                None
            }
        }
    }

    /// Ends all connections with a node that is silent.
    fn end_all(&mut self, peer: NodeId) {
        self.change_all(peer, |slot| slot.abort(End::TimedOut));
    }

    fn change_all(&mut self, peer: NodeId, mut change: impl FnMut(&mut Slot)) {
        for id in self.table.with(peer) {
            if let Some(slot) = self.table.get_mut(id).filter(|slot| slot.is_counted) {
                change(slot);
                self.table.enqueue(id);
            }
        }
    }
}
