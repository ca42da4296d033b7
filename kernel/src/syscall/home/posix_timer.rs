//! timer_create(2) and the calls on what it makes.

use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Tid;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::event::{Itimerspec, TFD_TIMER_ABSTIME};
use wayfarer_proto::linux::process::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID, SigEvent};
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::linux::time::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};
use wayfarer_proto::time::Instant;

use super::cpu_clock;
use super::events::timer::{format, parse, start};
use super::files::names::structure;
use crate::event::{Setting, TimerBase};
use crate::process::{Notice, PosixTimer, TimerClock};
use crate::syscall::{Call, Caller, SysResult};

/// timer_create(2).
pub(super) async fn create(c: &Caller, call: &Call) -> SysResult {
    let clock = match call.int(0) {
        CLOCK_REALTIME => TimerClock::Real(TimerBase::Wall),
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => TimerClock::Real(TimerBase::Boot),
        clock => TimerClock::Cpu(cpu_clock::named(c, clock)?),
    };
    let notice = match call.addr(1) {
        none if none.is_null() => {
            Notice { signal: Some(Signal::SIGALRM), value: None, thread: None }
        }
        event => {
            let bytes = structure::<{ SigEvent::SIZE }>(c, event).await?;
            notice(c, &SigEvent::from_bytes(&bytes))?
        }
    };
    let id = c.home.timers.create(clock, notice)?;
    if let Err(error) = c.memory.copy_out(call.addr(2), &id.to_le_bytes()).await {
        c.home.timers.delete(id)?;
        return Err(error.into());
    }
    Ok(0)
}

fn notice(c: &Caller, event: &SigEvent) -> Result<Notice, Errno> {
    let signal = || Signal::new(event.signal as u64).ok_or(Errno::EINVAL);
    let value = Some(event.value);
    match event.notify {
        SIGEV_NONE => Ok(Notice { signal: None, value, thread: None }),
        SIGEV_SIGNAL => Ok(Notice { signal: Some(signal()?), value, thread: None }),
        SIGEV_THREAD_ID => {
            let thread = Tid(event.thread);
            c.home.thread(thread).ok_or(Errno::EINVAL)?;
            Ok(Notice { signal: Some(signal()?), value, thread: Some(thread) })
        }
        _ => Err(Errno::EINVAL),
    }
}

/// timer_settime(2).
pub(super) async fn set_time(c: &Caller, call: &Call) -> SysResult {
    if call.addr(2).is_null() {
        return Err(Errno::EINVAL);
    }
    let bytes = structure::<{ Itimerspec::SIZE }>(c, call.addr(2)).await?;
    let Setting { value, interval } = parse(&Itimerspec::from_bytes(&bytes))?;
    let timer = c.home.timers.get(call.int(0))?;
    let now = now(c, &timer).await?;
    let old = timer.setting(now);
    let absolute = call.args[1] as u32 & TFD_TIMER_ABSTIME != 0;
    let start = || match &timer.clock {
        TimerClock::Real(base) => start(c, *base, absolute, value),
        TimerClock::Cpu(_) if absolute => Instant(0) + value,
        TimerClock::Cpu(_) => now + value,
    };
    let deadline = (!value.is_zero()).then(start);
    let interval = if value.is_zero() { Duration::ZERO } else { interval };
    timer.arm(&c.home, (&c.kernel.spawner, &c.kernel.timers), deadline, interval);
    if !call.addr(3).is_null() {
        c.memory.copy_out(call.addr(3), &format(old).to_bytes()).await?;
    }
    Ok(0)
}

/// timer_gettime(2).
pub(super) async fn get_time(c: &Caller, call: &Call) -> SysResult {
    let timer = c.home.timers.get(call.int(0))?;
    let setting = timer.setting(now(c, &timer).await?);
    c.memory.copy_out(call.addr(1), &format(setting).to_bytes()).await?;
    Ok(0)
}

/// What a timer's clock reads.
///
/// # Errors
/// `ESRCH` if what it counts has ended.
async fn now(c: &Caller, timer: &PosixTimer) -> Result<Instant, Errno> {
    timer.clock.read(&c.kernel.timers).await.ok_or(Errno::ESRCH)
}

/// timer_getoverrun(2).
pub(super) fn overrun(c: &Caller, call: &Call) -> SysResult {
    Ok(c.home.timers.get(call.int(0))?.overrun(&c.home))
}

/// timer_delete(2).
pub(super) fn delete(c: &Caller, call: &Call) -> SysResult {
    c.home.timers.delete(call.int(0))?;
    Ok(0)
}
