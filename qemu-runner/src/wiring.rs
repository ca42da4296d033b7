//! Which packet ports each node has and what is at their other end.

use std::fmt;
use std::path::{Path, PathBuf};

use wayfarer_proto::boot::NetKind;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::node;

/// Device slots of QEMU's `microvm` machine with `acpi=off`.
const SLOTS: u16 = 8;

/// Slots that every node needs: the console and the entropy device.
const TAKEN: u16 = 2;

/// The other end of one packet port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Port {
    /// Datagrams from this UNIX socket to that.
    Dgram { local: PathBuf, remote: PathBuf },
    /// A stream over this UNIX socket.
    Stream { path: PathBuf, listens: bool },
    /// A tap device of the cluster's network namespace.
    Tap { interface: String },
}

/// The devices of node 1 beside those that every node has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Others {
    /// Whether it has a way to the outside.
    pub uplink: bool,
    /// How many directories of this host it mounts.
    pub shares: usize,
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uplink = if self.uplink { "--publish or --outside" } else { "" };
        match self {
            Self { uplink: false, shares: 0 } => Ok(()),
            Self { shares: 0, .. } => write!(f, " with {uplink}"),
            Self { uplink: false, shares } => write!(f, " with {shares} times --share"),
            Self { shares, .. } => write!(f, " with {uplink} and {shares} times --share"),
        }
    }
}

/// More nodes, or more devices of node 1, than a way of wiring them allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "--nodes {nodes} is out of range: --net {}{others} allows {}{hint}",
    .net.name(),
    range(*.limit)
)]
pub struct NodeLimit {
    /// The nodes asked for.
    pub nodes: u16,
    /// The wiring asked for.
    pub net: NetKind,
    /// What node 1 was to have besides.
    pub others: Others,
    /// How many that allows.
    pub limit: u16,
    /// What to do instead, or nothing.
    hint: &'static str,
}

fn range(limit: u16) -> String {
    if limit == 0 { "none".to_owned() } else { format!("1 to {limit}") }
}

/// Checks the number of nodes against what the wiring can carry; `others` are what node 1 has
/// beside its peers.
///
/// # Errors
/// [`NodeLimit`] names the limit.
pub fn check_nodes(nodes: u16, net: NetKind, others: Others) -> Result<(), NodeLimit> {
    let taken = usize::from(TAKEN) + usize::from(others.uplink) + others.shares;
    let free = SLOTS.saturating_sub(u16::try_from(taken).unwrap_or(SLOTS));
    let fits = taken <= usize::from(SLOTS);
    let (limit, hint) = match net {
        NetKind::None => (u16::from(fits), ""),
        // A port per peer, and peers are one fewer than nodes.
        NetKind::Dgram | NetKind::Stream => (
            if fits { free + 1 } else { 0 },
            " (one virtio-mmio slot of 8 for each device); --net tap, as root, takes one for all \
             peers",
        ),
        NetKind::Tap => (if free > 0 { node::MAX.0 } else { u16::from(fits) }, ""),
    };
    if nodes >= 1 && nodes <= limit {
        Ok(())
    } else {
        Err(NodeLimit { nodes, net, others, limit, hint })
    }
}

/// All nodes but this one.
pub(crate) fn peers(this: NodeId, nodes: u16) -> Vec<NodeId> {
    (1..=nodes).map(NodeId).filter(|node| *node != this).collect()
}

/// The ports of `this`, in the order of the devices: one for each of its peers, or the one tap.
pub(crate) fn ports(this: NodeId, nodes: u16, net: NetKind, directory: &Path) -> Vec<Port> {
    let peers = peers(this, nodes);
    match net {
        NetKind::None => Vec::new(),
        NetKind::Tap => vec![Port::Tap { interface: tap_name(this) }],
        NetKind::Dgram => peers.into_iter().map(|peer| dgram(this, peer, directory)).collect(),
        NetKind::Stream => peers.into_iter().map(|peer| stream(this, peer, directory)).collect(),
    }
}

/// The tap device of a node.
pub(crate) fn tap_name(node: NodeId) -> String {
    format!("tap{node}")
}

fn dgram(this: NodeId, peer: NodeId, directory: &Path) -> Port {
    let [local, remote] = dgram_sockets(this, peer).map(|name| directory.join(name));
    Port::Dgram { local, remote }
}

/// The sockets of the link between two nodes that are wired by datagrams. Each is looked up by name
/// for every frame.
pub(crate) fn dgram_sockets(a: NodeId, b: NodeId) -> [String; 2] {
    [format!("d{a}-{b}"), format!("d{b}-{a}")]
}

/// The lower node listens: nodes are started in that order.
fn stream(this: NodeId, peer: NodeId, directory: &Path) -> Port {
    let (low, high) = (this.min(peer), this.max(peer));
    Port::Stream { path: directory.join(format!("s{low}-{high}")), listens: this == low }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPLINK: Others = Others { uplink: true, shares: 0 };

    #[test]
    fn both_ends_of_a_wire_meet() {
        let directory = Path::new("/run/x");
        for net in [NetKind::Dgram, NetKind::Stream] {
            for (a, b) in [(1, 2), (1, 3), (2, 3)] {
                let (a, b) = (NodeId(a), NodeId(b));
                let port_to = |this: NodeId, peer: NodeId| {
                    let index = peers(this, 3).iter().position(|node| *node == peer).unwrap();
                    ports(this, 3, net, directory)[index].clone()
                };
                match (port_to(a, b), port_to(b, a)) {
                    (
                        Port::Dgram { local, remote },
                        Port::Dgram { local: their_local, remote: their_remote },
                    ) => assert_eq!((local, remote), (their_remote, their_local)),
                    (
                        Port::Stream { path, listens },
                        Port::Stream { path: their_path, listens: they_listen },
                    ) => {
                        assert_eq!(path, their_path);
                        assert!(listens && !they_listen, "the lower node is started first");
                    }
                    other => panic!("unlike ends: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn limit_is_named() {
        assert_eq!(check_nodes(7, NetKind::Dgram, Others::default()), Ok(()));
        let text = check_nodes(8, NetKind::Stream, Others::default()).unwrap_err().to_string();
        assert!(text.contains("--nodes 8") && text.contains("1 to 7"), "{text}");
        assert!(check_nodes(0, NetKind::Tap, Others::default()).is_err());
        assert_eq!(check_nodes(200, NetKind::Tap, Others::default()), Ok(()));
    }

    #[test]
    fn a_way_to_the_outside_takes_a_slot() {
        assert_eq!(check_nodes(6, NetKind::Dgram, UPLINK), Ok(()));
        let text = check_nodes(7, NetKind::Dgram, UPLINK).unwrap_err().to_string();
        assert!(text.contains("--publish") && text.contains("1 to 6"), "{text}");
        assert_eq!(check_nodes(1, NetKind::None, UPLINK), Ok(()));
        assert_eq!(check_nodes(200, NetKind::Tap, UPLINK), Ok(()));
    }

    #[test]
    fn tap_has_one_port() {
        let one = vec![Port::Tap { interface: "tap2".to_owned() }];
        assert_eq!(ports(NodeId(2), 9, NetKind::Tap, Path::new("/")), one);
        assert!(ports(NodeId(1), 1, NetKind::Dgram, Path::new("/")).is_empty());
    }
}
