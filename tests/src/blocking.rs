//! The matrix of blocked calls: where a process is moved while it blocks, and what becomes of the
//! call. The guest `blockers` plays each row: `blockers CALL OUTCOME [START [MOVE...]]`.

use crate::terminal::Reply;

/// Defines an enum whose values have names on the guest's command line, and their list.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$value_meta:meta])* $value:ident = $text:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$value_meta])* $value,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$value),*];

            /// Its word on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }
        }
    };
}

named! {
    /// What a process blocks in.
    Blocking {
        /// read(2) from an empty pipe.
        PipeRead = "pipe-read",
        /// write(2) to a full pipe.
        PipeWrite = "pipe-write",
        /// read(2) of a line from a terminal: it wants a terminal, and what is typed there.
        TtyRead = "tty-read",
        /// poll(2).
        Poll = "poll",
        /// select(2).
        Select = "select",
        /// wait4(2).
        Wait4 = "wait4",
        /// nanosleep(2).
        Nanosleep = "nanosleep",
        /// futex(2).
        Futex = "futex",
        /// rt_sigsuspend(2).
        Sigsuspend = "sigsuspend",
        /// vfork(2), the parent.
        VforkParent = "vfork",
        /// The arrival of pages of a mapped file.
        PageIn = "page-in",
    }
}

named! {
    /// What becomes of the call.
    Outcome {
        /// What it waits for happens.
        Completes = "completes",
        /// A handler with `SA_RESTART` runs first.
        InterruptedRestart = "restarted",
        /// A handler without it runs first.
        InterruptedNoRestart = "interrupted",
        /// The process is killed.
        Killed = "killed",
    }
}

/// Where the process blocks, and is moved meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// From home to a node.
    HomeToAway,
    /// From a node to another.
    AwayToAway,
    /// From a node to its home.
    AwayToHome,
    /// From home to a node, and back before anything happens.
    HomeAndBackBeforeEvent,
}

impl Route {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::HomeToAway, Self::AwayToAway, Self::AwayToHome, Self::HomeAndBackBeforeEvent];

    /// The node it blocks on first, then those it is moved to; 1 is its home.
    pub const fn nodes(self) -> &'static [u16] {
        match self {
            Self::HomeToAway => &[1, 2],
            Self::AwayToAway => &[2, 3],
            Self::AwayToHome => &[2, 1],
            Self::HomeAndBackBeforeEvent => &[1, 2, 1],
        }
    }

    /// The moves that this takes of a process that starts at home.
    pub fn moves(self) -> &'static [u16] {
        match self {
            Self::HomeToAway | Self::HomeAndBackBeforeEvent => &self.nodes()[1..],
            Self::AwayToAway | Self::AwayToHome => self.nodes(),
        }
    }
}

/// When a process that is sent elsewhere goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Going {
    /// In the middle of its call.
    Blocked,
    /// When its call has ended, if it then still lives.
    Afterwards,
}

/// One row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// What it blocks in.
    pub blocking: Blocking,
    /// Where it is moved.
    pub route: Route,
    /// What becomes of the call.
    pub outcome: Outcome,
}

impl Row {
    /// Every row. All are played: a signal that a call does not notice, and a move that waits for
    /// its end, are answers, too.
    pub fn all() -> Vec<Self> {
        let mut rows = Vec::new();
        for blocking in Blocking::ALL.iter().copied() {
            for route in Route::ALL.iter().copied() {
                for outcome in Outcome::ALL.iter().copied() {
                    rows.push(Self { blocking, route, outcome });
                }
            }
        }
        rows
    }

    /// When the process goes where it is sent: what shares memory with another cannot go yet.
    pub const fn going(self) -> Going {
        match self.blocking {
            Blocking::VforkParent => Going::Afterwards,
            Blocking::PipeRead
            | Blocking::PipeWrite
            | Blocking::TtyRead
            | Blocking::Poll
            | Blocking::Select
            | Blocking::Wait4
            | Blocking::Nanosleep
            | Blocking::Futex
            | Blocking::Sigsuspend
            | Blocking::PageIn => Going::Blocked,
        }
    }

    /// What is typed on the terminal, if it wants one.
    pub const fn terminal(self) -> Option<&'static [Reply]> {
        match (self.blocking, self.outcome) {
            // Nothing asks for a line when the read has ended before.
            (Blocking::TtyRead, Outcome::InterruptedNoRestart | Outcome::Killed) => Some(&[]),
            (Blocking::TtyRead, _) => Some(TYPED),
            _ => None,
        }
    }

    /// The guest's command line.
    pub fn argv(self) -> Vec<String> {
        let mut argv: Vec<String> =
            ["blockers", self.blocking.name(), self.outcome.name()].map(str::to_owned).into();
        argv.extend(self.route.nodes().iter().map(u16::to_string));
        argv
    }

    /// The last thing the guest says, when all was as the manual says.
    pub fn verdict(self) -> String {
        format!("ok {} {}", self.blocking.name(), self.outcome.name())
    }
}

/// What to type for [`Blocking::TtyRead`], and when.
const TYPED: &[Reply] = &[Reply { after: "type a line", keys: b"event\n" }];
