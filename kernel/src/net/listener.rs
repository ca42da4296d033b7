//! Listening: connections are made when a SYN comes and wait in a backlog until accepted.
//!
//! smoltcp's own listening socket turns into the connection, so that each waiting listener would
//! need a pool of them with all their buffers, and a burst larger than the pool would be refused.
//! Here the stack sees the SYN first and makes the socket for it.

use alloc::collections::{BTreeMap, VecDeque};
use core::future::poll_fn;
use core::task::Poll;

use super::connection::Connection;
use super::error::ListenError;
use super::network::Network;
use super::segment::Tuple;
use super::slot::{Kind, Owner, Role, Slot};
use super::stack::Core;
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
pub(super) type Backlogs = BTreeMap<u16, Backlog>;

/// The connections of one port that nobody has accepted yet.
pub(super) struct Backlog {
    kind: Kind,
    waiting: VecDeque<SlotId>,
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
        self.network.with_core(|core| core.stop_listening(self.port));
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

    fn stop_listening(&mut self, port: u16) {
        let Some(backlog) = self.backlogs.remove(&port) else { return };
        backlog.waiting.into_iter().for_each(|id| self.release(id));
    }

    /// Makes the connection that a SYN asks for, if somebody listens and there is room.
    pub(super) fn admit(&mut self, tuple: Tuple) -> Option<SlotId> {
        if !self.has_room() {
            return None;
        }
        let backlog = self.backlogs.get_mut(&tuple.local_port)?;
        if backlog.waiting.len() >= BACKLOG {
            return None;
        }
        let mut slot = Slot::new(tuple, backlog.kind, Role::Listener, Owner::Backlog)?;
        slot.set_limit(self.config.limit, self.now);
        if !slot.listen() {
            return None;
        }
        let id = self.table.insert(slot);
        backlog.waiting.push_back(id);
        Some(id)
    }

    /// Sees whether a waiting connection can be accepted, or never will be.
    pub(super) fn settle_backlog(&mut self, id: SlotId) {
        let Some(slot) = self.table.get(id) else { return };
        if slot.owner != Owner::Backlog {
            return;
        }
        let Some(backlog) = self.backlogs.get_mut(&slot.tuple.local_port) else { return };
        if slot.is_stillborn() {
            backlog.waiting.retain(|&waiting| waiting != id);
            self.release(id);
        } else if slot.is_acceptable() {
            backlog.acceptors.wake();
        }
    }

    fn accept(&mut self, port: u16) -> Option<SlotId> {
        let (table, backlog) = (&mut self.table, self.backlogs.get_mut(&port)?);
        let ready = |id: &SlotId| table.get(*id).is_some_and(Slot::is_acceptable);
        let id =
            backlog.waiting.iter().position(ready).and_then(|at| backlog.waiting.remove(at))?;
        table.get_mut(id)?.owner = Owner::Handle;
        Some(id)
    }
}
