//! The addresses of a node, all functions of its id: nothing is discovered, so nothing has to be
//! asked for on the wire and nobody can answer in another's name.

use crate::id::NodeId;

/// The highest node id: the last byte of an IPv4 address, 255 being the broadcast address.
pub const MAX: NodeId = NodeId(254);

/// The length in bits of the network part of every node's address (10.87.0.0/24).
pub const PREFIX_LEN: u8 = 24;

/// The locally administered prefix all nodes share; QEMU's 52:54:00, then "WF".
const MAC_PREFIX: [u8; 5] = [0x52, 0x54, 0x00, 0x57, 0x46];

/// The IPv4 network all nodes share.
const NETWORK: [u8; 3] = [10, 87, 0];

/// Whether `node` can have an address: 1 to [`MAX`].
pub const fn is_valid(node: NodeId) -> bool {
    node.0 >= 1 && node.0 <= MAX.0
}

/// The Ethernet address of `node`: 52:54:00:57:46:ID. Only the low byte of an invalid id counts.
pub const fn mac(node: NodeId) -> [u8; 6] {
    let [a, b, c, d, e] = MAC_PREFIX;
    [a, b, c, d, e, last_byte(node)]
}

/// The IPv4 address of `node`: 10.87.0.ID. Only the low byte of an invalid id counts.
pub const fn ipv4(node: NodeId) -> [u8; 4] {
    let [a, b, c] = NETWORK;
    [a, b, c, last_byte(node)]
}

/// The node whose IPv4 address this is, or `None` if it is no node's.
pub fn of_ipv4(address: [u8; 4]) -> Option<NodeId> {
    let [a, b, c, id] = address;
    let node = NodeId(u16::from(id));
    ([a, b, c] == NETWORK && is_valid(node)).then_some(node)
}

/// The node whose Ethernet address this is, or `None` if it is no node's.
pub fn of_mac(address: [u8; 6]) -> Option<NodeId> {
    let [prefix @ .., id] = address;
    let node = NodeId(u16::from(id));
    (prefix == MAC_PREFIX && is_valid(node)).then_some(node)
}

const fn last_byte(node: NodeId) -> u8 {
    node.0.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_their_node() {
        assert_eq!(mac(NodeId(3)), [0x52, 0x54, 0x00, 0x57, 0x46, 3]);
        assert_eq!(ipv4(NodeId(3)), [10, 87, 0, 3]);
        for id in 1..=MAX.0 {
            assert_eq!(of_ipv4(ipv4(NodeId(id))), Some(NodeId(id)));
            assert_eq!(of_mac(mac(NodeId(id))), Some(NodeId(id)));
        }
    }

    #[test]
    fn network_broadcast_and_foreign_addresses_are_no_node() {
        for address in [[10, 87, 0, 0], [10, 87, 0, 255], [10, 87, 1, 3], [127, 0, 0, 1]] {
            assert_eq!(of_ipv4(address), None);
        }
        for address in [[0; 6], [0xff; 6], mac(NodeId(0)), mac(NodeId(255))] {
            assert_eq!(of_mac(address), None);
        }
        assert!(!is_valid(NodeId(0)));
        assert!(!is_valid(NodeId(255)));
    }
}
