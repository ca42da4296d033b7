//! Nodes: booted, wired to each other, spoken with, and gone when dropped.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use wayfarer_proto::boot::NetKind;
use wayfarer_proto::console::{CONSOLE_VERSION, FrameError, FromNode, Refused, ToNode};
use wayfarer_proto::id::NodeId;

use crate::builder::ClusterBuilder;
use crate::console::{ConsoleSender, Event};
use crate::initrd::InitrdError;
use crate::namespace::{Namespace, TapError};
use crate::pcap;
use crate::reporter::Reporter;
use crate::rundir::RunDir;
use crate::share::ShareError;
use crate::shared::{NoSharedMemory, SharedMemory};
use crate::vm::{Ending, Vm};
use crate::wiring::{self, NodeLimit};

/// How long a node may take to power off by itself, on a host that has other things to do.
const POWER_OFF: Duration = Duration::from_secs(10);

/// What the name of a socket ends in while its link is cut.
const CUT: &str = ".cut";

/// Why a cluster could not be started or ended early.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// More nodes than the wiring allows.
    #[error(transparent)]
    Nodes(#[from] NodeLimit),
    /// Shared memory was asked for and is impossible.
    #[error(transparent)]
    Channel(#[from] NoSharedMemory),
    /// A directory of this host cannot be shared.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The initial file system could not be made.
    #[error(transparent)]
    Initrd(#[from] InitrdError),
    /// The network of `--net tap` could not be made.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// A file, pipe or process of the host.
    #[error("cannot {action}: {source}")]
    Host {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A node ended by itself.
    #[error("node {node} {ending}{log}")]
    Ended {
        /// The node.
        node: NodeId,
        /// How its QEMU ended.
        ending: Ending,
        /// The end of its log.
        log: LogTail,
    },
    /// A node speaks another version of the console protocol.
    #[error("node {node} speaks console version {version}, this command {CONSOLE_VERSION}")]
    Version {
        /// The node.
        node: NodeId,
        /// Its version.
        version: u32,
    },
    /// A node sent bytes that are no frame.
    #[error("node {node} sent a bad frame: {error}{log}")]
    BadFrame {
        /// The node.
        node: NodeId,
        /// What is wrong with them.
        error: FrameError,
        /// The end of its log.
        log: LogTail,
    },
    /// No frame came in the time the caller gave.
    #[error("no word from any node for {0:?}{1}")]
    Silence(Duration, LogTail),
    /// The cluster's time is over.
    #[error("the time limit of {0:?} is over (--timeout){1}")]
    TimeLimit(Duration, LogTail),
    /// Somebody asked the runner to stop.
    #[error("interrupted")]
    Interrupted,
}

impl ClusterError {
    pub(crate) fn host(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Host { action, source }
    }
}

/// The last lines of one or more nodes' logs, to be shown below an error.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogTail(pub String);

impl fmt::Display for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lines().try_for_each(|line| write!(f, "\n  | {line}"))
    }
}

/// What the cluster's threads tell it.
pub(crate) enum Notice {
    Console(NodeId, Event),
    TimeLimit,
    Interrupted,
}

/// Ends a cluster's next [`Cluster::recv`] from another thread (a signal handler's).
#[derive(Clone, Debug)]
pub struct Interrupter(Sender<Notice>);

impl Interrupter {
    /// Makes the cluster's next `recv` fail with [`ClusterError::Interrupted`].
    pub fn interrupt(&self) {
        // A cluster that is gone needs no interruption.
        let _ = self.0.send(Notice::Interrupted);
    }
}

/// A running cluster. Its nodes and everything made for them end when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    // Fields are dropped in this order: nodes before the directory and the network they use.
    pub(crate) vms: Vec<Vm>,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) notifier: Sender<Notice>,
    pub(crate) reporter: Reporter,
    pub(crate) started: Instant,
    pub(crate) time_limit: Duration,
    pub(crate) pcap: Option<PathBuf>,
    pub(crate) _watchdog: Sender<()>,
    pub(crate) _network: Option<Namespace>,
    pub(crate) shared: Option<SharedMemory>,
    pub(crate) directory: RunDir,
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Console(node, event) => write!(f, "node {node}: {event:?}"),
            Self::TimeLimit => f.write_str("time limit"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl Cluster {
    /// Describes a cluster to be started.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// The wire to one node.
    ///
    /// # Panics
    /// If the cluster has no such node.
    pub fn node(&self, node: NodeId) -> &ConsoleSender {
        &self.vm(node).console
    }

    /// How many nodes there are, the dead included.
    pub fn nodes(&self) -> u16 {
        u16::try_from(self.vms.len()).expect("checked against the limit at the start")
    }

    /// A handle that ends [`recv`](Self::recv) from elsewhere.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.notifier.clone())
    }

    /// Everything a node has logged so far.
    pub fn log(&self, node: NodeId) -> String {
        self.vm(node).log()
    }

    /// The next frame of any node.
    ///
    /// # Errors
    /// [`ClusterError::Silence`] after `timeout`; `Ended` when a node ended that was not
    /// [killed](Self::kill); `BadFrame`, `TimeLimit` and `Interrupted` as they say.
    pub fn recv(&mut self, timeout: Duration) -> Result<(NodeId, FromNode), ClusterError> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let notice = match self.notices.recv_timeout(left) {
                Ok(notice) => notice,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(ClusterError::Silence(timeout, self.tails()));
                }
            };
            match notice {
                Notice::Console(node, Event::Frame(frame)) => {
                    return Ok((node, self.note(node, frame)));
                }
                Notice::Console(node, event) => self.trouble(node, &event)?,
                Notice::TimeLimit => {
                    return Err(ClusterError::TimeLimit(self.time_limit, self.tails()));
                }
                Notice::Interrupted => return Err(ClusterError::Interrupted),
            }
        }
    }

    /// When the first node's QEMU was executed.
    pub fn began(&self) -> Instant {
        self.started
    }

    /// How much of the cluster's time is left: the longest sensible `timeout` for
    /// [`recv`](Self::recv).
    pub fn time_left(&self) -> Duration {
        // A little more, so that the time limit is what is reported.
        (self.time_limit + POWER_OFF).saturating_sub(self.started.elapsed())
    }

    /// Kills a node at once, as a power failure would. Its end is no error to
    /// [`recv`](Self::recv).
    pub fn kill(&mut self, node: NodeId) {
        self.vm_mut(node).kill();
    }

    /// Cuts the link between two nodes that are wired by datagrams: what either sends is lost, in
    /// memory that they share, too.
    ///
    /// # Errors
    /// `NotFound` for nodes that are wired otherwise, or whose link is cut already.
    pub fn cut(&self, a: NodeId, b: NodeId) -> io::Result<()> {
        self.rename_link(a, b, "", CUT)?;
        self.shared.as_ref().map_or(Ok(()), |memory| memory.set_cut(a, b, true))
    }

    /// Makes a link whole that was [cut](Self::cut).
    ///
    /// # Errors
    /// `NotFound` if it was not.
    pub fn mend(&self, a: NodeId, b: NodeId) -> io::Result<()> {
        self.rename_link(a, b, CUT, "")?;
        self.shared.as_ref().map_or(Ok(()), |memory| memory.set_cut(a, b, false))
    }

    /// Bytes that have passed between two nodes through memory that they share; `None` if they
    /// share none.
    ///
    /// # Errors
    /// Those of reading the memory's file.
    pub fn carried_in_memory(&self, a: NodeId, b: NodeId) -> io::Result<Option<u64>> {
        self.shared.as_ref().map(|memory| memory.carried(a, b)).transpose()
    }

    fn rename_link(&self, a: NodeId, b: NodeId, from: &str, to: &str) -> io::Result<()> {
        wiring::dgram_sockets(a, b).iter().try_for_each(|name| {
            let path = |suffix: &str| self.directory.join(&format!("{name}{suffix}"));
            std::fs::rename(path(from), path(to))
        })
    }

    /// Tells all nodes to power off, waits for them, and writes the capture if one was asked for.
    ///
    /// # Errors
    /// `Ended` when a node ended in another way (it is killed if it does not end), `Host` when the
    /// capture could not be written.
    pub fn shutdown(mut self) -> Result<(), ClusterError> {
        for vm in &self.vms {
            // A node that is gone is noticed below.
            let _ = vm.console.send(&ToNode::Shutdown);
        }
        let mut result = Ok(());
        for vm in &mut self.vms {
            let ending = vm.await_end(POWER_OFF);
            let expected = matches!(ending, Ending::PoweredOff | Ending::Killed);
            if !expected && result.is_ok() {
                result = Err(ClusterError::Ended { node: vm.node, ending, log: vm.tail() });
            }
        }
        self.write_capture()?;
        result
    }

    /// Once, and only when the nodes are gone: they write their parts until then.
    fn write_capture(&mut self) -> Result<(), ClusterError> {
        let Some(target) = self.pcap.take() else { return Ok(()) };
        let captures: Vec<_> = self
            .vms
            .iter()
            .flat_map(|vm| vm.captures.iter().map(|path| (vm.node, path.clone())))
            .collect();
        pcap::merge(&captures, &target)
            .map_err(ClusterError::host(format!("write {}", target.display())))
    }

    /// Waits for every node's first frame.
    pub(crate) fn await_hello(&mut self, timeout: Duration) -> Result<(), ClusterError> {
        let mut silent = self.vms.len();
        while silent > 0 {
            let (node, frame) = self.recv(timeout)?;
            if let FromNode::Hello(hello) = frame {
                if hello.version != CONSOLE_VERSION {
                    return Err(ClusterError::Version { node, version: hello.version });
                }
                silent -= 1;
            }
        }
        Ok(())
    }

    /// Keeps what belongs to the cluster's own books, and passes the frame on.
    fn note(&mut self, node: NodeId, frame: FromNode) -> FromNode {
        let vm = self.vm_mut(node);
        match &frame {
            FromNode::StdinTaken(count) => {
                vm.console.input_taken(usize::try_from(*count).unwrap_or(usize::MAX));
            }
            FromNode::Exit(_) => vm.console.close_input(),
            FromNode::Log(line) => vm.add_log(line),
            FromNode::Refused(Refused { pid, node, reason, .. }) => {
                vm.add_log(&format!("process {pid} does not move to {node}: {reason}"));
            }
            _ => {}
        }
        frame
    }

    fn trouble(&mut self, node: NodeId, event: &Event) -> Result<(), ClusterError> {
        let vm = self.vm_mut(node);
        match event {
            Event::Garbled(error) => {
                Err(ClusterError::BadFrame { node, error: *error, log: vm.tail() })
            }
            _ => {
                let ending = vm.await_end(POWER_OFF);
                vm.console.close_input();
                match ending {
                    Ending::Killed => Ok(()),
                    _ => Err(ClusterError::Ended { node, ending, log: vm.tail() }),
                }
            }
        }
    }

    fn tails(&self) -> LogTail {
        let told = self.vms.iter().map(|vm| (vm.node, vm.tail().0));
        let told = told.filter(|(_, tail)| !tail.trim().is_empty());
        LogTail(told.map(|(node, tail)| format!("node {node}:\n{tail}\n")).collect())
    }

    fn vm(&self, node: NodeId) -> &Vm {
        self.vms.iter().find(|vm| vm.node == node).expect("a node of this cluster")
    }

    fn vm_mut(&mut self, node: NodeId) -> &mut Vm {
        self.vms.iter_mut().find(|vm| vm.node == node).expect("a node of this cluster")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.vms.iter_mut().for_each(Vm::end);
        // A run that failed is the one whose frames are wanted; its own error is what is reported.
        let _ = self.write_capture();
    }
}

/// Starts the thread that ends a cluster whose time is over, whatever its owner is doing. It ends
/// when the sender is dropped.
pub(crate) fn watch(
    limit: Duration,
    children: Vec<crate::vm::SharedChild>,
    notifier: Sender<Notice>,
) -> Sender<()> {
    let (alive, owner) = mpsc::channel();
    std::thread::spawn(move || {
        if owner.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = notifier.send(Notice::TimeLimit);
            children.iter().for_each(crate::vm::SharedChild::kill);
        }
    });
    alive
}

/// The wiring for a number of nodes when the user named none.
pub(crate) fn default_net(nodes: u16) -> NetKind {
    if nodes == 1 { NetKind::None } else { NetKind::Dgram }
}
