//! The network of a model cluster: connections that delay and split, links that stall and are cut.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use wayfarer_proto::handshake::Acceptor;
use wayfarer_proto::id::{ChannelId, NodeId, ProcessKey};
use wayfarer_proto::time::Instant;

use super::body::BodyId;

/// A door of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// Fork children and bodies in doubt call here.
    Deputy,
    /// New bodies are made here.
    Migration,
    /// Images arrive here.
    Image,
}

/// Who holds an end of a connection.
#[derive(Debug)]
pub enum Owner {
    /// Nobody any more.
    Nobody,
    /// A door, until the hello has been read.
    Door(Port, Acceptor),
    /// A deputy's session.
    Deputy(ProcessKey),
    /// A body's session.
    Body(BodyId),
    /// The sender of an image.
    ImageOut(BodyId),
    /// The receiver of an image.
    ImageIn(BodyId),
}

/// What lies in a direction of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The sender has closed.
    End,
}

/// One end of a connection.
#[derive(Debug)]
pub struct End {
    /// On which node.
    pub node: NodeId,
    /// Whose.
    pub owner: Owner,
    /// What is on its way to it, and when it may arrive.
    pub arriving: VecDeque<(Instant, Piece)>,
}

/// A connection: end 0 dialled.
#[derive(Debug)]
pub struct Connection {
    /// Its ends.
    pub ends: [End; 2],
    /// Which door end 1 came in by.
    pub port: Port,
    /// Whether the other side has answered.
    pub established: bool,
    /// The link was cut for too long: nothing arrives any more.
    pub doomed: bool,
}

/// All connections and links.
#[derive(Debug, Default)]
pub struct Net {
    /// The connections, by the number that sessions know them by.
    pub connections: BTreeMap<ChannelId, Connection>,
    /// Links that are down, and until when.
    pub cuts: BTreeMap<(NodeId, NodeId), Instant>,
    last: u32,
}

/// The name of the link between two nodes.
pub fn link(a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    (a.min(b), a.max(b))
}

impl Net {
    /// A number for a connection.
    pub const fn number(&mut self) -> ChannelId {
        self.last += 1;
        ChannelId(self.last)
    }

    /// A connection that is being made.
    pub fn open(&mut self, id: ChannelId, from: NodeId, owner: Owner, to: NodeId, port: Port) {
        let end = |node, owner| End { node, owner, arriving: VecDeque::new() };
        let ends = [end(from, owner), end(to, Owner::Door(port, Acceptor::default()))];
        let connection = Connection { ends, port, established: false, doomed: false };
        self.connections.insert(id, connection);
    }

    /// Until when the link between two nodes is down, if it is.
    pub fn cut_until(&self, a: NodeId, b: NodeId, now: Instant) -> Option<Instant> {
        self.cuts.get(&link(a, b)).copied().filter(|until| *until > now)
    }

    /// Puts a piece on its way to end `to`; when it may arrive.
    pub fn send(
        &mut self,
        id: ChannelId,
        to: usize,
        piece: Piece,
        now: Instant,
        delay: Duration,
    ) -> Option<Instant> {
        let connection = self.connections.get_mut(&id)?;
        if connection.doomed {
            return None;
        }
        let arriving = &mut connection.ends[to].arriving;
        let earliest = arriving.back().map_or(now, |(at, _)| *at);
        let at = earliest.max(now + delay);
        arriving.push_back((at, piece));
        Some(at)
    }

    /// Which end of a connection `node`'s owner holds that is not the door's.
    pub fn forget_if_unowned(&mut self, id: ChannelId) {
        let unowned = |end: &End| matches!(end.owner, Owner::Nobody);
        if self.connections.get(&id).is_some_and(|c| c.ends.iter().all(unowned)) {
            self.connections.remove(&id);
        }
    }
}
