//! Runs programs on real nodes, for comparison with what they did on the host's Linux.

use std::io;
use std::time::{Duration, Instant};

use wayfarer::artifacts::{self, BuildError};
use wayfarer::{Channel, Cluster, ClusterBuilder, ClusterError, Initrd, InitrdError, Outcome};
use wayfarer_proto::console::{Counts, Exit, ExitStatus, FromNode, Started, ToNode};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, Pid};

pub use wayfarer_proto::console::Start;

use crate::native::Run;
use crate::terminal::{Reply, Typist};

/// The node that programs start on: their home.
pub const HOME: NodeId = NodeId(1);

/// How long an idle node may take to give back what a program held.
const SETTLE: Duration = Duration::from_secs(120);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// How many looks in a row see the same when nothing changes any more.
const LOOKS: usize = 5;

/// How a program's processes move by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Not at all, on a node without a peer.
    Home,
    /// Each once, before the 7th call it makes.
    Once,
    /// Each to the next of three nodes before every 7th call it makes on one.
    Roaming,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Home, Self::Once, Self::Roaming];

    /// A cluster whose programs move so: once through shared memory where the host has it, and
    /// roaming over TCP, which is faster for three nodes on two processors that mostly move.
    pub fn cluster(self) -> ClusterBuilder {
        match self {
            Self::Home => Cluster::builder(),
            Self::Once => Cluster::builder().nodes(2).words("roam=once:7"),
            Self::Roaming => Cluster::builder().nodes(3).channel(Channel::Tcp).words("roam=7"),
        }
    }
}

/// Why a program did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The kernel could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The initial file system could not be made.
    #[error(transparent)]
    Initrd(#[from] InitrdError),
    /// A node ended, or nobody said anything for the whole time.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The node could not be told anything.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It could not be executed.
    #[error("not started: {0}")]
    NotStarted(Errno),
    /// It ran too long, having written this.
    #[error("still ran after {0:?}; it had written {1:?} and {2:?}{3}")]
    TooLong(Duration, String, String, String),
}

/// Nodes that run one program after the other, each with an empty standard input.
#[derive(Debug)]
pub struct Nodes {
    /// The nodes themselves.
    pub cluster: Cluster,
}

impl Nodes {
    /// Boots nodes with the kernel of this workspace.
    ///
    /// # Errors
    /// If it cannot be built or booted.
    pub fn boot(cluster: &ClusterBuilder, initrd: &Initrd) -> Result<Self, VmError> {
        Ok(Self { cluster: cluster.start(&artifacts::kernel()?, initrd)? })
    }

    /// Runs a program at [`HOME`] for at most `limit`.
    ///
    /// # Errors
    /// Any [`VmError`]. After `TooLong` the program still runs: boot anew.
    pub fn run(&mut self, start: &Start, limit: Duration) -> Result<Outcome, VmError> {
        self.begin(start)?;
        self.cluster.node(HOME).send(&ToNode::StdinEof)?;
        self.finish(limit)
    }

    /// Starts a program at [`HOME`] and gives its process.
    ///
    /// # Errors
    /// Any [`VmError`] but `TooLong`.
    pub fn begin(&mut self, start: &Start) -> Result<Pid, VmError> {
        self.cluster.node(HOME).send(&ToNode::Start(start.clone()))?;
        loop {
            if let (HOME, FromNode::Started(Started { pid, result })) =
                self.cluster.recv(self.cluster.time_left())?
            {
                return result.map(|()| pid).map_err(VmError::NotStarted);
            }
        }
    }

    /// Collects what the started program does until it ends.
    ///
    /// # Errors
    /// Any [`VmError`].
    pub fn finish(&mut self, limit: Duration) -> Result<Outcome, VmError> {
        let mut outcome = Outcome::new(ExitStatus::Exited(0));
        let status = self.watch(limit, &mut outcome, |_, frame| match frame {
            FromNode::Exit(Exit { status, .. }) => Some(status.clone()),
            _ => None,
        })?;
        Ok(Outcome { status, ..outcome })
    }

    /// Runs a program on the terminal of [`HOME`] for at most `limit`, typing as `replies` say.
    ///
    /// # Errors
    /// Any [`VmError`].
    pub fn converse(
        &mut self,
        start: &Start,
        replies: &[Reply],
        limit: Duration,
    ) -> Result<Outcome, VmError> {
        self.begin(&Start { tty: true, ..start.clone() })?;
        let keyboard = self.cluster.node(HOME).clone();
        let mut typist = Typist::new(replies);
        let mut typed = Ok(());
        let mut outcome = Outcome::new(ExitStatus::Exited(0));
        let status = self.watch(limit, &mut outcome, |_, frame| match frame {
            FromNode::Exit(Exit { status, .. }) => Some(status.clone()),
            FromNode::Stdout(bytes) => {
                let keys = typist.see(bytes);
                if !keys.is_empty() && typed.is_ok() {
                    typed = keyboard.send(&ToNode::Stdin(keys));
                }
                None
            }
            _ => None,
        })?;
        typed?;
        Ok(Outcome { status, ..outcome })
    }

    /// Adds what nodes say to `outcome` until `wanted` finds in a frame what it looks for.
    ///
    /// # Errors
    /// Any [`VmError`].
    pub fn watch<T>(
        &mut self,
        limit: Duration,
        outcome: &mut Outcome,
        mut wanted: impl FnMut(NodeId, &FromNode) -> Option<T>,
    ) -> Result<T, VmError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (node, frame) = match self.cluster.recv(left) {
                Ok(told) => told,
                Err(ClusterError::Silence(_, tails)) => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let (out, err) = (text(&outcome.stdout), text(&outcome.stderr));
                    return Err(VmError::TooLong(limit, out, err, tails.to_string()));
                }
                Err(error) => return Err(error.into()),
            };
            let found = wanted(node, &frame);
            outcome.add(frame);
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// What every node holds.
    ///
    /// # Errors
    /// If a node does not answer.
    pub fn holdings(&mut self, nodes: &[NodeId]) -> Result<Vec<Holdings>, VmError> {
        nodes.iter().map(|node| self.holding(*node)).collect()
    }

    fn holding(&mut self, node: NodeId) -> Result<Holdings, VmError> {
        self.cluster.node(node).send(&ToNode::QueryCounts)?;
        let mut other = Outcome::new(ExitStatus::Exited(0));
        self.watch(SETTLE, &mut other, |sender, frame| match frame {
            FromNode::Counts(counts) if sender == node => Some(Holdings::of(node, counts)),
            _ => None,
        })
    }

    /// Waits until no program's process or connection is left; gives what the nodes hold then.
    ///
    /// # Errors
    /// If a node does not answer.
    pub fn idle(&mut self, nodes: &[NodeId]) -> Result<Vec<Holdings>, VmError> {
        let deadline = Instant::now() + SETTLE;
        let (mut last, mut seen) = (self.holdings(nodes)?, 1);
        while seen < LOOKS && Instant::now() < deadline {
            std::thread::sleep(LOOK);
            let now = self.holdings(nodes)?;
            let same = now == last && now.iter().all(Holdings::is_idle);
            (last, seen) = (now, if same { seen + 1 } else { 1 });
        }
        Ok(last)
    }

    /// Waits until the nodes hold what they held `before`; gives what they hold then, or in the
    /// end.
    ///
    /// # Errors
    /// If a node does not answer.
    pub fn settle(&mut self, before: &[Holdings]) -> Result<Vec<Holdings>, VmError> {
        self.settle_as(before, <[Holdings]>::to_vec)
    }

    /// The same for what counts of it.
    ///
    /// # Errors
    /// If a node does not answer.
    pub fn settle_as(
        &mut self,
        before: &[Holdings],
        counts: impl Fn(&[Holdings]) -> Vec<Holdings>,
    ) -> Result<Vec<Holdings>, VmError> {
        let nodes: Vec<NodeId> = before.iter().map(|holdings| holdings.node).collect();
        let deadline = Instant::now() + SETTLE;
        loop {
            let now = self.holdings(&nodes)?;
            if counts(&now) == counts(before) || Instant::now() >= deadline {
                return Ok(now);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// What a node holds that programs must give back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holdings {
    /// The node.
    pub node: NodeId,
    /// Frames of memory in use, but for those that the kernel's heap took once: it keeps them for
    /// its next need.
    pub frames: u64,
    /// Connections to other nodes.
    pub sockets: u64,
    /// Tasks of the kernel.
    pub tasks: u64,
    /// Open files.
    pub descriptors: u64,
    /// Processes at home there.
    pub processes: u64,
}

impl Holdings {
    /// Whether nothing is left but what every node has: init, and what listens for peers.
    pub fn is_idle(&self) -> bool {
        self.sockets == 0 && self.descriptors == 0 && self.processes == 1
    }

    fn of(node: NodeId, counts: &Counts) -> Self {
        Self {
            node,
            frames: counts.frames_total - counts.frames_free - counts.heap_frames,
            sockets: counts.sockets,
            tasks: counts.tasks,
            descriptors: counts.descriptors,
            processes: counts.processes,
        }
    }
}

/// What a program did, in the terms of the host's Linux.
pub fn as_native(outcome: &Outcome) -> Run {
    Run {
        status: outcome.status.shell_status().into(),
        stdout: outcome.stdout.clone(),
        stderr: outcome.stderr.clone(),
    }
}
