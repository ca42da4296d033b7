//! What all blocking calls have in common.

use rustix::io::Errno;

use crate::outcome::{Effect, Outcome};
use crate::{memory, pipes, processes, waits};

/// One blocking call, and the event that it waits for. Made before the fork, so that the child
/// can block and the parent cause the event.
pub(crate) trait Blocker {
    /// What a handler does to it.
    fn effect(&self) -> Effect;

    /// Whether the child can be moved while it blocks (else the move waits for the end).
    fn moves_at_once(&self) -> bool {
        true
    }

    /// Child: makes ready, away from home already.
    fn prepare(&mut self) {}

    /// Child: blocks; then checks what the call gave.
    ///
    /// # Errors
    /// What the call ended with.
    fn block(&mut self) -> Result<(), Errno>;

    /// Parent: causes the event.
    fn cause(&mut self, child: rustix::process::Pid);

    /// Parent: checks what the child did to the outside, after it completed the call.
    fn check(&mut self) {}

    /// Parent: ends what the child left behind when it ended before the event.
    fn clean_up(&mut self) {}
}

/// The calls of the matrix.
pub(crate) const NAMES: [&str; 11] = [
    "pipe-read",
    "pipe-write",
    "tty-read",
    "poll",
    "select",
    "wait4",
    "nanosleep",
    "futex",
    "sigsuspend",
    "vfork",
    "page-in",
];

/// Makes the blocker of that name for a row with this outcome.
pub(crate) fn named(name: &str, outcome: Outcome) -> Option<Box<dyn Blocker>> {
    Some(match name {
        "pipe-read" => Box::new(pipes::Read::new()),
        "pipe-write" => Box::new(pipes::Write::new()),
        "tty-read" => Box::new(waits::Terminal),
        "poll" => Box::new(pipes::Poll::new()),
        "select" => Box::new(pipes::Select::new()),
        "wait4" => Box::new(processes::Wait::new()),
        "nanosleep" => Box::new(waits::Sleep::new(outcome)),
        "futex" => Box::new(memory::Futex::new()),
        "sigsuspend" => Box::new(waits::Suspend),
        "vfork" => Box::new(processes::Vfork::new()),
        "page-in" => Box::new(memory::PageIn::new()),
        _ => return None,
    })
}
