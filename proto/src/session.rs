//! What the two sessions, the kernel that drives them and the simulator share about being driven.

use core::time::Duration;

use crate::limits;

/// How a session is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// How long a silent link is believed to be alive, and how long a body asks in doubt.
    pub keep_alive: Duration,
    /// Which rule is broken on purpose, to show that the simulator would notice.
    pub mutant: Mutant,
}

impl Default for Config {
    fn default() -> Self {
        Self { keep_alive: limits::KEEP_ALIVE, mutant: Mutant::None }
    }
}

/// A rule broken on purpose. Only tests choose another than [`Mutant::None`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// All rules hold.
    None,
    /// The deputy does not hold its messages from the freeze to the verdict.
    SkipHold,
    /// An attention is not repeated to the body that survives a move.
    DropAttention,
    /// The deputy answers a body in doubt without looking at its epoch.
    AnswerStaleEpoch,
    /// Calls open at a commit are executed again.
    RetryCall,
    /// The new body does not check the image's hashes and totals.
    CommitUnchecked,
    /// A loan outlives the body's next request.
    KeepLoan,
    /// A node remembers the memory of a body whose arrival was called off, too.
    RememberCalledOff,
}

/// How far a move is, as its deputy sees it. A test can hold a move in a phase: the deputy then
/// hears nothing of its peers until it is released.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MovePhase {
    /// The source was asked for its needs.
    Survey,
    /// The target was asked.
    Admission,
    /// The source was told to stop.
    Freeze,
    /// The image travels.
    Stream,
    /// The new body is the one that counts; it was told.
    Commit,
    /// The move is off; the source was told.
    Abort,
}

impl MovePhase {
    /// All phases.
    pub const ALL: [Self; 6] =
        [Self::Survey, Self::Admission, Self::Freeze, Self::Stream, Self::Commit, Self::Abort];
}

/// Defines the marks, their list and their bit.
macro_rules! marks {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// A branch of the protocol that the simulator must have reached: each rule of
        /// architecture section 4, each phase of a migration, each crossing.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mark {
            $($(#[$meta])* $name,)*
        }

        impl Mark {
            /// All marks.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

marks! {
    /// Rule 1: a system call began a transaction.
    BeganCall,
    /// Rule 1: a synchronous signal began a transaction.
    BeganFault,
    /// Rule 1: a null request began a transaction.
    BeganNull,
    /// Rule 2: a copyin was asked.
    AskedCopyIn,
    /// Rule 2: a copyout was asked.
    AskedCopyOut,
    /// Rule 2: a copyin was served from what came with the call.
    ServedEarly,
    /// Rule 3: result, memory and actions travelled in one reply.
    RepliedWhole,
    /// Rule 4: an attention was sent to a thread without a transaction.
    Attention,
    /// Rule 4: a request crossed the attention; the body ignored it.
    AttentionCrossedCall,
    /// Rule 4: an attention was repeated to the body that survived a move.
    AttentionRepeated,
    /// Rule 5: a blocking call ended early because of a signal.
    InterruptedCall,
    /// Rule 6: a child's body called home.
    ForkChild,
    /// Rule 8: a program was replaced.
    Exec,
    /// Rule 9: a channel ended with Bye and ByeAck.
    ByeAcked,
    /// D3: a reply for a dead thread was discarded.
    DeadReply,
    /// A page-in was answered.
    PageIn,
    /// Crossing: a page-in was served while a memory request of the same body was open.
    PageInInsideMemory,
    /// Crossing: a page-in was void because the body froze.
    PageInFrozen,
    /// Pages that a body has stored to were written back to their file.
    PageOut,
    /// Crossing: a signal came between freeze and verdict.
    SignalHeld,
    /// Crossing: a reply was held from freeze to verdict.
    ReplyHeld,
    /// Crossing: a memory request was held from freeze to verdict.
    MemoryHeld,
    /// Crossing: the process ended during a move.
    ExitDuringMove,
    /// Crossing: a call arrived at the deputy after it had sent Freeze.
    CallCrossedFreeze,
    /// A move was asked for while another went on.
    MoveOverlapped,
    /// A process was stopped, or resumed, during a move.
    StoppedDuringMove,
    /// Migration phase: the source is asked for its needs.
    PhaseSurvey,
    /// Migration phase: the target is asked.
    PhaseAdmission,
    /// Migration phase: the source stops.
    PhaseFreeze,
    /// Migration phase: the image travels.
    PhaseStream,
    /// Migration phase: the image has arrived, and the kernel decides.
    PhaseWhole,
    /// Migration phase: committed.
    PhaseCommit,
    /// Migration phase: called off.
    PhaseAbort,
    /// A move was called off although the new body was whole.
    CalledOffWhole,
    /// A move refused by the source.
    Unmovable,
    /// A move refused by the target.
    Refused,
    /// A move committed from a node to another without home between.
    MovedAwayToAway,
    /// A move committed to home.
    MovedHome,
    /// A move committed from home.
    MovedAway,
    /// The image was found damaged.
    ImageDamaged,
    /// D6: a body in doubt asked over a fresh connection.
    DoubtAsked,
    /// D6: it was told that the move is off.
    DoubtAborted,
    /// D6: it was told to wait for the verdict.
    DoubtPending,
    /// D6: it was refused because its epoch is over.
    DoubtStale,
    /// D6: nobody answered it until the limit; it destroyed itself.
    DoubtExpired,
    /// A commit came after the source's channel had broken.
    CommitWithoutSource,
    /// A body lost its channel outside a move.
    BodyLost,
    /// 0016: a body was lent room.
    Lent,
    /// 0016: a loan came when it was void already.
    LentInVain,
    /// 0016: a loan was returned because the deputy said something.
    Returned,
    /// 0016: a write was posted.
    Posted,
    /// 0018: a body was lent what comes next of a file.
    LentBytes,
    /// 0018: such a loan came when it was void already.
    LentBytesInVain,
    /// 0018: bytes that were lent have been read.
    Took,
    /// 0018: what was lent is wanted back.
    Recalled,
    /// 0016: a write was posted before its deputy's Freeze was heard.
    PostCrossedFreeze,
}

const _: () = assert!(Mark::ALL.len() <= 64, "marks are bits of one word");

/// A set of marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks(u64);

impl Marks {
    /// Adds a mark.
    pub const fn reach(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u64;
    }

    /// Whether the mark was reached.
    pub const fn contains(self, mark: Mark) -> bool {
        self.0 & 1 << mark as u64 != 0
    }

    /// Marks of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The marks not reached.
    pub fn missing(self) -> impl Iterator<Item = Mark> {
        Mark::ALL.iter().copied().filter(move |mark| !self.contains(*mark))
    }
}
