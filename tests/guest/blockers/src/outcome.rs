//! What becomes of a blocked call.

/// What becomes of a blocked call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// What it waits for happens.
    Completes,
    /// A handler installed with `SA_RESTART` runs first.
    Restarted,
    /// A handler installed without `SA_RESTART` runs first.
    Interrupted,
    /// The process is killed.
    Killed,
}

impl Outcome {
    pub(crate) const ALL: [Self; 4] =
        [Self::Completes, Self::Restarted, Self::Interrupted, Self::Killed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Completes => "completes",
            Self::Restarted => "restarted",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// The flags of the handler (sigaction(2)).
    pub(crate) const fn handler_flags(self) -> i32 {
        match self {
            Self::Interrupted => 0,
            _ => libc::SA_RESTART,
        }
    }
}

/// What a handler does to a call that it runs in the middle of (signal(7), "Interruption of
/// system calls and library functions by signal handlers").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// The call goes on if `SA_RESTART` says so.
    MayRestart,
    /// The call ends with EINTR whatever the flags.
    AlwaysInterrupts,
    /// The call does not notice.
    Undisturbed,
}

impl Effect {
    /// Whether the call ends with EINTR.
    pub(crate) fn interrupts(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Completes | Outcome::Killed => false,
            Outcome::Restarted => self == Self::AlwaysInterrupts,
            Outcome::Interrupted => self != Self::Undisturbed,
        }
    }
}
