//! What a node at rest holds, each idle deputy, and each guest.

use std::collections::BTreeMap;
use std::io::{self, PipeWriter, Write as _};

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

/// Counts the kernel's image, a node's memory, and that of processes that sleep away.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    lab.progress.say("memory");
    let files = lab.files()?;
    let mut cluster = lab.start(&lab.builder(2, &files).memory_mib(NODE_MIB), &files)?;
    let at_rest = cluster.counts(AWAY)?;
    let count = lab.repetitions(64, 4) as u64;
    let sleepers = Sleepers::watch(&mut cluster, count)?;
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
    Ok(figures)
}

/// Bytes of memory that the kernel takes once it is loaded.
fn image(lab: &Lab<'_>) -> Result<u64, Failure> {
    let path = &lab.kernel;
    let file =
        std::fs::read(path).map_err(|source| Failure::Unreadable { path: path.clone(), source })?;
    wayfarer::elf::loaded_size(&file).map_err(|error| Failure::Benchmark(error.to_string()))
}

/// What both nodes hold before and after processes have gone to sleep away from home.
#[derive(Default)]
struct Sleepers {
    counts: Vec<(NodeId, Counts)>,
}

impl Sleepers {
    /// The program says when to count: as it begins, and when all sleep.
    fn watch(cluster: &mut Cluster, count: u64) -> Result<Self, Failure> {
        let (input, mut go_on) = io::pipe().map_err(ProgramError::from)?;
        let nodes = [HOME, AWAY].map(|node| cluster.node(node).clone());
        let mut sleepers = Self::default();
        let words = ["sleepers".to_owned(), count.to_string(), AWAY.to_string()];
        let outcome = cluster.observe(HOME, &lab::order(&words), input, |node, frame| {
            let said = match frame {
                FromNode::Stdout(bytes) => bytes.as_slice(),
                FromNode::Counts(counts) => {
                    sleepers.counts.push((node, counts.clone()));
                    sleepers.answer(&mut go_on);
                    return;
                }
                _ => return,
            };
            if said.starts_with(b"begin") || said.starts_with(b"ready") {
                for console in &nodes {
                    // A node that is gone is noticed by who waits for its frames.
                    let _ = console.send(&ToNode::QueryCounts);
                }
            }
        })?;
        lab::check(&outcome)?;
        Ok(sleepers)
    }

    /// Lets the program go on once both nodes have answered.
    fn answer(&self, go_on: &mut PipeWriter) {
        if self.counts.len().is_multiple_of(2) {
            // A program that is gone is noticed by who waits for its end.
            let _ = go_on.write_all(b"\n");
        }
    }

    /// How much more each of `count` processes made `node` hold, beside its sockets' buffers.
    fn each(&self, node: NodeId, count: u64) -> Option<u64> {
        let of = self.counts.iter().filter(|(from, _)| *from == node);
        let held: Vec<u64> = of.map(|(_, counts)| held(counts)).collect();
        match held[..] {
            [before, after] => Some(after.saturating_sub(before) / count.max(1)),
            _ => None,
        }
    }
}

/// Bytes in use: frames that are not the heap's, and what is in use of the heap, but for the
/// buffers of sockets.
fn held(counts: &Counts) -> u64 {
    let frames = counts.frames_total - counts.frames_free;
    let frames = frames.saturating_sub(counts.heap_frames) * FRAME;
    (frames + counts.heap_used).saturating_sub(counts.socket_buffers)
}
