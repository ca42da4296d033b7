//! The names of CPU clocks (clock_getcpuclockid(3), pthread_getcpuclockid(3)), and their readings.

use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Pid, Tid};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::time::{
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCKFD, CPUCLOCK_KIND, CPUCLOCK_THREAD,
    CPUCLOCK_VIRT, Timespec,
};

use crate::process::CpuClock;
use crate::syscall::{Call, Caller, SysResult};

/// The clock with this name. Threads are those of the caller only.
///
/// # Errors
/// `EINVAL` if there is none.
pub(super) fn named(c: &Caller, clock: i32) -> Result<CpuClock, Errno> {
    let own = c.thread.tid;
    match clock {
        CLOCK_PROCESS_CPUTIME_ID => return Ok(CpuClock::new(&c.home, None, false)),
        CLOCK_THREAD_CPUTIME_ID => return Ok(CpuClock::new(&c.home, Some(own), false)),
        0.. => return Err(Errno::EINVAL),
        _ if clock & CPUCLOCK_KIND == CLOCKFD => return Err(Errno::EINVAL),
        _ => {}
    }
    let (id, user_only) = (!(clock >> 3), clock & CPUCLOCK_KIND == CPUCLOCK_VIRT);
    if clock & CPUCLOCK_THREAD != 0 {
        let tid = if id == 0 { own } else { Tid(id) };
        c.home.thread(tid).ok_or(Errno::EINVAL)?;
        return Ok(CpuClock::new(&c.home, Some(tid), user_only));
    }
    let of = match id {
        0 => None,
        pid => Some(c.kernel.processes.home(Pid(pid)).ok_or(Errno::EINVAL)?),
    };
    Ok(CpuClock::new(of.as_ref().unwrap_or(&c.home), None, user_only))
}

/// clock_gettime(2) of a CPU clock that is named by an id.
pub(super) async fn get_time(c: &Caller, call: &Call) -> SysResult {
    let now = named(c, call.int(0))?.read().await.ok_or(Errno::EINVAL)?;
    let time = Timespec::from_duration(Duration::from_nanos(now.0));
    c.memory.copy_out(call.addr(1), &time.to_bytes()).await?;
    Ok(0)
}

/// clock_getres(2) of such a clock.
pub(super) async fn get_resolution(c: &Caller, call: &Call) -> SysResult {
    named(c, call.int(0))?;
    if !call.addr(1).is_null() {
        let resolution = Timespec { seconds: 0, nanoseconds: 1 };
        c.memory.copy_out(call.addr(1), &resolution.to_bytes()).await?;
    }
    Ok(0)
}
