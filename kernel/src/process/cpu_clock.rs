//! Clocks of CPU time, of any process at home here, wherever its body is (clock_getcpuclockid(3)).

use alloc::rc::{Rc, Weak};
use core::time::Duration;

use wayfarer_proto::id::Tid;
use wayfarer_proto::message::CpuTime;
use wayfarer_proto::time::Instant;

use super::Home;
use crate::executor::Timers;

/// The shortest time between two looks at a clock.
const TICK: Duration = Duration::from_millis(4);
/// The longest, where nothing runs.
const IDLE: Duration = Duration::from_millis(64);

/// What a process, or one of its threads, has used.
#[derive(Clone)]
pub struct CpuClock {
    home: Weak<Home>,
    thread: Option<Tid>,
    /// Whether time in the kernel is left out.
    user_only: bool,
}

impl CpuClock {
    /// The clock of a process, or of a thread of it.
    pub fn new(home: &Rc<Home>, thread: Option<Tid>, user_only: bool) -> Self {
        Self { home: Rc::downgrade(home), thread, user_only }
    }

    /// What it reads; `None` if there is nothing any more that it could count.
    pub async fn read(&self) -> Option<Instant> {
        let used = self.used().await?;
        Some(Instant(if self.user_only { used.user } else { used.total() }))
    }

    async fn used(&self) -> Option<CpuTime> {
        let home = self.home.upgrade()?;
        let cell = home.cell();
        if let Some(deputy) = cell.as_ref().and_then(|cell| cell.away()) {
            let facts = deputy.query_status().await?;
            return match self.thread {
                Some(tid) => Some(facts.thread(tid)?.cpu),
                None => Some(facts.cpu),
            };
        }
        match (cell.and_then(|cell| cell.body()), self.thread) {
            (Some(body), None) => Some(body.cpu.get()),
            (Some(body), Some(tid)) => Some(body.thread(tid)?.cpu.get()),
            // It has ended.
            (None, None) => Some(home.cpu.get()),
            (None, Some(_)) => None,
        }
    }

    /// Waits until it reads `deadline` or more, and gives what it reads then; `None` if that
    /// cannot be any more. No time is used faster than it passes, so nobody looks before the
    /// earliest moment; and less and less often at what does not run.
    pub async fn reaches(&self, deadline: Instant, timers: &Timers) -> Option<Instant> {
        let (mut last, mut pause) = (None, TICK);
        loop {
            let now = self.read().await?;
            if now >= deadline {
                return Some(now);
            }
            pause = if last.replace(now) == Some(now) { (pause * 2).min(IDLE) } else { TICK };
            timers.sleep_until(timers.now() + deadline.since(now).max(pause)).await;
        }
    }
}
