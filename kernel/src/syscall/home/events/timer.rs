//! timerfd_create(2), timerfd_settime(2), timerfd_gettime(2).

use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::event::{Itimerspec, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET};
use wayfarer_proto::linux::time::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, Timespec};
use wayfarer_proto::time::Instant;

use super::super::files::names::structure;
use super::super::files::wait::file;
use crate::event::{Setting, TimerBase, TimerFd};
use crate::syscall::{Call, Caller, SysResult};

/// timerfd_create(2).
pub(super) fn create(c: &Caller, call: &Call) -> SysResult {
    let base = match call.int(0) {
        CLOCK_REALTIME => TimerBase::Wall,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => TimerBase::Boot,
        _ => return Err(Errno::EINVAL),
    };
    let flags = super::open_flags(call.args[1], 0)?;
    let timer = TimerFd::new(base, c.kernel.spawner.clone(), c.kernel.timers.clone());
    super::install(c, "timerfd", timer, flags)
}

/// timerfd_settime(2).
pub(super) async fn set_time(c: &Caller, call: &Call) -> SysResult {
    let flags = call.args[1] as u32;
    let bytes = structure::<{ Itimerspec::SIZE }>(c, call.addr(2)).await?;
    let Setting { value, interval } = parse(&Itimerspec::from_bytes(&bytes))?;
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = file(c, call.int(0))?;
    let timer = TimerFd::of(&**file.object()).ok_or(Errno::EINVAL)?;
    let now = c.kernel.now();
    let old = timer.setting(now);
    let start = start(c, timer.base(), flags & TFD_TIMER_ABSTIME != 0, value);
    timer.arm(Some(start).filter(|_| !value.is_zero()), interval, now);
    if !call.addr(3).is_null() {
        c.memory.copy_out(call.addr(3), &format(old).to_bytes()).await?;
    }
    Ok(0)
}

/// timerfd_gettime(2).
pub(super) async fn get_time(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    let timer = TimerFd::of(&**file.object()).ok_or(Errno::EINVAL)?;
    let setting = timer.setting(c.kernel.now());
    c.memory.copy_out(call.addr(1), &format(setting).to_bytes()).await?;
    Ok(0)
}

/// When a timer expires that was set to `value`, in the time since the node's boot.
pub(in crate::syscall::home) fn start(
    c: &Caller,
    base: TimerBase,
    absolute: bool,
    value: Duration,
) -> Instant {
    match base {
        _ if !absolute => c.kernel.now() + value,
        TimerBase::Boot => Instant(0) + value,
        TimerBase::Wall => Instant(0) + value.saturating_sub(c.kernel.epoch()),
    }
}

/// # Errors
/// `EINVAL` for spans that are none.
pub(in crate::syscall::home) fn parse(value: &Itimerspec) -> Result<Setting, Errno> {
    let span = |seconds, nanoseconds| Timespec { seconds, nanoseconds }.to_duration();
    Ok(Setting {
        value: span(value.value_seconds, value.value_nanos)?,
        interval: span(value.interval_seconds, value.interval_nanos)?,
    })
}

pub(in crate::syscall::home) fn format(setting: Setting) -> Itimerspec {
    let split = |span: Duration| Timespec::from_duration(span);
    let (value, interval) = (split(setting.value), split(setting.interval));
    Itimerspec {
        interval_seconds: interval.seconds,
        interval_nanos: interval.nanoseconds,
        value_seconds: value.seconds,
        value_nanos: value.nanoseconds,
    }
}
