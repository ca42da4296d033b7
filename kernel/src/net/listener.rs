//! Listening: connections are made when a SYN comes and wait in a backlog until accepted.
//!
//! smoltcp's own listening socket turns into the connection, so that each waiting listener would
//! need a pool of them with all their buffers, and a burst larger than the pool would be refused.
//! Here the stack sees the SYN first and makes the socket for it.

use alloc::collections::VecDeque;
use core::future::poll_fn;
use core::task::Poll;

use wayfarer_proto::id::NodeId;
use wayfarer_proto::shared::{Header, Op};
use wayfarer_proto::sorted::SortedMap;

use super::connection::Connection;
use super::error::ListenError;
use super::handle::ConnectionId;
use super::network::Network;
use super::segment::Tuple;
use super::slot::{Kind, Owner, Role, Slot};
use super::stack::{Core, Stack};
use super::streams::{Ring, StreamId};
use super::table::SlotId;
use super::waiters::Waiters;

/// How many connections may wait to be accepted on one port; the next SYN is refused, and the
/// peer tries again.
pub const BACKLOG: usize = 64;

/// Accepts connections on a port of this node. Dropping it refuses those not yet accepted.
pub struct Listener {
    network: Network,
    port: u16,
}

/// The ports listened on.
pub(super) type Backlogs = SortedMap<u16, Backlog>;

/// The connections of one port that nobody has accepted yet.
pub(super) struct Backlog {
    kind: Kind,
    waiting: VecDeque<ConnectionId>,
    acceptors: Waiters,
}

impl Listener {
    pub(super) fn new(network: Network, port: u16, kind: Kind) -> Result<Self, ListenError> {
        network.with_core(|core| core.listen(port, kind))?;
        Ok(Self { network, port })
    }

    /// The port listened on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next connection. Its peer is one of the network's nodes; nothing else is
    /// known of it.
    pub async fn accept(&self) -> Connection {
        let id = poll_fn(|context| {
            self.network.with_core(|core| match core.accept(self.port) {
                Some(id) => Poll::Ready(id),
                None => {
                    if let Some(backlog) = core.backlogs.get_mut(&self.port) {
                        backlog.acceptors.register(context.waker());
                    }
                    Poll::Pending
                }
            })
        });
        Connection::new(self.network.clone(), id.await)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.network.with_stack(|stack| stack.stop_listening(self.port));
    }
}

impl Core {
    fn listen(&mut self, port: u16, kind: Kind) -> Result<(), ListenError> {
        if port == 0 {
            return Err(ListenError::InvalidPort);
        }
        if self.backlogs.contains_key(&port) {
            return Err(ListenError::InUse);
        }
        let backlog = Backlog { kind, waiting: VecDeque::new(), acceptors: Waiters::default() };
        self.backlogs.insert(port, backlog);
        Ok(())
    }

    /// The backlog of a port that has room for one more connection.
    fn open_backlog(&mut self, port: u16) -> Option<&mut Backlog> {
        if !self.has_room() {
            return None;
        }
        self.backlogs.get_mut(&port).filter(|backlog| backlog.waiting.len() < BACKLOG)
    }

    /// Makes the connection that a SYN asks for, if somebody listens and there is room.
    pub(super) fn admit(&mut self, tuple: Tuple) -> Option<SlotId> {
        let kind = self.open_backlog(tuple.local_port)?.kind;
        let mut slot = Slot::new(tuple, kind, Role::Listener, Owner::Backlog)?;
        slot.set_limit(self.config.limit, self.now);
        if !slot.listen() {
            return None;
        }
        let id = self.table.insert(slot);
        self.backlogs.get_mut(&tuple.local_port)?.waiting.push_back(ConnectionId::Tcp(id));
        Some(id)
    }

    /// Makes the stream that a peer opens through the ring of a port, or has it refused.
    pub(super) fn admit_stream(
        &mut self,
        (ring, peer): (Ring, NodeId),
        header: &Header,
    ) -> Option<StreamId> {
        let tuple = Tuple { peer, peer_port: 0, local_port: header.port };
        let kind = self.open_backlog(header.port).map(|backlog| backlog.kind);
        let now = self.now;
        let id = kind.and_then(|kind| self.streams.open((ring, tuple), kind, header, now));
        match (id, self.backlogs.get_mut(&header.port)) {
            (Some(id), Some(backlog)) => {
                backlog.waiting.push_back(ConnectionId::Stream(id));
                backlog.acceptors.wake();
            }
            _ => self.streams.answer(ring.port, header, Op::Refuse),
        }
        id
    }

    /// Forgets a stream that waited in a backlog and came to nothing; whether it was one.
    pub(super) fn forget_stillborn(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get(id) else { return false };
        if stream.owner != Owner::Backlog || !stream.is_barren() {
            return false;
        }
        let port = stream.tuple.local_port;
        if let Some(backlog) = self.backlogs.get_mut(&port) {
            backlog.waiting.retain(|&waiting| waiting != ConnectionId::Stream(id));
        }
        true
    }

    /// Sees whether a waiting connection can be accepted, or never will be.
    pub(super) fn settle_backlog(&mut self, id: SlotId) {
        let Some(slot) = self.table.get(id) else { return };
        if slot.owner != Owner::Backlog {
            return;
        }
        let Some(backlog) = self.backlogs.get_mut(&slot.tuple.local_port) else { return };
        if slot.is_stillborn() {
            backlog.waiting.retain(|&waiting| waiting != ConnectionId::Tcp(id));
            self.release(id);
        } else if slot.is_acceptable() {
            backlog.acceptors.wake();
        }
    }

    fn accept(&mut self, port: u16) -> Option<ConnectionId> {
        let backlog = self.backlogs.get(&port)?;
        let at = backlog.waiting.iter().position(|id| self.is_acceptable(*id))?;
        let id = self.backlogs.get_mut(&port)?.waiting.remove(at)?;
        self.take_over(id);
        Some(id)
    }
}

impl Stack {
    fn stop_listening(&mut self, port: u16) {
        let Some(backlog) = self.core().backlogs.remove(&port) else { return };
        backlog.waiting.into_iter().for_each(|id| self.release(id));
    }
}
