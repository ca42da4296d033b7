//! The matrix of faults: what fails while a process is on its way from one node to another, and
//! what becomes of the process then (decision D6).

use wayfarer_proto::id::NodeId;
use wayfarer_proto::session::MovePhase;

/// The process's home.
pub const HOME: NodeId = NodeId(1);

/// The node it moves from.
pub const SOURCE: NodeId = NodeId(2);

/// The node it moves to.
pub const TARGET: NodeId = NodeId(3);

/// What fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A node is gone at once.
    Dies(NodeId),
    /// Nothing passes between two nodes any more.
    Cut(NodeId, NodeId),
}

impl Fault {
    /// Every node and every link.
    pub const ALL: [Self; 6] = [
        Self::Dies(HOME),
        Self::Dies(SOURCE),
        Self::Dies(TARGET),
        Self::Cut(HOME, SOURCE),
        Self::Cut(HOME, TARGET),
        Self::Cut(SOURCE, TARGET),
    ];

    /// The nodes that are left.
    pub fn survivors(self) -> Vec<NodeId> {
        let dead = match self {
            Self::Dies(node) => Some(node),
            Self::Cut(..) => None,
        };
        [HOME, SOURCE, TARGET].into_iter().filter(|node| Some(*node) != dead).collect()
    }
}

/// What becomes of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It lives on there.
    Lives(NodeId),
    /// Its home ends it as if by SIGKILL.
    Killed,
    /// It is lost with its home.
    Lost,
}

/// What must become of the process if that fails when its deputy has heard nothing of what its
/// peers did in the phase. A phase without a row does not compile.
pub fn verdict(phase: MovePhase, fault: Fault) -> Verdict {
    let decided = match phase {
        // Nothing has been decided; the source has the only body, and it goes on there.
        MovePhase::Survey | MovePhase::Admission | MovePhase::Freeze | MovePhase::Abort => SOURCE,
        // The target has said that its body is whole, and is believed even if it is dead.
        MovePhase::Stream | MovePhase::Commit => TARGET,
    };
    match fault {
        Fault::Dies(HOME) => Verdict::Lost,
        Fault::Dies(node) | Fault::Cut(HOME, node) if node == decided => Verdict::Killed,
        Fault::Dies(_) | Fault::Cut(..) => Verdict::Lives(decided),
    }
}
