//! What is read of a frame before smoltcp sees it: whether it opens a connection, and to where.

use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpPacket};

use crate::net::segment::ETHERNET_HEADER;

/// The port that a frame wants a connection to: that of a SYN without an ACK.
pub(super) fn opened_port(frame: &[u8]) -> Option<u16> {
    let (header, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
    if header[12..] != [0x08, 0x00] {
        return None;
    }
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    if ip.next_header() != IpProtocol::Tcp || ip.frag_offset() != 0 {
        return None;
    }
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    (tcp.syn() && !tcp.ack()).then(|| tcp.dst_port())
}
