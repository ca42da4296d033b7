//! The stack: frames to connections, connections to frames, and timers in between.
//!
//! smoltcp walks over all sockets of a set for each packet and each poll. Here every connection
//! has a set of its own and the stack picks the one that a frame, a timer or a task concerns, so
//! the cost of a poll follows the traffic and not the number of idle channels.

use alloc::boxed::Box;
use alloc::vec::Vec;

use smoltcp::iface::{self, Interface, SocketSet};
use smoltcp::phy::DeviceCapabilities;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Address};
use wayfarer_machine::Clock;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::node;
use wayfarer_proto::shared::{self, Header, Op};
use wayfarer_proto::time::Instant;

use super::budget::Budget;
use super::clock;
use super::config::{Config, ConfigError};
use super::device::{Arrival, Fabric, Received};
use super::dial::Ports;
use super::echo::{self, Echo, EchoOrder};
use super::error::{ConnectError, End};
use super::handle::ConnectionId;
use super::listener::Backlogs;
use super::neighbours::Neighbours;
use super::port::Port;
use super::segment::Incoming;
use super::slot::{Kind, Owner, Slot};
use super::streams::{Ring, StreamId, Streams};
use super::table::{SlotId, Table};

/// How many segments a connection may send before it is the next one's turn.
const QUANTUM: u64 = 4;

/// How soon to look again for room in a full port, whose card does not say when it has some.
const FULL_PORT_RETRY: core::time::Duration = core::time::Duration::from_micros(50);

/// How long a connection that was closed in order and left alone waits for its peer to close too.
pub(super) const LINGER: core::time::Duration = core::time::Duration::from_secs(5);

/// How soon to look again at a connection that wants to send at once and then does not.
const IDLE_RETRY: core::time::Duration = core::time::Duration::from_millis(1);

/// What the network of a node has carried.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Totals {
    /// Frames taken from the ports.
    pub frames_in: u64,
    /// Frames given to the ports.
    pub frames_out: u64,
    /// Bytes that tasks have read from connections.
    pub bytes_in: u64,
    /// Bytes that tasks have written to connections.
    pub bytes_out: u64,
    /// Frames that were no TCP segment for this node, or came through the wrong port.
    pub filtered: u64,
    /// Segments that belonged to no connection; answered with a RST unless they were one.
    pub unmatched: u64,
    /// Replies dropped because a port was full.
    pub dropped: u64,
    /// Segments sent more than once, by connections that are gone or not.
    pub retransmissions: u64,
}

impl Totals {
    /// Counts a frame that was given to a port, or that it had no room for.
    pub(super) fn count_sent(&mut self, sent: bool) {
        let counter = if sent { &mut self.frames_out } else { &mut self.dropped };
        *counter += 1;
    }
}

pub(super) struct Stack {
    fabric: Fabric,
    core: Core,
    /// The port to receive from first; each has its turn, lest a busy one starve the others.
    first_port: usize,
    /// Whether frames may be left from the last time, for which no card interrupts again.
    frames_left: bool,
}

/// All of the stack but its ports, which are borrowed while a frame is read in place.
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) interface: Interface,
    capabilities: DeviceCapabilities,
    /// The empty set that sees segments of no connection.
    nobody: SocketSet<'static>,
    pub(super) table: Table,
    pub(super) neighbours: Neighbours,
    pub(super) streams: Streams,
    pub(super) backlogs: Backlogs,
    pub(super) ports: Ports,
    /// The time of the last poll.
    pub(super) now: Instant,
    pub(super) totals: Totals,
    pub(super) echo: Echo,
    /// The last connection that sent bulk data.
    pub(super) bulk: Option<SlotId>,
}

impl Stack {
    pub(super) fn new(
        config: Config,
        ports: Vec<Box<dyn Port>>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let fabric = Fabric::new(config.node, config.peers.clone(), ports);
        let capabilities = config.capabilities(&fabric)?;
        let mut settings = iface::Config::new(HardwareAddress::Ip);
        settings.random_seed = config.seed;
        let mut unused = Vec::new();
        let mut device = Arrival { packet: None, reply: &mut unused, capabilities: &capabilities };
        let mut interface = Interface::new(settings, &mut device, clock::to_tcp(now));
        let address = Ipv4Address::from(node::ipv4(config.node));
        interface.update_ip_addrs(|addresses| {
            // Room for two, and this is the first.
            let _ = addresses.push(IpCidr::new(address.into(), node::PREFIX_LEN));
        });
        let core = Core {
            ports: Ports::new(config.seed),
            neighbours: Neighbours::new(config.limit),
            config,
            interface,
            capabilities,
            nobody: SocketSet::new(Vec::new()),
            table: Table::default(),
            streams: Streams::default(),
            backlogs: Backlogs::default(),
            now,
            totals: Totals::default(),
            echo: Echo::default(),
            bulk: None,
        };
        Ok(Self { fabric, core, first_port: 0, frames_left: false })
    }

    pub(super) fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The ports, and the rest.
    pub(super) fn parts(&mut self) -> (&mut Fabric, &mut Core) {
        (&mut self.fabric, &mut self.core)
    }

    /// Begins to connect to `port` of `peer`, to which there is a route.
    pub(super) fn dial(
        &mut self,
        peer: NodeId,
        port: u16,
        kind: Kind,
    ) -> Result<ConnectionId, ConnectError> {
        let ring = Ring::to(&mut self.fabric, peer);
        self.core.dial(ring, (peer, port), kind)
    }

    pub(super) fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    pub(super) fn fabric_mut(&mut self) -> &mut Fabric {
        &mut self.fabric
    }

    pub(super) fn totals(&self) -> Totals {
        self.core.totals
    }

    /// Takes in frames, waking the tasks they concern; true if there was one.
    pub(super) fn receive(&mut self, now: Instant) -> bool {
        self.core.now = now;
        self.fabric.watch();
        let (mut budget, mut reply) = (Budget::new(), Vec::new());
        let mut progress = false;
        let count = self.fabric.port_count();
        self.first_port = (self.first_port + 1) % count.max(1);
        for index in (self.first_port..count).chain(0..self.first_port) {
            while !budget.is_spent() && self.receive_frame(index, &mut budget, &mut reply) {
                progress = true;
            }
        }
        self.frames_left = budget.is_spent();
        self.fabric.announce();
        progress
    }

    /// Takes a record of a stream from the memory of port `index`; false if none is there.
    fn receive_stream(&mut self, index: usize, budget: &mut Budget) -> bool {
        let (fabric, core) = (&mut self.fabric, &mut self.core);
        let Some(peer) = fabric.behind(index) else { return false };
        let Some(link) = fabric.link(index) else { return false };
        let Some((shared::Kind::Stream, length)) = link.next() else { return false };
        budget.spend(length);
        core.totals.frames_in += 1;
        let mut bytes = [0; Header::BYTES];
        let payload = length.checked_sub(Header::BYTES);
        let header = payload.and_then(|payload| {
            link.copy(0, &mut bytes);
            Some((Header::parse(&bytes)?, payload))
        });
        let changed = match header {
            Some((header @ Header { op: Op::Open, .. }, _)) => {
                core.admit_stream((Ring::of(index, link), peer), &header)
            }
            Some((header, payload)) => core.streams.hear((index, core.now), &header, link, payload),
            None => {
                core.totals.filtered += 1;
                None
            }
        };
        link.advance(length);
        if let Some(id) = changed {
            core.settle_stream(fabric, id);
        }
        true
    }

    fn receive_frame(&mut self, index: usize, budget: &mut Budget, reply: &mut Vec<u8>) -> bool {
        if self.receive_stream(index, budget) {
            return true;
        }
        let (core, mut sender, mut echo, mut beat) = (&mut self.core, None, None, None);
        reply.clear();
        let received = self.fabric.receive(index, &mut |received| {
            core.totals.frames_in += 1;
            match received {
                Received::Segment(incoming) => {
                    budget.spend(incoming.packet.len());
                    sender = Some(incoming.tuple.peer);
                    core.arrive(&incoming, reply);
                }
                Received::Echo(peer, frame) => {
                    budget.spend(0);
                    let answer = core.echo.arrive(peer, frame);
                    echo = answer.map(|answer| (peer, answer));
                }
                Received::Beat(peer, heard) => {
                    budget.spend(0);
                    beat = core.hear_beat(peer, heard).map(|answer| (peer, answer));
                }
                Received::Other => {
                    budget.spend(0);
                    core.totals.filtered += 1;
                }
            }
        });
        if let Some(peer) = sender
            && !reply.is_empty()
        {
            let sent = self.fabric.send(index, peer, reply);
            self.core.totals.count_sent(sent);
        }
        if let Some((peer, frame)) = echo {
            self.send_echo(index, peer, &frame);
        }
        if let Some((peer, answer)) = beat {
            let sent = self.fabric.send_beat(peer, answer);
            self.core.totals.count_sent(sent);
        }
        received
    }

    fn send_echo(&mut self, index: usize, peer: NodeId, frame: &echo::Frame) {
        let mtu = self.core.capabilities.max_transmission_unit;
        let sent = self.fabric.send_echo(index, peer, frame, mtu);
        self.core.totals.count_sent(sent);
    }

    /// Begins an exchange of echoes with `peer`; there is none with a node that cannot be reached.
    pub(super) fn begin_echo(&mut self, peer: NodeId, order: EchoOrder, clock: Clock) {
        if let Some(index) = self.fabric.route(peer) {
            let frame = self.core.echo.begin(peer, order, clock);
            self.send_echo(index, peer, &frame);
            self.fabric.announce();
        }
    }

    /// Sends what connections have to send; true if there was something.
    pub(super) fn transmit(&mut self, now: Instant) -> bool {
        self.core.now = now;
        // Whoever transmits is about to look for answers, before it rests.
        self.fabric.watch();
        self.fabric.flush();
        self.look_at_neighbours();
        self.core.table.enqueue_due(now);
        let (mut budget, mut full) = (Budget::new(), Vec::new());
        let mut progress = self.core.work_streams(&mut self.fabric);
        while !budget.is_spent()
            && let Some(id) = self.core.table.dequeue()
        {
            match self.core.visit(&mut self.fabric, id, &mut budget) {
                Visit::Idle => {}
                Visit::Sent => progress = true,
                Visit::PortFull => full.push(id),
            }
        }
        self.fabric.announce();
        full.into_iter().for_each(|id| self.core.table.enqueue(id));
        progress
    }

    /// When to poll next if no frame comes and no task writes first.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        let core = &self.core;
        let queued = if self.fabric.is_full() {
            Some(core.now + FULL_PORT_RETRY)
        } else {
            (self.frames_left || core.table.has_queued()).then_some(core.now)
        };
        let streams = core.streams.poll_at(core.now);
        Instant::first([queued, core.table.next_timer(), core.neighbours.poll_at(), streams])
    }
}

/// What came of a connection's turn to send.
enum Visit {
    Idle,
    Sent,
    PortFull,
}

impl Core {
    /// Gives a packet to its connection, or to the listener that makes one for it.
    fn arrive(&mut self, incoming: &Incoming<'_>, reply: &mut Vec<u8>) {
        self.neighbours.note(incoming.tuple.peer, self.now);
        let known = self.table.find(&incoming.tuple);
        let id = known.or_else(|| incoming.opens.then(|| self.admit(incoming.tuple)).flatten());
        let mut device =
            Arrival { packet: Some(incoming.packet), reply, capabilities: &self.capabilities };
        if let Some(id) = id
            && let Some(slot) = self.table.get_mut(id)
        {
            slot.arrive(&mut self.interface, &mut device, self.now);
            self.conclude(id);
            // Tasks most often answer before its turn to send, which tells when the next one is.
            self.table.enqueue(id);
        } else {
            self.totals.unmatched += 1;
            let now = clock::to_tcp(self.now);
            self.interface.poll_ingress_single(now, &mut device, &mut self.nobody);
        }
    }

    /// Lets a connection send its quantum.
    fn visit(&mut self, fabric: &mut Fabric, id: SlotId, budget: &mut Budget) -> Visit {
        self.ring(id);
        let Some(slot) = self.table.get_mut(id) else { return Visit::Idle };
        let peer = slot.tuple.peer;
        let Some(index) = fabric.route(peer) else { return Visit::Idle };
        let repeated = slot.counters.retransmissions;
        let (mut sent, mut full) = (0_u64, false);
        while sent < QUANTUM && !budget.is_spent() {
            let mut device = fabric.departure(index, peer, &self.capabilities);
            if !device.is_ready() {
                full = true;
                break;
            }
            if !slot.depart(&mut self.interface, &mut device, self.now) {
                break;
            }
            budget.spend(device.sent.map_or(0, |span| span.len));
            sent += 1;
            if !device.sent_full() {
                // It was the last, as a rule: what else there is `settle` finds.
                break;
            }
        }
        self.totals.frames_out += sent;
        self.totals.retransmissions += slot.counters.retransmissions - repeated;
        let next = self.settle(id);
        match (full, sent) {
            (true, _) => Visit::PortFull,
            (false, 0) => {
                if next.is_some_and(|next| next <= self.now) {
                    self.table.arm(id, self.now + IDLE_RETRY);
                }
                Visit::Idle
            }
            (false, _) => {
                if next.is_some_and(|next| next <= self.now) {
                    self.table.enqueue(id);
                }
                Visit::Sent
            }
        }
    }

    /// Does what a connection's own timer was set for: the next attempt to connect, or the end of
    /// the patience with a peer that is silent or does not close.
    fn ring(&mut self, id: SlotId) {
        let now = self.now;
        let Some(slot) = self.table.get_mut(id) else { return };
        if slot.dial.as_ref().and_then(|dial| dial.retry_at).is_some_and(|at| at <= now) {
            self.redial(id);
        } else if slot.silence_ends_at().is_some_and(|at| at <= now) {
            slot.abort(End::TimedOut);
        } else if let Owner::Nobody { until } = slot.owner
            && until <= now
        {
            slot.abort(End::Aborted);
        }
    }

    /// Draws the conclusions from a connection's new state, after anything that may have changed
    /// it.
    fn conclude(&mut self, id: SlotId) {
        if self.table.get(id).is_none_or(Slot::is_concluded) {
            return;
        }
        self.settle_dial(id);
        self.settle_backlog(id);
        self.count(id);
    }

    /// As [`conclude`](Self::conclude), and sees to it that the connection is polled in time.
    /// Returns when that is.
    fn settle(&mut self, id: SlotId) -> Option<Instant> {
        self.conclude(id);
        let now = self.now;
        let slot = self.table.get_mut(id)?;
        let next = slot.poll_at(&mut self.interface, now);
        let own = match (slot.owner, slot.dial) {
            (Owner::Nobody { .. }, _) if slot.is_forgettable(next.is_some_and(|at| at <= now)) => {
                self.table.remove(id);
                return None;
            }
            (Owner::Nobody { until }, _) => Some(until),
            (_, dial) => dial.and_then(|dial| dial.retry_at),
        };
        let next = Instant::first([next, own, slot.silence_ends_at()])?;
        if next > now {
            self.table.arm(id, next);
        }
        Some(next)
    }

    /// Leaves a connection to itself: closed in order it may linger, otherwise it is aborted.
    pub(super) fn release(&mut self, id: SlotId) {
        let until = self.now + LINGER;
        let Some(slot) = self.table.get_mut(id) else { return };
        slot.owner = Owner::Nobody { until };
        if !slot.is_closing() {
            slot.abort(End::Aborted);
        }
        self.table.enqueue(id);
    }

    /// Has a stream say what it owes, and draws the conclusions from its new state.
    pub(super) fn settle_stream(&mut self, fabric: &mut Fabric, id: StreamId) {
        if self.forget_stillborn(id) {
            self.streams.release(fabric, id, self.now);
        } else {
            self.totals.frames_out += self.streams.settle(fabric, id);
        }
    }

    /// Does what streams wait to have done; true if there was something.
    fn work_streams(&mut self, fabric: &mut Fabric) -> bool {
        let mut touched = Vec::new();
        let sent = self.streams.work(fabric, self.now, self.config.limit, &mut touched);
        self.totals.frames_out += sent;
        let progress = sent > 0 || !touched.is_empty();
        for id in touched {
            self.settle_stream(fabric, id);
        }
        progress
    }

    /// Whether there is room for one more connection.
    pub(super) fn has_room(&self) -> bool {
        self.table.len() + self.streams.len() < self.config.max_connections
    }

    /// Every connection, for `/proc`.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.table.iter()
    }
}
