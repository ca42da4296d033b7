//! Reading and writing the few header fields that decide where a frame goes.
//!
//! smoltcp parses and checks every packet in full; what is read here only picks the connection
//! that gets to see it, so a lie costs its teller a dropped packet and nothing else.

use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpPacket, TcpSeqNumber};
use wayfarer_proto::id::NodeId;
use wayfarer_proto::node;

/// Length in bytes of an Ethernet header: two addresses and the type of the payload.
pub(super) const ETHERNET_HEADER: usize = 14;

/// The Ethernet type of IPv4 (RFC 894); no other is taken.
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];

/// What tells one connection of this node from another; this node's address is implied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Tuple {
    pub(super) peer: NodeId,
    pub(super) peer_port: u16,
    pub(super) local_port: u16,
}

/// A TCP/IPv4 packet for this node.
pub(super) struct Incoming<'a> {
    /// The whole IP packet.
    pub(super) packet: &'a [u8],
    pub(super) tuple: Tuple,
    /// A SYN without an ACK: the first segment of a connection.
    pub(super) opens: bool,
}

/// Writes the Ethernet header of a frame from `from` to `to`.
pub(super) fn write_ethernet_header(frame: &mut [u8], from: NodeId, to: NodeId) {
    frame[0..6].copy_from_slice(&node::mac(to));
    frame[6..12].copy_from_slice(&node::mac(from));
    frame[12..ETHERNET_HEADER].copy_from_slice(&ETHERTYPE_IPV4);
}

/// Reads a frame; `None` unless it is an unfragmented TCP segment from some node to `own`.
pub(super) fn parse_frame(frame: &[u8], own: NodeId) -> Option<Incoming<'_>> {
    let (header, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
    if header[0..6] != node::mac(own) || header[12..] != ETHERTYPE_IPV4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    let whole = !ip.more_frags() && ip.frag_offset() == 0;
    let ours = ip.version() == 4 && ip.dst_addr().octets() == node::ipv4(own);
    if !whole || !ours || ip.next_header() != IpProtocol::Tcp {
        return None;
    }
    let peer = node::of_ipv4(ip.src_addr().octets())?;
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    let tuple = Tuple { peer, peer_port: tcp.src_port(), local_port: tcp.dst_port() };
    Some(Incoming { packet, tuple, opens: tcp.syn() && !tcp.ack() })
}

/// The sequence space a segment takes.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: TcpSeqNumber,
    /// Payload bytes, and one each for SYN and FIN.
    pub(super) len: usize,
    /// Whether there is a SYN, a FIN or a RST.
    pub(super) control: bool,
}

/// The sequence space of a TCP/IPv4 packet that this node has just written.
pub(super) fn span_of(packet: &[u8]) -> Option<Span> {
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    let control = tcp.syn() || tcp.fin() || tcp.rst();
    Some(Span { start: tcp.seq_number(), len: tcp.segment_len(), control })
}
