//! Which processors the nodes run on.
//!
//! Two nodes that answer each other wake three threads in each direction, and waking a thread on
//! another core costs about 20 us where it costs one context switch on the same core: so nodes
//! that sleep in `hlt` are fastest, and steadiest, all on one core (measured: median round trip 54
//! us against 86, p99 93 against 299). Nodes that share memory look for each other's frames for a
//! while before they sleep: each needs a core then, and its emulator's other threads one where no
//! node looks, or the bell for the peer would wait until it sleeps. The host's scheduler finds it.
//!
//! Bulk data is another matter: it keeps the nodes at both ends busy at once, and their emulators.
//! A node tells of it ([`Bulk`](wayfarer_proto::console::FromNode::Bulk)), and the cluster is let
//! go of its one core until it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use wayfarer_proto::id::NodeId;

/// How a cluster's nodes are spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Placement {
    /// All threads of all nodes on one core. The next cluster of this process takes the next core,
    /// and another process begins at another one, lest all commands of a host share the first.
    #[default]
    OneCore,
    /// Wherever the host's scheduler puts them.
    Free,
}

impl Placement {
    /// The set for a cluster's QEMUs, or `None` to leave them alone: for a free placement, for a
    /// single node (which has nobody to wake), and where the host does not tell its processors.
    pub(crate) fn processors(self, nodes: u16) -> Option<CpuSet> {
        static CLUSTERS: AtomicUsize = AtomicUsize::new(0);
        if self == Self::Free || nodes < 2 {
            return None;
        }
        let allowed = sched_getaffinity(None).ok()?;
        let turn = std::process::id() as usize + CLUSTERS.fetch_add(1, Ordering::Relaxed);
        pick(&allowed, turn)
    }
}

/// The set with only the `turn`th processor of `allowed`, counting round.
fn pick(allowed: &CpuSet, turn: usize) -> Option<CpuSet> {
    let count = usize::try_from(allowed.count()).ok().filter(|count| *count > 0)?;
    let processor = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).nth(turn % count)?;
    let mut set = CpuSet::new();
    set.set(processor);
    Some(set)
}

/// Confines a process that has just been started; threads it makes later inherit it. Failure is
/// ignored: placement changes how fast nodes are, never what they do.
pub(crate) fn confine(process: u32, set: &CpuSet) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = sched_setaffinity(Some(pid), set);
    }
}

/// The same for a process that has all its threads.
fn confine_threads(process: u32, set: &CpuSet) {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return };
    let name = |thread: std::fs::DirEntry| thread.file_name().to_str()?.parse().ok();
    threads.flatten().filter_map(name).for_each(|thread| confine(thread, set));
}

/// The emulators of a cluster that has one core, but while bulk data is on its way.
#[derive(Debug)]
pub(crate) struct Confinement {
    one: CpuSet,
    all: CpuSet,
    confined: Mutex<Confined>,
}

#[derive(Default, Debug)]
struct Confined {
    emulators: BTreeMap<NodeId, u32>,
    /// The nodes that send bulk data.
    senders: BTreeSet<NodeId>,
}

impl Confinement {
    /// What a cluster of so many nodes is confined by, if it is.
    pub(crate) fn of(placement: Placement, nodes: u16) -> Option<Arc<Self>> {
        let (one, all) = (placement.processors(nodes)?, sched_getaffinity(None).ok()?);
        Some(Arc::new(Self { one, all, confined: Mutex::default() }))
    }

    /// Confines the emulator of a node that has just been started.
    pub(crate) fn add(&self, node: NodeId, emulator: u32) {
        confine(emulator, &self.one);
        self.confined().emulators.insert(node, emulator);
    }

    /// A node sends bulk data, or no longer.
    pub(crate) fn note_bulk(&self, node: NodeId, sends: bool) {
        let mut confined = self.confined();
        let was_free = !confined.senders.is_empty();
        if sends {
            confined.senders.insert(node);
        } else {
            confined.senders.remove(&node);
        }
        let is_free = !confined.senders.is_empty();
        if is_free != was_free {
            let set = if is_free { &self.all } else { &self.one };
            confined.emulators.values().for_each(|emulator| confine_threads(*emulator, set));
        }
    }

    /// A node's emulator has ended.
    pub(crate) fn remove(&self, node: NodeId) {
        self.confined().emulators.remove(&node);
        self.note_bulk(node, false);
    }

    fn confined(&self) -> MutexGuard<'_, Confined> {
        self.confined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_take_turns() {
        let mut allowed = CpuSet::new();
        assert!(pick(&allowed, 0).is_none());
        for processor in [1, 4] {
            allowed.set(processor);
        }
        let chosen = |turn| {
            let set = pick(&allowed, turn).unwrap();
            assert_eq!(set.count(), 1);
            [1, 4].into_iter().find(|cpu| set.is_set(*cpu))
        };
        assert_eq!([chosen(0), chosen(1), chosen(2)], [Some(1), Some(4), Some(1)]);
    }

    #[test]
    fn bulk_data_frees_all_until_none_is_sent() {
        let all = sched_getaffinity(None).unwrap();
        let confinement = Confinement::of(Placement::OneCore, 2).unwrap();
        let mut sleeper = std::process::Command::new("sleep").arg("10000").spawn().unwrap();
        let pid = Pid::from_child(&sleeper);
        let processors = || sched_getaffinity(Some(pid)).unwrap().count();
        confinement.add(NodeId(1), sleeper.id());
        assert_eq!(processors(), 1);
        for (node, sends, expected) in [
            (1, true, all.count()),
            (2, true, all.count()),
            (1, false, all.count()),
            (2, false, 1),
            (2, true, all.count()),
        ] {
            confinement.note_bulk(NodeId(node), sends);
            assert_eq!(processors(), expected, "node {node} sends: {sends}");
        }
        confinement.remove(NodeId(2));
        assert_eq!(processors(), 1, "the sender is gone");
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }

    #[test]
    fn single_node_is_left_alone() {
        assert!(Placement::OneCore.processors(1).is_none());
        assert!(Placement::Free.processors(3).is_none());
    }
}
