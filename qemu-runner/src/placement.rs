//! Which processors the nodes run on.
//!
//! Two nodes that answer each other wake three threads in each direction, and waking a thread on
//! another core costs about 20 us where it costs one context switch on the same core: so nodes
//! that sleep in `hlt` are fastest, and steadiest, all on one core (measured: median round trip 54
//! us against 86, p99 93 against 299). Nodes that share memory look for each other's frames for a
//! while before they sleep: each needs a core then, and its emulator's other threads one where no
//! node looks, or the bell for the peer would wait until it sleeps. The host's scheduler finds it.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

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
    fn single_node_is_left_alone() {
        assert!(Placement::OneCore.processors(1).is_none());
        assert!(Placement::Free.processors(3).is_none());
    }
}
