//! Nodes to measure, the program that measures on them, and questions to their network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use wayfarer::artifacts::Artifact;
use wayfarer::{Accel, Channel, Cluster, ClusterBuilder, Initrd, Outcome, program};
use wayfarer_proto::console::{Carrier, ExitStatus, FromNode, Probe, ToNode};
use wayfarer_proto::id::NodeId;

use crate::command::cli::{BenchOptions, Defaults, Net};
use crate::command::failure::Failure;
use crate::command::prepare;
use crate::command::progress::Progress;

/// Where programs are at home.
pub(crate) const HOME: NodeId = NodeId(1);
/// Where they are moved.
pub(crate) const AWAY: NodeId = NodeId(2);

/// Where the program is on a node.
pub(crate) const PROGRAM: &str = "/bin/bench";

/// How long a question to the network may take: longer than the node itself allows.
const PROBE_LIMIT: Duration = Duration::from_secs(90);

/// What every part of the benchmark needs.
pub(crate) struct Lab<'a> {
    options: &'a BenchOptions,
    pub(crate) kernel: PathBuf,
    program: PathBuf,
    pub(crate) progress: Progress,
}

impl<'a> Lab<'a> {
    pub(crate) fn new(options: &'a BenchOptions, kernel: PathBuf) -> Result<Self, Failure> {
        let program = prepare::build(Artifact::Guest("bench"))?;
        Ok(Self { options, kernel, program, progress: Progress::new("") })
    }

    /// How often to repeat: less in a quick run.
    pub(crate) fn repetitions(&self, usual: usize, quick: usize) -> usize {
        self.choose(usual, quick)
    }

    /// One of two, the second in a quick run.
    pub(crate) fn choose<T>(&self, usual: T, quick: T) -> T {
        if self.options.quick { quick } else { usual }
    }

    /// The files of the nodes: the program, and nothing else.
    pub(crate) fn files(&self) -> Result<Initrd, Failure> {
        let mut files = Initrd::bare();
        self.add_program(&mut files)?;
        Ok(files)
    }

    /// Adds the program that measures.
    pub(crate) fn add_program(&self, files: &mut Initrd) -> Result<(), Failure> {
        Ok(files.add_program(PROGRAM, &self.program)?)
    }

    /// How QEMU executes instructions.
    pub(crate) fn accel(&self) -> Accel {
        self.options.common.accel
    }

    /// A cluster as the options describe it, of this many nodes.
    pub(crate) fn builder(&self, nodes: u16, files: &Initrd) -> ClusterBuilder {
        let builder = self.options.common.cluster(Defaults::BENCH, files);
        builder.channel(self.channel()).nodes(nodes).benchmarks()
    }

    /// How frames travel where only one way is measured: what compares with TCP is over TCP.
    fn channel(&self) -> Channel {
        match self.options.common.channel {
            Channel::Auto => Channel::Tcp,
            channel => channel,
        }
    }

    /// Whether shared memory is to be measured beside TCP.
    pub(crate) fn wants_both_channels(&self) -> bool {
        self.options.common.channel == Channel::Auto
            && self.options.common.pcap.is_none()
            && matches!(self.options.common.net, Net::Dgram | Net::Stream)
    }

    /// Two nodes with the program.
    pub(crate) fn pair(&self) -> Result<Cluster, Failure> {
        let files = self.files()?;
        Ok(self.builder(2, &files).start(&self.kernel, &files)?)
    }

    /// Two nodes with the program, over shared memory if they can have it.
    pub(crate) fn pair_in_memory(&self) -> Result<Cluster, Failure> {
        let files = self.files()?;
        Ok(self.builder(2, &files).channel(Channel::Auto).start(&self.kernel, &files)?)
    }

    /// Starts `builder`'s nodes.
    pub(crate) fn start(
        &self,
        builder: &ClusterBuilder,
        files: &Initrd,
    ) -> Result<Cluster, Failure> {
        Ok(builder.start(Path::new(&self.kernel), files)?)
    }
}

/// Runs the program with these words at [`HOME`].
pub(crate) fn play(cluster: &mut Cluster, words: &[String]) -> Result<Outcome, Failure> {
    let outcome = cluster.capture(HOME, &order(words), Vec::new())?;
    check(&outcome)?;
    Ok(outcome)
}

/// The program with these words.
pub(crate) fn order(words: &[String]) -> wayfarer_proto::console::Start {
    let argv: Vec<&str> =
        std::iter::once(PROGRAM).chain(words.iter().map(String::as_str)).collect();
    program::command(&argv)
}

/// Whether the program ended well.
pub(crate) fn check(outcome: &Outcome) -> Result<(), Failure> {
    if outcome.status == ExitStatus::Exited(0) {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&outcome.stderr);
    let status = outcome.status.shell_status();
    Err(Failure::Benchmark(format!("status {status}: {}", errors.trim())))
}

/// Asks [`AWAY`] for the time of round trips to [`HOME`], in nanoseconds: as a body there asks its
/// deputy.
pub(crate) fn probe(
    cluster: &mut Cluster,
    carrier: Carrier,
    sizes: (u64, u64),
    count: usize,
) -> Result<Vec<u64>, Failure> {
    let narrow = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
    let probe = Probe {
        peer: HOME,
        carrier,
        request: narrow(sizes.0),
        reply: narrow(sizes.1),
        count: narrow(count as u64),
    };
    cluster.node(AWAY).send(&ToNode::Probe(probe)).map_err(wayfarer::ProgramError::from)?;
    loop {
        if let (AWAY, FromNode::Probed(answer)) = cluster.recv(PROBE_LIMIT)? {
            return match answer.round_trips.len() == count {
                true => Ok(answer.round_trips),
                false => Err(Failure::Benchmark("the nodes do not hear each other".to_owned())),
            };
        }
    }
}
