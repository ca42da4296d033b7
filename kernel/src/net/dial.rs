//! Connecting: a local port, a SYN, and another try after a refusal.
//!
//! A refusal may only mean that the peer's daemon is not up yet or its backlog is full for the
//! moment, so it is answered by a bounded number of attempts, each from another local port.

use core::time::Duration;

use wayfarer_proto::id::NodeId;
use wayfarer_proto::time::Instant;

use super::error::{ConnectError, End};
use super::handle::ConnectionId;
use super::segment::Tuple;
use super::slot::{Kind, Owner, Role, Slot};
use super::stack::Core;
use super::streams::Ring;
use super::table::SlotId;

/// The first port handed out to connections made here (RFC 6335, section 6).
const FIRST_DYNAMIC_PORT: u16 = 49152;

/// How many there are.
const DYNAMIC_PORTS: u16 = u16::MAX - FIRST_DYNAMIC_PORT + 1;

/// How many refusals are answered by another attempt.
const RETRIES: u8 = 8;

/// The time before the second attempt; it doubles each time, to a quarter of a second in all.
const FIRST_BACKOFF: Duration = Duration::from_millis(1);

/// An attempt to connect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dial {
    /// How often a refusal is still answered by another attempt.
    attempts_left: u8,
    /// How long to wait before the next one; doubles each time.
    backoff: Duration,
    /// When the next attempt is due, if the last was refused.
    pub(super) retry_at: Option<Instant>,
}

impl Dial {
    /// The first attempt.
    pub(super) fn new() -> Self {
        Self { attempts_left: RETRIES, backoff: FIRST_BACKOFF, retry_at: None }
    }

    /// Answers a refusal by another attempt later, and tells when; `None` after the last one.
    pub(super) fn put_off(&mut self, now: Instant) -> Option<Instant> {
        self.attempts_left = self.attempts_left.checked_sub(1)?;
        self.retry_at = Some(now + self.backoff);
        self.backoff *= 2;
        self.retry_at
    }
}

/// Local ports in turn, from a random one, so that a restarted node does not meet what its peers
/// remember of it.
pub(super) struct Ports {
    next: u16,
}

impl Ports {
    pub(super) fn new(seed: u64) -> Self {
        let [low, high, ..] = seed.to_le_bytes();
        Self { next: u16::from_le_bytes([low, high]) % DYNAMIC_PORTS }
    }

    fn take(&mut self) -> u16 {
        let port = FIRST_DYNAMIC_PORT + self.next;
        self.next = (self.next + 1) % DYNAMIC_PORTS;
        port
    }
}

impl Core {
    /// Begins to connect to `port` of `peer`, to which there is a route: through shared memory, by
    /// its `ring`, or with TCP.
    pub(super) fn dial(
        &mut self,
        ring: Option<Ring>,
        (peer, port): (NodeId, u16),
        kind: Kind,
    ) -> Result<ConnectionId, ConnectError> {
        if !self.has_room() {
            return Err(ConnectError::NoBuffers);
        }
        let tuple = self.free_tuple(peer, port).ok_or(ConnectError::NoBuffers)?;
        if let Some(ring) = ring {
            let id = self.streams.dial((ring, tuple), kind, self.config.connect_limit, self.now);
            return id.map(ConnectionId::Stream).ok_or(ConnectError::NoBuffers);
        }
        let mut slot =
            Slot::new(tuple, kind, Role::Dialer, Owner::Handle).ok_or(ConnectError::NoBuffers)?;
        slot.dial = Some(Dial::new());
        slot.set_limit(Some(self.config.connect_limit), self.now);
        if !slot.connect(&mut self.interface) {
            return Err(ConnectError::Refused);
        }
        let id = self.table.insert(slot);
        self.table.enqueue(id);
        Ok(ConnectionId::Tcp(id))
    }

    /// Makes the attempt that follows a refusal.
    pub(super) fn redial(&mut self, id: SlotId) {
        let Some(Tuple { peer, peer_port, .. }) = self.table.get(id).map(|slot| slot.tuple) else {
            return;
        };
        let tuple = self.free_tuple(peer, peer_port);
        if let Some(tuple) = tuple {
            self.table.rename(id, tuple);
        }
        let Some(slot) = self.table.get_mut(id) else { return };
        if let Some(dial) = &mut slot.dial {
            dial.retry_at = None;
        }
        if tuple.is_none() || !slot.connect(&mut self.interface) {
            slot.end = Some(End::Refused);
            slot.writers.wake();
        }
    }

    /// Sees whether an attempt has succeeded, or was refused and another is due later.
    pub(super) fn settle_dial(&mut self, id: SlotId) {
        let (now, limit) = (self.now, self.config.limit);
        let Some(slot) = self.table.get_mut(id) else { return };
        if slot.socket().may_send() && slot.dial.take().is_some() {
            slot.set_limit(limit, now);
            slot.writers.wake();
        }
        if let Some(dial) = &mut slot.dial
            && slot.end == Some(End::Refused)
            && dial.put_off(now).is_some()
        {
            slot.end = None;
        }
    }

    fn free_tuple(&mut self, peer: NodeId, peer_port: u16) -> Option<Tuple> {
        (0..DYNAMIC_PORTS)
            .map(|_| Tuple { peer, peer_port, local_port: self.ports.take() })
            .find(|tuple| self.table.find(tuple).is_none())
    }
}
