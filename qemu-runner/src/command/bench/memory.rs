//! What a node at rest holds, each idle deputy, and each guest; and what a node does for deputies
//! that are idle.

use std::collections::BTreeMap;
use std::io::{self, PipeWriter, Write as _};
use std::thread;
use std::time::Duration;

use wayfarer::{Cluster, ProgramError};
use wayfarer_proto::console::{Counts, FromNode, ToNode};
use wayfarer_proto::id::NodeId;

use super::figure::Figure;
use super::lab::{self, AWAY, HOME, Lab};
use crate::command::failure::Failure;

/// Bytes of a frame.
const FRAME: u64 = 4096;

/// The memory of a node here, in MiB.
const NODE_MIB: u32 = 256;

/// How many processes sleep: as many as a node of that memory can hold guests.
const DEPUTIES: usize = 512;

/// How long an idle node is watched: three times the probes of its connections.
const WINDOW: Duration = Duration::from_secs(30);

/// How long a node may take to come to rest after it has booted.
const SETTLE: Duration = Duration::from_secs(1);

/// How long after moves: each leaves a timer that rings once, at the keep-alive limit of 30 s.
const SETTLE_MOVED: Duration = Duration::from_secs(31);

/// Counts the kernel's image, a node's memory, and that of processes that sleep away.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    lab.progress.say("memory");
    let files = lab.files()?;
    let mut cluster = lab.start(&lab.builder(2, &files).memory_mib(NODE_MIB), &files)?;
    let [window, settle] = lab.choose([WINDOW, SETTLE_MOVED], [SETTLE, SETTLE]);
    thread::sleep(SETTLE);
    let alone = cluster.counts(HOME)?;
    thread::sleep(window);
    let still_alone = cluster.counts(HOME)?;
    let at_rest = cluster.counts(AWAY)?;
    let count = lab.repetitions(DEPUTIES, 4) as u64;
    let sleepers = Sleepers::watch(&mut cluster, count, settle, window)?;
    cluster.shutdown()?;
    let node = (u64::from(NODE_MIB) << 20) - at_rest.frames_free * FRAME;
    let mut figures = BTreeMap::from([
        ("image".to_owned(), Figure::bytes(image(lab)?)),
        ("node".to_owned(), Figure::bytes(node)),
    ]);
    for (name, node) in [("deputy", HOME), ("guest", AWAY)] {
        if let Some(bytes) = sleepers.each(node, count) {
            figures.insert(name.to_owned(), Figure::bytes(bytes));
        }
    }
    figures.extend(work("alone", [&alone, &still_alone], window));
    if let Some([.., from, to]) = sleepers.of(HOME) {
        figures.extend(work("deputies", [from, to], window));
    }
    Ok(figures)
}

/// Bytes of memory that the kernel takes once it is loaded.
fn image(lab: &Lab<'_>) -> Result<u64, Failure> {
    let path = &lab.kernel;
    let file =
        std::fs::read(path).map_err(|source| Failure::Unreadable { path: path.clone(), source })?;
    wayfarer::elf::loaded_size(&file).map_err(|error| Failure::Benchmark(error.to_string()))
}

/// What both nodes hold before and after processes have gone to sleep away from home, and what
/// they do while these sleep.
struct Sleepers {
    counts: Vec<(NodeId, Counts)>,
    settle: Duration,
    window: Duration,
}

impl Sleepers {
    /// The program says when to count: as it begins, and when all sleep. Then the nodes are counted
    /// twice more, `window` apart, once `settle` is over.
    fn watch(
        cluster: &mut Cluster,
        count: u64,
        settle: Duration,
        window: Duration,
    ) -> Result<Self, Failure> {
        let (input, mut go_on) = io::pipe().map_err(ProgramError::from)?;
        let nodes = [HOME, AWAY].map(|node| cluster.node(node).clone());
        let query = || {
            for console in &nodes {
                // A node that is gone is noticed by who waits for its frames.
                let _ = console.send(&ToNode::QueryCounts);
            }
        };
        let mut sleepers = Self { counts: Vec::new(), settle, window };
        let words = ["sleepers".to_owned(), count.to_string(), AWAY.to_string()];
        let outcome =
            cluster.observe(HOME, &lab::order(&words), input, |node, frame| match frame {
                FromNode::Stdout(said)
                    if said.starts_with(b"begin") || said.starts_with(b"ready") =>
                {
                    query();
                }
                FromNode::Counts(counts) => {
                    sleepers.counts.push((node, counts.clone()));
                    sleepers.answered(&mut go_on, query);
                }
                _ => {}
            })?;
        lab::check(&outcome)?;
        Ok(sleepers)
    }

    /// Both nodes have answered: the program goes on, or they are asked again later.
    fn answered(&self, go_on: &mut PipeWriter, query: impl Fn()) {
        match self.counts.len() {
            // As the program begins, and at the end.
            2 | 8 => {
                // A program that is gone is noticed by who waits for its end.
                let _ = go_on.write_all(b"\n");
            }
            4 => {
                thread::sleep(self.settle);
                query();
            }
            6 => {
                thread::sleep(self.window);
                query();
            }
            _ => {}
        }
    }

    /// The counts of a node: before, when all slept, at the beginning and the end of the window.
    fn of(&self, node: NodeId) -> Option<[&Counts; 4]> {
        let of = self.counts.iter().filter(|(from, _)| *from == node);
        of.map(|(_, counts)| counts).collect::<Vec<_>>().try_into().ok()
    }

    /// How much more each of `count` processes made `node` hold, beside its sockets' buffers.
    fn each(&self, node: NodeId, count: u64) -> Option<u64> {
        let [before, after, ..] = self.of(node)?;
        Some(held(after).saturating_sub(held(before)) / count.max(1))
    }
}

/// What a node does between two counts, by the second: polls of tasks, and ends of a rest.
fn work(name: &str, [from, to]: [&Counts; 2], window: Duration) -> [(String, Figure); 2] {
    let rate = |from, to| Figure::rate(to - from, window);
    let names = [format!("polls_{name}"), format!("wakes_{name}")];
    let [polls, wakes] = names;
    [(polls, rate(from.polls, to.polls)), (wakes, rate(from.wakes, to.wakes))]
}

/// Bytes in use: frames that are not the heap's, and what is in use of the heap, but for the
/// buffers of sockets.
fn held(counts: &Counts) -> u64 {
    let frames = counts.frames_total - counts.frames_free;
    let frames = frames.saturating_sub(counts.heap_frames) * FRAME;
    (frames + counts.heap_used).saturating_sub(counts.socket_buffers)
}
