//! What a node decides about its network once, when it boots.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use smoltcp::phy::DeviceCapabilities;
use wayfarer_proto::boot::{BootWords, NetKind};
use wayfarer_proto::id::NodeId;
use wayfarer_proto::limits;
use wayfarer_proto::node;

use super::device::{self, Fabric, Peers};

/// The IP packet size in bytes unless a port's is smaller.
pub const DEFAULT_MTU: usize = 9000;

/// How long a node may take to answer the first segment of a connection.
pub const DEFAULT_CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How many connections a node may have, those that nobody has accepted yet included; one with much
/// memory may have more.
pub const DEFAULT_MAX_CONNECTIONS: usize = 4096;

/// The bytes of a node's memory for each of its connections, where that gives more of them. Half of
/// them are the buffers of a TCP connection.
const MEMORY_PER_CONNECTION: usize = 128 * 1024;

/// Every IPv4 node must take packets of this many bytes (RFC 791, 3.1).
const MIN_MTU: usize = 576;

/// The longest IPv4 packet in bytes that is a multiple of four.
const MAX_MTU: usize = 65532;

/// The network of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node; its addresses follow from it.
    pub node: NodeId,
    /// Which port leads where.
    pub peers: Peers,
    /// The largest IP packet in bytes; a port's smaller MTU wins.
    pub mtu: usize,
    /// Whether TCP checksums are written and checked. Between VMs of one host they guard against
    /// nothing but bugs and halve the throughput; all nodes must agree.
    pub checksums: bool,
    /// How long a peer may be silent before its connections end; `None` for ever, for `--gdb`.
    pub limit: Option<Duration>,
    /// How long a node may take to answer the first segment of a connection.
    pub connect_limit: Duration,
    /// How many connections this node may have.
    pub max_connections: usize,
    /// Random bits that differ at each boot, for initial sequence numbers and local ports.
    pub seed: u64,
}

/// Why a node cannot have this network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// The node's id has no address ([`wayfarer_proto::node::is_valid`]).
    InvalidNode(NodeId),
    /// There are fewer ports than peers, or none for a network of all peers.
    MissingPorts,
    /// A port, or the configuration, has an MTU that TCP/IP cannot work with.
    InvalidMtu(usize),
}

impl Config {
    /// The usual network of `node`.
    pub fn new(node: NodeId, peers: Peers, seed: u64) -> Self {
        Self {
            node,
            peers,
            mtu: DEFAULT_MTU,
            checksums: true,
            limit: Some(limits::KEEP_ALIVE),
            connect_limit: DEFAULT_CONNECT_LIMIT,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            seed,
        }
    }

    /// The network that the runner has wired, as it says on the kernel command line, of a node with
    /// `memory` bytes.
    pub fn from_boot(words: &BootWords, memory: usize, seed: u64) -> Self {
        let peers = match words.net {
            NetKind::None => Peers::Each(Vec::new()),
            NetKind::Dgram | NetKind::Stream => Peers::Each(words.peers.clone()),
            NetKind::Tap => Peers::All,
        };
        let limit = Duration::from_millis(u64::from(words.keepalive_ms));
        Self {
            mtu: usize::from(words.mtu),
            // Every node is told the same by the runner that has wired them.
            checksums: !words.net.guarantees_integrity(),
            limit: Some(limit).filter(|limit| !limit.is_zero()),
            max_connections: DEFAULT_MAX_CONNECTIONS.max(memory / MEMORY_PER_CONNECTION),
            ..Self::new(words.node, peers, seed)
        }
    }

    /// What smoltcp is told about the device.
    pub(super) fn capabilities(&self, fabric: &Fabric) -> Result<DeviceCapabilities, ConfigError> {
        if !node::is_valid(self.node) {
            return Err(ConfigError::InvalidNode(self.node));
        }
        let needed = match &self.peers {
            Peers::All => 1,
            Peers::Each(peers) => peers.len(),
        };
        if fabric.port_count() < needed {
            return Err(ConfigError::MissingPorts);
        }
        let mtu = fabric.ports().map(|port| port.mtu()).fold(self.mtu, usize::min).min(MAX_MTU);
        if mtu < MIN_MTU {
            return Err(ConfigError::InvalidMtu(mtu));
        }
        Ok(device::capabilities(mtu, self.checksums))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidNode(node) => write!(f, "node id {node} is not 1 to {}", node::MAX),
            Self::MissingPorts => f.write_str("fewer network ports than peers"),
            Self::InvalidMtu(mtu) => write!(f, "an MTU of {mtu} bytes is too small"),
        }
    }
}

impl core::error::Error for ConfigError {}
