//! setitimer(2) of the timers that count CPU time: they travel with the body that uses it.

use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::time::{ITIMER_PROF, ITIMER_VIRTUAL, Itimerval};

use crate::process::{CpuTimer, Running};
use crate::syscall::interval::Setting;
use crate::syscall::{Call, SysResult};

/// setitimer(2) of ITIMER_VIRTUAL or ITIMER_PROF.
pub(super) async fn setitimer(running: &Running, call: &Call) -> SysResult {
    let memory = running.local_memory();
    let mut setting = Setting::default();
    if !call.addr(1).is_null() {
        let mut bytes = [0; Itimerval::SIZE];
        memory.read(call.addr(1), &mut bytes).await?;
        setting = Setting::parse(&Itimerval::from_bytes(&bytes))?;
    }
    let old = current(running, call.args[0])?;
    if !call.addr(2).is_null() {
        memory.write(call.addr(2), &old.format().to_bytes()).await?;
    }
    let now = reading(running, call.args[0]);
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let expires = (!setting.value.is_zero()).then(|| now.saturating_add(nanos(setting.value)));
    timer(running, call.args[0])?.set(CpuTimer { expires, interval: nanos(setting.interval) });
    Ok(0)
}

/// getitimer(2) of ITIMER_VIRTUAL or ITIMER_PROF.
pub(super) async fn getitimer(running: &Running, call: &Call) -> SysResult {
    let setting = current(running, call.args[0])?;
    running.local_memory().write(call.addr(1), &setting.format().to_bytes()).await?;
    Ok(0)
}

fn current(running: &Running, which: u64) -> Result<Setting, Errno> {
    let CpuTimer { expires, interval } = timer(running, which)?.get();
    let left = |at: u64| at.saturating_sub(reading(running, which)).max(1000);
    Ok(match expires {
        Some(at) => Setting {
            value: Duration::from_nanos(left(at)),
            interval: Duration::from_nanos(interval),
        },
        None => Setting::default(),
    })
}

/// What a timer counts.
fn reading(running: &Running, which: u64) -> u64 {
    let used = running.body.cpu.get();
    if which == ITIMER_VIRTUAL { used.user } else { used.total() }
}

fn timer(running: &Running, which: u64) -> Result<&core::cell::Cell<CpuTimer>, Errno> {
    let timers = &running.body.cpu_timers;
    match which {
        ITIMER_VIRTUAL => Ok(&timers.user),
        ITIMER_PROF => Ok(&timers.profile),
        _ => Err(Errno::EINVAL),
    }
}
