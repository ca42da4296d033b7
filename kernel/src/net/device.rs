//! All ports of a node as one device: a static table from peer to port, and the two views of a
//! port that smoltcp is given, one packet coming in and one connection going out.
//!
//! smoltcp runs on its IP medium. The Ethernet header is a function of the two node ids, so it is
//! written here and ARP does not exist: no frame is spent on it, no cache entry expires in the
//! middle of a call, and nobody can claim another node's address.

use alloc::boxed::Box;
use alloc::vec::Vec;

use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::phy::{RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{IPV4_HEADER_LEN, TCP_HEADER_LEN};
use wayfarer_proto::id::NodeId;

use super::echo;
use super::neighbours::Beat;
use super::port::{Outlet, Port};
use super::segment::{self, ETHERNET_HEADER, Incoming, Span};
use super::shared::Link;

/// Which port leads to which node.
#[derive(Clone, Debug)]
pub enum Peers {
    /// The first port reaches every node, as with a tap on a bridge.
    All,
    /// The i-th port reaches the i-th of these nodes and no other, as with one `dgram` or
    /// `stream` socket per peer.
    Each(Vec<NodeId>),
}

/// What a frame turned out to be.
pub(super) enum Received<'a> {
    /// A TCP segment of some connection.
    Segment(Incoming<'a>),
    /// An echo from this node.
    Echo(NodeId, echo::Frame),
    /// A sign of life of this node.
    Beat(NodeId, Beat),
    /// Something that is not for this node, or claims to come from a node that lies behind another
    /// port.
    Other,
}

/// The ports of a node and the way to each peer.
pub(super) struct Fabric {
    node: NodeId,
    peers: Peers,
    outlets: Vec<Outlet>,
}

impl Fabric {
    pub(super) fn new(node: NodeId, peers: Peers, ports: Vec<Box<dyn Port>>) -> Self {
        Self { node, peers, outlets: ports.into_iter().map(Outlet::new).collect() }
    }

    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = &dyn Port> {
        self.outlets.iter().map(Outlet::port)
    }

    pub(super) fn port_count(&self) -> usize {
        self.outlets.len()
    }

    /// The index of the port that leads to `peer`. This node itself has none.
    pub(super) fn route(&self, peer: NodeId) -> Option<usize> {
        let index = match &self.peers {
            Peers::All => 0,
            Peers::Each(peers) => peers.iter().position(|&node| node == peer)?,
        };
        (peer != self.node && index < self.outlets.len()).then_some(index)
    }

    /// The memory that port `index` shares with the node behind it, if it does.
    pub(super) fn link(&mut self, index: usize) -> Option<&mut Link> {
        self.outlets.get_mut(index)?.port_mut().link()
    }

    /// The one node behind port `index`.
    pub(super) fn behind(&self, index: usize) -> Option<NodeId> {
        match &self.peers {
            Peers::All => None,
            Peers::Each(peers) => peers.get(index).copied(),
        }
    }

    /// Reads the next frame of port `index` and hands it to `accept`.
    pub(super) fn receive(&mut self, index: usize, accept: &mut dyn FnMut(Received<'_>)) -> bool {
        let (node, peers) = (self.node, &self.peers);
        let behind_port = |peer: NodeId| match peers {
            Peers::All => peer != node,
            Peers::Each(peers) => peers.get(index) == Some(&peer),
        };
        self.outlets[index].receive(&mut |frame| {
            let received = match segment::parse_frame(frame, node) {
                Some(incoming) if behind_port(incoming.tuple.peer) => Received::Segment(incoming),
                Some(_) => Received::Other,
                None => match (echo::parse(frame, node), Beat::parse(frame, node)) {
                    (Some((peer, echo)), _) if behind_port(peer) => Received::Echo(peer, echo),
                    (_, Some((peer, beat))) if behind_port(peer) => Received::Beat(peer, beat),
                    _ => Received::Other,
                },
            };
            accept(received);
        })
    }

    /// Sends the frames kept back when their port was full, where there is room by now.
    pub(super) fn flush(&mut self) {
        for outlet in &mut self.outlets {
            outlet.is_ready();
        }
    }

    /// Sees to it that what was sent leaves.
    pub(super) fn announce(&mut self) {
        self.outlets.iter_mut().for_each(Outlet::announce);
    }

    /// Tells every port that the node looks for frames by itself.
    pub(super) fn watch(&mut self) {
        self.outlets.iter_mut().for_each(|outlet| outlet.port_mut().watch());
    }

    /// Tells every port that it does not; whether it had better.
    pub(super) fn rest(&mut self) -> bool {
        let mut waits = false;
        for outlet in &mut self.outlets {
            waits |= outlet.port_mut().rest();
        }
        waits
    }

    /// Whether a frame is kept back because its port is full.
    pub(super) fn is_full(&self) -> bool {
        self.outlets.iter().any(Outlet::is_parked)
    }

    /// Sends one IP packet to `peer` through port `index`, or drops it if there is no room.
    pub(super) fn send(&mut self, index: usize, peer: NodeId, packet: &[u8]) -> bool {
        let node = self.node;
        self.outlets[index].send(ETHERNET_HEADER + packet.len(), &mut |frame| {
            segment::write_ethernet_header(frame, node, peer);
            frame[ETHERNET_HEADER..].copy_from_slice(packet);
        })
    }

    /// Sends an echo of at most `mtu` bytes to `peer`, or drops it if there is no room.
    pub(super) fn send_echo(
        &mut self,
        index: usize,
        peer: NodeId,
        echo: &echo::Frame,
        mtu: usize,
    ) -> bool {
        let node = self.node;
        self.outlets[index].send(echo.length(mtu), &mut |frame| echo.write(frame, node, peer))
    }

    /// Sends a sign of life to `peer`, or drops it if there is no room or no way.
    pub(super) fn send_beat(&mut self, peer: NodeId, beat: Beat) -> bool {
        let (node, index) = (self.node, self.route(peer));
        let outlet = index.and_then(|index| self.outlets.get_mut(index));
        outlet.is_some_and(|outlet| {
            outlet.send(Beat::LENGTH, &mut |frame| beat.write(frame, node, peer))
        })
    }

    /// The device through which one connection to `peer` transmits.
    pub(super) fn departure<'a>(
        &'a mut self,
        index: usize,
        peer: NodeId,
        capabilities: &'a DeviceCapabilities,
    ) -> Departure<'a> {
        let (from, outlet) = (self.node, &mut self.outlets[index]);
        Departure { outlet, from, to: peer, capabilities, sent: None }
    }
}

/// What smoltcp is told about the device: an IP medium of `mtu` bytes. Without `checksums` TCP
/// checksums are neither written nor checked; the IPv4 header's always is, since bridges drop
/// packets that lack it.
pub(super) fn capabilities(mtu: usize, checksums: bool) -> DeviceCapabilities {
    let mut checksum = ChecksumCapabilities::default();
    if !checksums {
        checksum.tcp = Checksum::None;
    }
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = mtu;
    capabilities.checksum = checksum;
    capabilities
}

/// A device that received exactly one packet and collects the answer to it, if there is one.
pub(super) struct Arrival<'a> {
    pub(super) packet: Option<&'a [u8]>,
    pub(super) reply: &'a mut Vec<u8>,
    pub(super) capabilities: &'a DeviceCapabilities,
}

impl Device for Arrival<'_> {
    type RxToken<'b>
        = Packet<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Reply<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Packet<'_>, Reply<'_>)> {
        self.packet.take().map(|packet| (Packet(packet), Reply(self.reply)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Reply<'_>> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// The one packet of an [`Arrival`].
pub(super) struct Packet<'a>(&'a [u8]);

impl RxToken for Packet<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// The room for the answer to an [`Arrival`].
pub(super) struct Reply<'a>(&'a mut Vec<u8>);

impl TxToken for Reply<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.clear();
        self.0.resize(len, 0);
        f(self.0)
    }
}

/// A device that only transmits, to one peer.
pub(super) struct Departure<'a> {
    outlet: &'a mut Outlet,
    from: NodeId,
    to: NodeId,
    capabilities: &'a DeviceCapabilities,
    /// The sequence space of the segment just sent.
    pub(super) sent: Option<Span>,
}

impl Departure<'_> {
    /// Whether the port takes a segment now.
    pub(super) fn is_ready(&mut self) -> bool {
        self.outlet.is_ready()
    }

    /// Whether the segment just sent has no room for more, so that another may follow.
    pub(super) fn sent_full(&self) -> bool {
        let most = self.capabilities.max_transmission_unit - IPV4_HEADER_LEN - TCP_HEADER_LEN;
        self.sent.is_some_and(|span| span.len >= most)
    }
}

impl Device for Departure<'_> {
    type RxToken<'b>
        = Packet<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Transmit<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Packet<'_>, Transmit<'_>)> {
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<Transmit<'_>> {
        self.outlet.is_ready().then_some(Transmit {
            outlet: self.outlet,
            from: self.from,
            to: self.to,
            sent: &mut self.sent,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// The permission to send one segment through a port that has room.
pub(super) struct Transmit<'a> {
    outlet: &'a mut Outlet,
    from: NodeId,
    to: NodeId,
    sent: &'a mut Option<Span>,
}

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self { outlet, from, to, sent } = self;
        let (mut write, mut result) = (Some(f), None);
        outlet.send(ETHERNET_HEADER + len, &mut |frame| {
            if let Some(write) = write.take() {
                segment::write_ethernet_header(frame, from, to);
                let packet = &mut frame[ETHERNET_HEADER..];
                result = Some(write(packet));
                *sent = segment::span_of(packet);
            }
        });
        result.expect("a ready outlet has its frame filled")
    }
}
