//! What a node is told on its kernel command line: written by the runner, read by the kernel, and
//! spelled in this one place.
//!
//! ```text
//! node=1 nodes=3 epoch=1790000000000000000 net=dgram peers=2,3 mtu=9000 keepalive_ms=30000
//! ```
//!
//! Words this module does not know are passed over: QEMU adds `virtio_mmio.device=...` of its own.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::id::NodeId;
use crate::node;

/// What a node writes to QEMU's `isa-debug-exit` port when it powers off; QEMU then exits with
/// status `2 * value + 1`. Not 0, whose status 1 is also that of a QEMU that could not start.
pub const EXIT_ORDERLY: u8 = 0x10;

/// The same when the node could not boot and said why in its log.
pub const EXIT_FAILED: u8 = 0x11;

/// The same when the kernel panicked.
pub const EXIT_PANIC: u8 = 0x12;

/// The same when the processor raised an exception in the kernel.
pub const EXIT_EXCEPTION: u8 = 0x13;

/// The word on the command line of a node whose last packet device leads to the outside: QEMU's
/// user networking.
pub const UPLINK: &str = "uplink";

/// The word on the command line of a node that answers benchmarks of the network.
pub const BENCH: &str = "bench";

/// The word on the command line of a node whose processes wait for the answer to each write when
/// they are away.
pub const NO_AHEAD: &str = "no-ahead";

/// How the nodes are wired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetKind {
    /// No network: a cluster of one node.
    None,
    /// One packet port per peer, UNIX datagram sockets between the QEMUs.
    Dgram,
    /// One packet port per peer, UNIX stream sockets between the QEMUs.
    Stream,
    /// One packet port, a tap device on a bridge that reaches all peers.
    Tap,
}

impl NetKind {
    const ALL: [Self; 4] = [Self::None, Self::Dgram, Self::Stream, Self::Tap];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dgram => "dgram",
            Self::Stream => "stream",
            Self::Tap => "tap",
        }
    }

    /// Whether frames arrive as they were sent, or not at all, without anybody checking them: they
    /// are copied from memory to memory within one host and pass no wire. A bridge may have a port
    /// that leads to one.
    pub const fn guarantees_integrity(self) -> bool {
        !matches!(self, Self::Tap)
    }
}

/// A node's place in its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootWords {
    /// This node.
    pub node: NodeId,
    /// How many nodes there are; they are numbered from 1.
    pub nodes: u16,
    /// The wall clock at boot, in nanoseconds since 1970-01-01 00:00:00 UTC.
    pub epoch_ns: u64,
    /// How the nodes are wired.
    pub net: NetKind,
    /// Which peer each packet port leads to, in the order of the packet devices on QEMU's command
    /// line. With [`NetKind::Tap`] there is one port and every other node is listed.
    pub peers: Vec<NodeId>,
    /// The largest IPv4 packet, in bytes.
    pub mtu: u16,
    /// How long a channel may be silent before its peer counts as lost, in milliseconds; 0: for
    /// ever (under a debugger).
    pub keepalive_ms: u32,
}

/// A word of the command line that is missing or makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadWord {
    /// The word's key, as in `mtu`.
    pub key: &'static str,
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel command line: word '{}=' is missing or wrong", self.key)
    }
}

impl core::error::Error for BadWord {}

impl fmt::Display for BootWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, nodes, epoch_ns, net, peers, mtu, keepalive_ms } = self;
        write!(f, "node={node} nodes={nodes} epoch={epoch_ns} net={} peers=", net.name())?;
        for (index, peer) in peers.iter().enumerate() {
            write!(f, "{}{peer}", if index == 0 { "" } else { "," })?;
        }
        write!(f, " mtu={mtu} keepalive_ms={keepalive_ms}")
    }
}

impl FromStr for BootWords {
    type Err = BadWord;

    fn from_str(line: &str) -> Result<Self, BadWord> {
        let words = Self {
            node: NodeId(number(line, "node")?),
            nodes: number(line, "nodes")?,
            epoch_ns: number(line, "epoch")?,
            net: net_kind(line)?,
            peers: peers(line)?,
            mtu: number(line, "mtu")?,
            keepalive_ms: number(line, "keepalive_ms")?,
        };
        let known = |id: NodeId| node::is_valid(id) && id.0 <= words.nodes;
        if !known(words.node) {
            return Err(BadWord { key: "node" });
        }
        if words.peers.iter().any(|peer| !known(*peer) || *peer == words.node) {
            return Err(BadWord { key: "peers" });
        }
        Ok(words)
    }
}

/// The value of the first word `key=value` of a command line. Like the two below never inlined:
/// it is asked for many words at boot, and where the machine is emulated each copy of the loop
/// would have to be translated.
#[inline(never)]
pub fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// Whether a command line has this word.
#[inline(never)]
pub fn has_word(line: &str, wanted: &str) -> bool {
    line.split_ascii_whitespace().any(|word| word == wanted)
}

#[inline(never)]
fn whole_number(line: &str, key: &str) -> Option<u64> {
    value_of(line, key)?.parse().ok()
}

fn value<'a>(line: &'a str, key: &'static str) -> Result<&'a str, BadWord> {
    value_of(line, key).ok_or(BadWord { key })
}

fn number<T: TryFrom<u64>>(line: &str, key: &'static str) -> Result<T, BadWord> {
    let number = whole_number(line, key).and_then(|number| T::try_from(number).ok());
    number.ok_or(BadWord { key })
}

fn net_kind(line: &str) -> Result<NetKind, BadWord> {
    let word = value(line, "net")?;
    let found = NetKind::ALL.into_iter().find(|kind| kind.name() == word);
    found.ok_or(BadWord { key: "net" })
}

fn peers(line: &str) -> Result<Vec<NodeId>, BadWord> {
    let list = value(line, "peers")?;
    let ids = list.split(',').filter(|id| !id.is_empty());
    ids.map(|id| id.parse().map(NodeId).map_err(|_| BadWord { key: "peers" })).collect()
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    fn words() -> BootWords {
        BootWords {
            node: NodeId(1),
            nodes: 3,
            epoch_ns: 1_790_000_000_000_000_000,
            net: NetKind::Dgram,
            peers: [NodeId(2), NodeId(3)].into(),
            mtu: 9000,
            keepalive_ms: 30_000,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let line = format!("{} virtio_mmio.device=512@0xfeb00e00:12", words());
        assert_eq!(line.parse(), Ok(words()));
        let alone = BootWords {
            nodes: 1,
            net: NetKind::None,
            peers: Vec::new(),
            keepalive_ms: 0,
            ..words()
        };
        assert_eq!(alone.to_string().parse(), Ok(alone));
    }

    #[test]
    fn wrong_words_are_named() {
        let line = words().to_string();
        for (from, to, key) in [
            ("mtu=9000", "mtu=90000", "mtu"),
            ("mtu=9000", "", "mtu"),
            ("net=dgram", "net=carrier-pigeon", "net"),
            ("peers=2,3", "peers=2,x", "peers"),
            ("peers=2,3", "peers=1,2", "peers"),
            ("peers=2,3", "peers=2,4", "peers"),
            ("node=1 ", "node=4 ", "node"),
            ("node=1 ", "node=0 ", "node"),
        ] {
            assert_eq!(line.replacen(from, to, 1).parse::<BootWords>(), Err(BadWord { key }));
        }
    }
}
