//! Describes a cluster and starts it.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wayfarer_proto::boot::{BENCH, BootWords, NetKind};
use wayfarer_proto::id::NodeId;

use crate::children;
use crate::cluster::{self, Cluster, ClusterError};
use crate::initrd::Initrd;
use crate::namespace::Namespace;
use crate::placement::{Confinement, Placement};
use crate::qemu::{self, Accel, Machine};
use crate::reporter::Reporter;
use crate::rundir::RunDir;
use crate::share::Share;
use crate::shared::{Channel, Layout, SharedMemory, Wanted};
use crate::uplink::{self, Published};
use crate::vm::{Outputs, Vm};
use crate::wiring::{self, Others, Port};

/// How long all nodes may take to boot. 20 ms is usual; a busy host needs more.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// How long QEMU may take to listen on its sockets.
const LISTEN_LIMIT: Duration = Duration::from_secs(60);

/// The largest packet between nodes in bytes; the second one through taps, whose bridge would have
/// to find as much memory in one piece for each packet.
const MTU: u16 = 65_000;
const TAP_MTU: u16 = 9000;

/// Under a debugger nothing is in a hurry.
const DEBUG_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// The TCP port of node 1's debugger; node n's is n - 1 further. QEMU's own `-s` means this one.
pub const FIRST_DEBUG_PORT: u16 = 1234;

/// A cluster to be started. Every setting has a default but the kernel and the file system.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    nodes: u16,
    memory_mib: u32,
    net: Option<NetKind>,
    mtu: Option<u16>,
    accel: Accel,
    keepalive: Duration,
    time_limit: Duration,
    placement: Option<Placement>,
    channel: Channel,
    pcap: Option<PathBuf>,
    debugger: bool,
    words: String,
    uplink: Option<Vec<Published>>,
    shares: Vec<Share>,
    emulator: PathBuf,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            nodes: 1,
            memory_mib: 128,
            net: None,
            mtu: None,
            accel: Accel::Auto,
            keepalive: Duration::from_secs(30),
            time_limit: Duration::from_secs(60),
            placement: None,
            channel: Channel::Auto,
            pcap: None,
            debugger: false,
            words: String::new(),
            uplink: None,
            shares: Vec::new(),
            emulator: PathBuf::from(qemu::PROGRAM),
        }
    }
}

impl ClusterBuilder {
    /// How many nodes; 1 by default.
    #[must_use]
    pub fn nodes(mut self, nodes: u16) -> Self {
        self.nodes = nodes;
        self
    }

    /// Each node's memory in MiB; 128 by default.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// How nodes are wired; by default `dgram`, and nothing for a single node.
    #[must_use]
    pub fn net(mut self, net: NetKind) -> Self {
        self.net = Some(net);
        self
    }

    /// The largest IPv4 packet between nodes in bytes. By default 65000: a byte costs the host's
    /// processors two thirds of what it does in packets of 9000, which taps have.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// How QEMU executes instructions.
    #[must_use]
    pub fn accel(mut self, accel: Accel) -> Self {
        self.accel = accel;
        self
    }

    /// How long a channel may be silent before its peer counts as lost; 30 s by default.
    #[must_use]
    pub fn keepalive(mut self, keepalive: Duration) -> Self {
        self.keepalive = keepalive;
        self
    }

    /// When the nodes are ended whatever they do; 60 s after the start by default.
    #[must_use]
    pub fn timeout(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Which processors nodes run on: by default any if they share memory, and one for all if not.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// How frames travel between nodes; by default through shared memory where that is possible.
    #[must_use]
    pub fn channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Captures all frames between nodes into this file, written when they end.
    #[must_use]
    pub fn pcap(mut self, file: PathBuf) -> Self {
        self.pcap = Some(file);
        self
    }

    /// Each node waits for a debugger (from [`FIRST_DEBUG_PORT`] on) before it boots, and no
    /// silence counts as a loss.
    #[must_use]
    pub fn debugger(mut self, debugger: bool) -> Self {
        self.debugger = debugger;
        self
    }

    /// Gives node 1 a way to the outside, and these ports of this host to its programs.
    #[must_use]
    pub fn uplink(mut self, published: Vec<Published>) -> Self {
        self.uplink = Some(published);
        self
    }

    /// Lets node 1 mount these directories of this host.
    #[must_use]
    pub fn shares(mut self, shares: Vec<Share>) -> Self {
        self.shares = shares;
        self
    }

    /// More words for the kernel's command line.
    #[must_use]
    pub fn words(mut self, words: &str) -> Self {
        self.words = words.to_owned();
        self
    }

    /// The nodes answer benchmarks of their network.
    #[must_use]
    pub fn benchmarks(mut self) -> Self {
        self.words.push(' ');
        self.words += BENCH;
        self
    }

    /// Another program in QEMU's place, given its arguments: its standard input and output are the
    /// node's console.
    #[must_use]
    pub fn emulator(mut self, program: PathBuf) -> Self {
        self.emulator = program;
        self
    }

    /// Boots the nodes with this kernel and file system, and waits until all have said hello.
    ///
    /// # Errors
    /// Any [`ClusterError`]; nothing is left running then.
    pub fn start(&self, kernel: &Path, initrd: &Initrd) -> Result<Cluster, ClusterError> {
        let net = self.net.unwrap_or_else(|| cluster::default_net(self.nodes));
        // A single node has no peer to be wired to.
        let net = if self.nodes == 1 { NetKind::None } else { net };
        let others = Others { uplink: self.uplink.is_some(), shares: self.shares.len() };
        wiring::check_nodes(self.nodes, net, others)?;
        Share::check(&self.shares)?;
        let directory = RunDir::new().map_err(ClusterError::host("make a directory"))?;
        let archive = directory.join("initrd");
        let file = File::create(&archive);
        let file = file.map_err(ClusterError::host("write the initial file system"))?;
        initrd.write_to(BufWriter::new(file))?;
        let network = match net {
            NetKind::Tap => Some(Namespace::new(self.nodes, self.mtu_for(net))?),
            _ => None,
        };
        let layout = self.layout(net, &archive)?;
        let shared = layout.map(|_| SharedMemory::new(self.nodes)).transpose();
        let shared = shared.map_err(ClusterError::host("make memory that nodes share"))?;
        let (notifier, notices) = mpsc::channel();
        let confinement = Confinement::of(self.placement_for(layout), self.nodes);
        let boot = Boot {
            plan: self,
            kernel,
            archive: &archive,
            net,
            directory: &directory,
            network: network.as_ref(),
            shared: layout.zip(shared.as_ref()),
            confinement: confinement.as_deref(),
        };
        let reporter = Reporter::new(notifier.clone(), confinement.clone());
        let started = Instant::now();
        let vms = boot.start_all(&reporter)?;
        let time_limit = if self.debugger { DEBUG_LIMIT } else { self.time_limit };
        let children = vms.iter().map(Vm::child).collect();
        let watchdog = cluster::watch(time_limit, children, notifier.clone());
        let mut cluster = Cluster {
            vms,
            notices,
            notifier,
            reporter,
            started,
            time_limit,
            pcap: self.pcap.clone(),
            _watchdog: watchdog,
            _network: network,
            shared,
            directory,
        };
        cluster.await_hello(if self.debugger { DEBUG_LIMIT } else { BOOT_LIMIT })?;
        if let Some(published) = self.uplink.as_deref().filter(|published| !published.is_empty()) {
            // Where the host does not allow it, clients that come all at once wait longer.
            let _ = uplink::widen(cluster.vms[0].child().id(), published);
        }
        Ok(cluster)
    }
}

impl ClusterBuilder {
    /// Where the memory that nodes share lies in each, if they share any.
    fn layout(&self, net: NetKind, archive: &Path) -> Result<Option<Layout>, ClusterError> {
        let archive = std::fs::metadata(archive);
        let archive = archive.map_err(ClusterError::host("write the initial file system"))?.len();
        let (channel, nodes, memory_mib) = (self.channel, self.nodes, self.memory_mib);
        let captures = self.pcap.is_some();
        Ok(Wanted { channel, net, nodes, memory_mib, archive, captures }.layout()?)
    }

    fn mtu_for(&self, net: NetKind) -> u16 {
        self.mtu.unwrap_or(if net == NetKind::Tap { TAP_MTU } else { MTU })
    }

    fn placement_for(&self, layout: Option<Layout>) -> Placement {
        let fitting = if layout.is_some() { Placement::Free } else { Placement::OneCore };
        self.placement.unwrap_or(fitting)
    }
}

/// What is needed to start each node of a cluster.
struct Boot<'a> {
    plan: &'a ClusterBuilder,
    kernel: &'a Path,
    archive: &'a Path,
    net: NetKind,
    directory: &'a RunDir,
    network: Option<&'a Namespace>,
    shared: Option<(Layout, &'a SharedMemory)>,
    confinement: Option<&'a Confinement>,
}

impl Boot<'_> {
    /// In order: a stream port connects to nodes started before.
    fn start_all(&self, reporter: &Reporter) -> Result<Vec<Vm>, ClusterError> {
        let mut vms = Vec::new();
        for node in (1..=self.plan.nodes).map(NodeId) {
            let ports = wiring::ports(node, self.plan.nodes, self.net, &self.directory.join(""));
            await_listeners(&ports).map_err(ClusterError::host("connect nodes"))?;
            vms.push(self.start(node, &ports, reporter.clone())?);
        }
        Ok(vms)
    }

    fn start(&self, node: NodeId, ports: &[Port], reporter: Reporter) -> Result<Vm, ClusterError> {
        let file = |kind: &str| self.directory.join(&format!("{kind}{node}"));
        let capture = |index| self.directory.join(&format!("pcap{node}-{index}"));
        let captures = if self.plan.pcap.is_some() { ports.len() } else { 0 };
        let outputs = Outputs {
            serial: file("serial"),
            errors: file("errors"),
            captures: (0..captures).map(capture).collect(),
        };
        let words = self.words(node);
        let machine = Machine {
            kernel: self.kernel,
            initrd: self.archive,
            words: &words,
            extra_words: &self.plan.words,
            memory_mib: self.plan.memory_mib,
            shared: self.shared.map(|(layout, memory)| (layout, memory.paths(node))),
            accel: self.plan.accel,
            ports,
            // Programs start on node 1, and their sockets stay there.
            uplink: self.plan.uplink.as_deref().filter(|_| node == NodeId(1)),
            shares: if node == NodeId(1) { &self.plan.shares } else { &[] },
            serial: &outputs.serial,
            captures: &outputs.captures,
            debugger: self.plan.debugger.then(|| FIRST_DEBUG_PORT - 1 + node.0),
        };
        let mut command = self.command();
        command.args(machine.arguments());
        let vm = Vm::start(node, command, outputs, reporter)
            .map_err(ClusterError::host("start a node with setpriv(1)"))?;
        if let Some(confinement) = self.confinement {
            confinement.add(node, vm.child().id());
        }
        Ok(vm)
    }

    fn command(&self) -> Command {
        match self.network {
            Some(namespace) => namespace.command(&self.plan.emulator),
            None => children::mortal(&self.plan.emulator),
        }
    }

    fn words(&self, node: NodeId) -> BootWords {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let keepalive =
            if self.plan.debugger { Duration::ZERO } else { self.plan.keepalive }.as_millis();
        BootWords {
            node,
            nodes: self.plan.nodes,
            epoch_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            net: self.net,
            peers: wiring::peers(node, self.plan.nodes),
            mtu: self.plan.mtu_for(self.net),
            keepalive_ms: u32::try_from(keepalive).unwrap_or(u32::MAX),
        }
    }
}

/// Waits until the sockets that these ports connect to are listened on: QEMU 7.2 connects once,
/// and gives up at a refusal.
pub(crate) fn await_listeners(ports: &[Port]) -> io::Result<()> {
    let deadline = Instant::now() + LISTEN_LIMIT;
    for port in ports {
        let Port::Stream { path, listens: false } = port else { continue };
        while !is_listening(path)? {
            if Instant::now() >= deadline {
                return Err(io::Error::other("a node does not listen for its peers"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Whether a UNIX socket of this path accepts connections: flag `__SO_ACCEPTCON` in
/// `/proc/net/unix` (proc(5)). A connection made to find out would be taken for the peer.
fn is_listening(path: &Path) -> io::Result<bool> {
    const ACCEPTS: &str = "00010000";
    let table = std::fs::read_to_string("/proc/net/unix")?;
    let suffix = format!(" {}", path.display());
    Ok(table
        .lines()
        .any(|line| line.ends_with(&suffix) && line.split_whitespace().nth(3) == Some(ACCEPTS)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn listener_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s1-2");
        assert!(!is_listening(&path).unwrap());
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(is_listening(&path).unwrap());
        let port = Port::Stream { path, listens: false };
        await_listeners(&[port]).unwrap();
    }

    #[test]
    fn too_many_nodes_start_nothing() {
        let builder = Cluster::builder().nodes(9);
        let error = builder.start(Path::new("/k"), &Initrd::bare()).unwrap_err();
        assert!(matches!(error, ClusterError::Nodes(_)), "{error}");
    }

    #[test]
    fn missing_kernel_is_qemus_word() {
        let builder = Cluster::builder();
        let error = builder.start(Path::new("/no/kernel"), &Initrd::bare()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("node 1 stopped"), "{text}");
    }
}
