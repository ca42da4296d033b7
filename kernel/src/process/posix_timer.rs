//! The timers of timer_create(2): they run at home, where their signals are posted.

use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Tid;
use wayfarer_proto::linux::signal::{SI_TIMER, SigDetail, SigInfo, Signal};
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::time::Instant;

use super::{CpuClock, Home};
use crate::event::{Setting, TimerBase, after};
use crate::executor::{Priority, Spawner, TaskHandle, Timers};

/// How many timers a process may have (the spirit of RLIMIT_SIGPENDING).
const MOST: usize = 1024;
/// The most overruns that are told (`DELAYTIMER_MAX`).
const OVERRUN_MAX: u64 = i32::MAX as u64;

/// What an expiration does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The signal; `None` for a timer that is only looked at.
    pub signal: Option<Signal>,
    /// The value sent along; `None` for the timer's id.
    pub value: Option<u64>,
    /// The thread it is sent to, if not to the process.
    pub thread: Option<Tid>,
}

/// What a timer counts.
#[derive(Clone)]
pub enum TimerClock {
    /// Time that passes, and the clock of absolute times.
    Real(TimerBase),
    /// CPU time: its deadlines are readings of this clock.
    Cpu(CpuClock),
}

/// A timer.
pub struct PosixTimer {
    id: i32,
    /// What it counts.
    pub clock: TimerClock,
    notice: Notice,
    deadline: Cell<Option<Instant>>,
    interval: Cell<Duration>,
    /// Expirations beyond the first that its latest signal stands for.
    overrun: Cell<u32>,
    /// Those of the signal before that.
    told: Cell<u32>,
    task: RefCell<Option<TaskHandle>>,
}

impl TimerClock {
    /// What it reads; `None` if there is nothing any more that it could count.
    pub async fn read(&self, timers: &Timers) -> Option<Instant> {
        match self {
            Self::Real(_) => Some(timers.now()),
            Self::Cpu(clock) => clock.read().await,
        }
    }

    async fn reaches(&self, deadline: Instant, timers: &Timers) -> Option<Instant> {
        match self {
            Self::Real(_) => {
                timers.sleep_until(deadline).await;
                Some(timers.now())
            }
            Self::Cpu(clock) => clock.reaches(deadline, timers).await,
        }
    }
}

/// The timers of a process, by id.
#[derive(Default)]
pub struct PosixTimers {
    timers: RefCell<SortedMap<i32, Rc<PosixTimer>>>,
    next: Cell<i32>,
}

impl PosixTimers {
    /// Makes a timer that is not armed, and gives its id.
    ///
    /// # Errors
    /// `EAGAIN` if there are too many.
    pub fn create(&self, clock: TimerClock, notice: Notice) -> Result<i32, Errno> {
        let mut timers = self.timers.borrow_mut();
        if timers.len() >= MOST {
            return Err(Errno::EAGAIN);
        }
        let mut id = self.next.get();
        while timers.contains_key(&id) {
            id = id.checked_add(1).unwrap_or(0);
        }
        self.next.set(id.checked_add(1).unwrap_or(0));
        let timer = PosixTimer {
            id,
            clock,
            notice,
            deadline: Cell::new(None),
            interval: Cell::default(),
            overrun: Cell::new(0),
            told: Cell::new(0),
            task: RefCell::default(),
        };
        timers.insert(id, Rc::new(timer));
        Ok(id)
    }

    /// The timer with this id.
    ///
    /// # Errors
    /// `EINVAL` if there is none.
    pub fn get(&self, id: i32) -> Result<Rc<PosixTimer>, Errno> {
        self.timers.borrow().get(&id).cloned().ok_or(Errno::EINVAL)
    }

    /// Deletes a timer.
    ///
    /// # Errors
    /// `EINVAL` if there is none.
    pub fn delete(&self, id: i32) -> Result<(), Errno> {
        let timer = self.timers.borrow_mut().remove(&id).ok_or(Errno::EINVAL)?;
        timer.stop();
        Ok(())
    }

    /// Deletes all timers (execve(2), exit(2)).
    pub fn clear(&self) {
        let timers = core::mem::take(&mut *self.timers.borrow_mut());
        timers.into_values().for_each(|timer| timer.stop());
    }
}

impl PosixTimer {
    /// Arms it for `deadline`, or disarms it.
    pub fn arm(
        self: &Rc<Self>,
        home: &Rc<Home>,
        (spawner, timers): (&Spawner, &Timers),
        deadline: Option<Instant>,
        interval: Duration,
    ) {
        self.stop();
        self.overrun.set(0);
        self.told.set(0);
        self.deadline.set(deadline);
        self.interval.set(interval);
        if deadline.is_some() {
            let ticking = tick(timers.clone(), Rc::downgrade(home), Rc::downgrade(self));
            self.task.replace(Some(spawner.spawn(Priority::Service, ticking)));
        }
    }

    /// What is left of it when its clock reads `now` (timer_gettime(2)).
    pub fn setting(&self, now: Instant) -> Setting {
        let value = self.deadline.get().map_or(Duration::ZERO, |deadline| {
            // An armed timer never reads as one that is not.
            deadline.since(now.min(deadline)).max(Duration::from_nanos(1))
        });
        Setting { value, interval: self.interval.get() }
    }

    /// How often it had expired, beyond the first time, when its latest signal was taken
    /// (timer_getoverrun(2)).
    pub fn overrun(&self, home: &Home) -> u64 {
        let waits = self.waiting(home, |_| {}).is_some();
        if waits { self.told.get() } else { self.overrun.get() }.into()
    }

    fn stop(&self) {
        if let Some(task) = self.task.take() {
            task.cancel();
        }
    }

    /// Counts what has expired until `now`; says when it expires next.
    fn expire(&self, home: &Home, now: Instant) -> Option<Instant> {
        let deadline = self.deadline.get()?;
        let interval = self.interval.get();
        let (count, next) = match interval.is_zero() {
            true => (1, None),
            false => {
                let (count, next) = after(deadline, interval, now.max(deadline));
                (count, Some(next))
            }
        };
        self.deadline.set(next);
        self.notify(home, count);
        next
    }

    /// Sends the signal; one that still waits to be taken stands for these expirations, too.
    fn notify(&self, home: &Home, count: u64) {
        let Some(signal) = self.notice.signal else { return };
        let more = |known: u32, count: u64| {
            u32::try_from(u64::from(known).saturating_add(count).min(OVERRUN_MAX)).unwrap_or(0)
        };
        let counted = self.waiting(home, |overrun| {
            *overrun = more(*overrun, count);
            self.overrun.set(*overrun);
        });
        if counted.is_some() {
            return;
        }
        let overrun = more(0, count - 1);
        self.told.set(self.overrun.replace(overrun));
        let value = self.notice.value.unwrap_or(self.id as u64);
        let detail = SigDetail::Timer { id: self.id, overrun, value };
        let info = SigInfo { signal, code: SI_TIMER, detail };
        match self.notice.thread.map(|tid| home.thread(tid)) {
            Some(Some(thread)) => home.post_to(&thread, info),
            Some(None) => {}
            None => home.post(info),
        }
    }

    /// Does something with the overrun of the signal that waits to be taken; `None` if none does.
    fn waiting(&self, home: &Home, act: impl FnOnce(&mut u32)) -> Option<()> {
        let thread = match self.notice.thread {
            Some(tid) => Some(home.thread(tid)?),
            None => None,
        };
        let pending = thread.as_ref().map_or(&home.pending, |thread| &thread.pending);
        let mut pending = pending.borrow_mut();
        let mine =
            |info: &SigInfo| matches!(info.detail, SigDetail::Timer { id, .. } if id == self.id);
        match &mut pending.find_mut(mine)?.detail {
            SigDetail::Timer { overrun, .. } => act(overrun),
            _ => return None,
        }
        Some(())
    }
}

/// Lets a timer expire at its deadline and, with an interval, at every one after it.
async fn tick(timers: Timers, home: Weak<Home>, timer: Weak<PosixTimer>) {
    let mut next = timer.upgrade().and_then(|timer| timer.deadline.get());
    while let Some(deadline) = next {
        let Some(clock) = timer.upgrade().map(|timer| timer.clock.clone()) else { return };
        let Some(now) = clock.reaches(deadline, &timers).await else { return };
        let (Some(home), Some(timer)) = (home.upgrade(), timer.upgrade()) else { return };
        next = timer.expire(&home, now);
    }
}
