//! The timers of a process that run while it does (setitimer(2)).

use core::cell::Cell;

use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::table::Sysno;

use super::{Next, Running};
use crate::syscall::{Call, Request};

/// A timer that counts CPU time, in nanoseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct CpuTimer {
    /// The process's CPU time at which it expires; `None` while it is not armed.
    pub expires: Option<u64>,
    /// What it is armed with again; 0 if it is not.
    pub interval: u64,
}

impl CpuTimer {
    /// Whether the timer has expired at `now`, in CPU time. Arms it again with its interval, past
    /// what was missed: one signal stands for all.
    fn expire(&mut self, now: u64) -> bool {
        let Some(due) = self.expires.filter(|due| *due <= now) else { return false };
        let next = |interval| now.saturating_add(interval - (now - due) % interval);
        self.expires = (self.interval > 0).then(|| next(self.interval));
        true
    }
}

/// Both such timers of a process. A child has none; a new program keeps them.
#[derive(Default, Debug)]
pub struct CpuTimers {
    /// ITIMER_VIRTUAL.
    pub user: Cell<CpuTimer>,
    /// ITIMER_PROF: counts time in the kernel, too.
    pub profile: Cell<CpuTimer>,
}

impl CpuTimers {
    /// Whether either may expire.
    pub fn are_armed(&self) -> bool {
        self.user.get().expires.is_some() | self.profile.get().expires.is_some()
    }
}

impl Running {
    /// Sends the process the signals of the timers that have expired. Home takes them as any
    /// others, so they are made as calls are.
    pub(super) async fn expire_cpu_timers(&self) -> Next {
        let timers = &self.body.cpu_timers;
        let used = self.body.cpu.get();
        let expired = [
            (&timers.user, used.user, Signal::SIGVTALRM),
            (&timers.profile, used.total(), Signal::SIGPROF),
        ];
        for (cell, now, signal) in expired {
            let mut timer = cell.get();
            if !timer.expire(now) {
                continue;
            }
            cell.set(timer);
            let pid = self.body.key.pid.0 as u64;
            let args = [pid, signal.number().into(), 0, 0, 0, 0];
            let call = Call { sysno: Sysno::kill, args };
            let reply = self.transact(None, Request::Call(call)).await;
            if self.apply(None, reply).await == Next::End {
                return Next::End;
            }
        }
        Next::Run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_expires_once_or_again_and_again() {
        let mut once = CpuTimer { expires: Some(10), interval: 0 };
        assert!(!once.expire(9));
        assert!(once.expire(10));
        assert_eq!(once, CpuTimer { expires: None, interval: 0 });
        let mut again = CpuTimer { expires: Some(10), interval: 4 };
        assert!(again.expire(17), "two were missed");
        assert_eq!(again.expires, Some(18));
        assert!(!again.expire(17));
    }
}
