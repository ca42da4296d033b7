//! alarm(2) and setitimer(2): the timer runs at home, where its signal is posted.

use alloc::rc::{Rc, Weak};
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::signal::{SigInfo, Signal};
use wayfarer_proto::linux::time::{ITIMER_REAL, Itimerval};
use wayfarer_proto::time::Instant;

use crate::executor::{Priority, Timers};
use crate::process::{Home, RealTimer};
use crate::syscall::interval::Setting;
use crate::syscall::{Call, Caller, SysResult};

/// alarm(2).
pub(super) fn alarm(c: &Caller, call: &Call) -> SysResult {
    let value = Duration::from_secs(u64::from(call.args[0] as u32));
    let old = arm(c, Setting { value, interval: Duration::ZERO });
    // A running alarm never reads as none (alarm(2) rounds to seconds, but not to 0).
    let seconds = old.value.as_secs() + u64::from(old.value.subsec_nanos() >= 500_000_000);
    Ok(if old.value.is_zero() { 0 } else { seconds.max(1) })
}

/// setitimer(2) of ITIMER_REAL. The others count the body's time and are local to it.
pub(super) async fn setitimer(c: &Caller, call: &Call) -> SysResult {
    let mut setting = Setting::default();
    if !call.addr(1).is_null() {
        let mut bytes = [0; Itimerval::SIZE];
        c.memory.copy_in(call.addr(1), &mut bytes).await?;
        setting = Setting::parse(&Itimerval::from_bytes(&bytes))?;
    }
    let old = match call.args[0] {
        ITIMER_REAL => arm(c, setting),
        _ => return Err(Errno::EINVAL),
    };
    if !call.addr(2).is_null() {
        c.memory.copy_out(call.addr(2), &old.format().to_bytes()).await?;
    }
    Ok(0)
}

/// getitimer(2).
pub(super) async fn getitimer(c: &Caller, call: &Call) -> SysResult {
    let setting = match call.args[0] {
        ITIMER_REAL => current(c),
        _ => return Err(Errno::EINVAL),
    };
    c.memory.copy_out(call.addr(1), &setting.format().to_bytes()).await?;
    Ok(0)
}

fn current(c: &Caller) -> Setting {
    c.home.real_timer.borrow().as_ref().map_or_else(Setting::default, |timer| Setting {
        value: timer.deadline.since(c.kernel.now()),
        interval: timer.interval,
    })
}

/// Sets the real timer anew and gives what was left of the old one.
fn arm(c: &Caller, setting: Setting) -> Setting {
    let old = current(c);
    if let Some(timer) = c.home.real_timer.take() {
        timer.task.cancel();
    }
    if !setting.value.is_zero() {
        let deadline = c.kernel.now() + setting.value;
        let ticking = tick(c.kernel.timers.clone(), Rc::downgrade(&c.home), deadline);
        let task = c.kernel.spawner.spawn(Priority::Service, ticking);
        let interval = setting.interval;
        *c.home.real_timer.borrow_mut() = Some(RealTimer { deadline, interval, task });
    }
    old
}

/// Sends SIGALRM at the deadline and, with an interval, at every one after it.
async fn tick(timers: Timers, home: Weak<Home>, mut deadline: Instant) {
    loop {
        timers.sleep_until(deadline).await;
        let Some(home) = home.upgrade() else { return };
        home.post(SigInfo::kernel(Signal::SIGALRM));
        let mut timer = home.real_timer.borrow_mut();
        match &mut *timer {
            Some(timer) if !timer.interval.is_zero() => {
                timer.deadline = deadline + timer.interval;
                deadline = timer.deadline;
            }
            _ => {
                *timer = None;
                return;
            }
        }
    }
}
