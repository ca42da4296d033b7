//! timerfd_create(2): a timer to read from.

use alloc::rc::{Rc, Weak};
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::time::Instant;

use crate::executor::{Priority, Spawner, TaskHandle, Timers, WaitQueue};
use crate::fs::{FileObject, Io};

/// The clock that absolute times of a timer are read by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerBase {
    /// `CLOCK_MONOTONIC` or `CLOCK_BOOTTIME`.
    Boot,
    /// `CLOCK_REALTIME`.
    Wall,
}

/// Time until the next expiration, and between those after it. A value of zero is a timer that is
/// not armed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Setting {
    /// Time until the next expiration.
    pub value: Duration,
    /// Time between those after it; zero for none.
    pub interval: Duration,
}

/// The object behind a timer descriptor.
pub struct TimerFd {
    me: Weak<Self>,
    base: TimerBase,
    spawner: Spawner,
    timers: Timers,
    /// When it expires next, or has expired; `None` if it is not armed.
    deadline: Cell<Option<Instant>>,
    interval: Cell<Duration>,
    expired: Cell<bool>,
    task: RefCell<Option<TaskHandle>>,
    changes: WaitQueue,
}

impl TimerFd {
    /// A timer that is not armed.
    pub fn new(base: TimerBase, spawner: Spawner, timers: Timers) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            base,
            spawner,
            timers,
            deadline: Cell::new(None),
            interval: Cell::default(),
            expired: Cell::new(false),
            task: RefCell::default(),
            changes: WaitQueue::new(),
        })
    }

    /// The timer behind an open file, if it is one.
    pub fn of(object: &dyn FileObject) -> Option<&Self> {
        let any: &dyn Any = object;
        any.downcast_ref()
    }

    /// The clock of its absolute times.
    pub const fn base(&self) -> TimerBase {
        self.base
    }

    /// Arms it for `deadline`, or disarms it.
    pub fn arm(&self, deadline: Option<Instant>, interval: Duration, now: Instant) {
        self.stop();
        self.expired.set(false);
        self.deadline.set(deadline);
        self.interval.set(interval);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.expire();
        } else {
            self.start();
        }
    }

    /// What is left of it (timerfd_gettime(2)).
    pub fn setting(&self, now: Instant) -> Setting {
        let interval = self.interval.get();
        let value = match self.deadline.get() {
            None => Duration::ZERO,
            Some(deadline) if deadline > now => deadline.since(now),
            Some(_) if interval.is_zero() => Duration::ZERO,
            Some(deadline) => after(deadline, interval, now).1.since(now),
        };
        Setting { value, interval }
    }

    fn stop(&self) {
        if let Some(task) = self.task.take() {
            task.cancel();
        }
    }

    fn start(&self) {
        let Some(deadline) = self.deadline.get() else { return };
        let (me, sleep) = (self.me.clone(), self.timers.sleep_until(deadline));
        let task = self.spawner.spawn(Priority::Service, async move {
            sleep.await;
            if let Some(timer) = me.upgrade() {
                timer.expire();
            }
        });
        self.task.replace(Some(task));
    }

    fn expire(&self) {
        self.expired.set(true);
        self.changes.wake(PollEvents::READABLE);
    }

    /// Takes the expirations. Those after the first are counted here and not one by one, so that a
    /// short interval costs nothing while nobody reads.
    fn take(&self) -> Option<u64> {
        if !self.expired.replace(false) {
            return None;
        }
        let (deadline, interval) = (self.deadline.get()?, self.interval.get());
        if interval.is_zero() {
            self.deadline.set(None);
            return Some(1);
        }
        let (count, next) = after(deadline, interval, self.timers.now().max(deadline));
        self.deadline.set(Some(next));
        self.start();
        Some(count)
    }
}

/// How many expirations there were from `deadline` until `now`, and when the next will be.
pub fn after(deadline: Instant, interval: Duration, now: Instant) -> (u64, Instant) {
    let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    let count = (now.0 - deadline.0) / interval + 1;
    (count, Instant(deadline.0.saturating_add(count.saturating_mul(interval))))
}

impl FileObject for TimerFd {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let target = buffer.first_chunk_mut::<8>().ok_or(Errno::EINVAL)?;
        *target = self.take().ok_or(Errno::EAGAIN)?.to_le_bytes();
        Ok(target.len())
    }

    fn poll(&self) -> PollEvents {
        if self.expired.get() { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.changes)
    }
}

impl Drop for TimerFd {
    fn drop(&mut self) {
        self.stop();
    }
}
