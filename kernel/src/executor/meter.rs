//! How long tasks hold the processor (decision D2: about 100 us a poll).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::panic::Location;
use core::time::Duration;

use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::table::Sysno;
use wayfarer_proto::time::Instant;

/// Polls longer than this are remembered with the kind of their task.
const LONG_POLL: Duration = Duration::from_micros(100);

/// What a poll is about. The name of a call is looked up only where it is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// This.
    Words(&'static str),
    /// A system call.
    Call(Sysno),
}

impl Default for Subject {
    /// Nothing was said.
    fn default() -> Self {
        Self::Words("")
    }
}

impl From<Sysno> for Subject {
    fn from(sysno: Sysno) -> Self {
        Self::Call(sysno)
    }
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Words(words) => words,
            Self::Call(sysno) => sysno.row().name,
        }
    }
}

/// What kind of work a poll did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PollKind {
    /// Where in the source its task was started.
    started: &'static Location<'static>,
    /// What the task said it was about to do.
    subject: Subject,
}

impl fmt::Display for PollKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.started.file().rsplit("src/").next().unwrap_or_default();
        write!(f, "{file}:{}", self.started.line())?;
        let subject = self.subject.name();
        if subject.is_empty() { Ok(()) } else { write!(f, ":{subject}") }
    }
}

/// Long polls of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LongPolls {
    /// How many there were.
    pub count: u64,
    /// The longest.
    pub longest: Duration,
}

/// Measures every poll of an executor. A poll's time is that of the kernel: what user code used
/// within it is taken off.
pub struct Meter {
    now: Box<dyn Fn() -> Instant>,
    excused: Cell<Duration>,
    subject: Cell<Subject>,
    polls: Cell<u64>,
    longest: Cell<Duration>,
    long: RefCell<SortedMap<PollKind, LongPolls>>,
}

impl Default for Meter {
    /// A meter without a clock, which measures nothing.
    fn default() -> Self {
        Self::new(|| Instant(0))
    }
}

impl Meter {
    /// A meter that reads this clock.
    pub fn new(now: impl Fn() -> Instant + 'static) -> Self {
        Self {
            now: Box::new(now),
            excused: Cell::default(),
            subject: Cell::default(),
            polls: Cell::default(),
            longest: Cell::default(),
            long: RefCell::default(),
        }
    }

    /// Says that this much of the poll under way was user code's time.
    pub fn excuse(&self, time: Duration) {
        self.excused.set(self.excused.get() + time);
    }

    /// Says what the poll under way is about.
    pub fn subject(&self, subject: Subject) {
        self.subject.set(subject);
    }

    /// How many polls there were.
    pub fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// The longest poll since this was last asked.
    pub fn take_longest(&self) -> Duration {
        self.longest.take()
    }

    /// The longest poll since [`take_longest`](Self::take_longest) was last called.
    pub fn longest(&self) -> Duration {
        self.longest.get()
    }

    /// What was longer than a poll should be, the longest first.
    pub fn long_polls(&self) -> Vec<(PollKind, LongPolls)> {
        let long = self.long.borrow();
        let by_length: SortedMap<_, _> =
            long.iter().map(|(kind, polls)| ((polls.longest, *kind), *polls)).collect();
        by_length.into_iter().rev().map(|((_, kind), polls)| (kind, polls)).collect()
    }

    /// Measures one poll of a task that was started at `started`.
    pub(super) fn measure<T>(
        &self,
        started: &'static Location<'static>,
        poll: impl FnOnce() -> T,
    ) -> T {
        self.excused.set(Duration::ZERO);
        self.subject.set(Subject::default());
        self.polls.set(self.polls.get() + 1);
        let before = (self.now)();
        let result = poll();
        let taken = (self.now)().since(before).saturating_sub(self.excused.get());
        self.longest.set(self.longest.get().max(taken));
        if taken > LONG_POLL {
            let kind = PollKind { started, subject: self.subject.get() };
            let mut long = self.long.borrow_mut();
            let polls = long.get_or_default(kind);
            polls.count += 1;
            polls.longest = polls.longest.max(taken);
        }
        result
    }
}
