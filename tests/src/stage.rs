//! Nodes on which many programs run in turn, one boot for all as long as none of them fails.

use std::time::Duration;

use wayfarer::{ClusterBuilder, Initrd};

use crate::vm::{Nodes, VmError};

/// How long one boot may serve.
const BOOT_LIMIT: Duration = Duration::from_secs(1200);

/// How much of that must be left when a program starts.
const PROGRAM_LIMIT: Duration = Duration::from_secs(600);

/// Nodes that are booted when they are needed.
#[derive(Debug)]
pub struct Stage {
    cluster: ClusterBuilder,
    initrd: Initrd,
    nodes: Option<Nodes>,
}

impl Stage {
    /// Nothing is booted yet.
    pub fn new(cluster: ClusterBuilder, initrd: Initrd) -> Self {
        Self { cluster: cluster.timeout(BOOT_LIMIT), initrd, nodes: None }
    }

    /// Does something on the nodes. If it fails they are not used again.
    ///
    /// # Errors
    /// What `act` says, or why the nodes do not boot.
    pub fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Nodes) -> Result<T, String>,
    ) -> Result<T, String> {
        let fresh = |nodes: &Nodes| nodes.cluster.time_left() >= PROGRAM_LIMIT;
        let mut nodes = match self.nodes.take().filter(fresh) {
            Some(nodes) => nodes,
            None => Nodes::boot(&self.cluster, &self.initrd)
                .map_err(|error: VmError| error.to_string())?,
        };
        let done = act(&mut nodes)?;
        self.nodes = Some(nodes);
        Ok(done)
    }
}
