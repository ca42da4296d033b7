//! Clocks and sleep: local wherever the body is; the realtime clock is home's, carried along.

use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::process::Rusage;
use wayfarer_proto::linux::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID,
    TIMER_ABSTIME, Timespec, Timeval,
};
use wayfarer_proto::message::CpuTime;
use wayfarer_proto::time::Instant;

use super::Local;
use super::wait::{Waited, wait};
use crate::process::Running;
use crate::syscall::{Call, SysResult};

/// Ticks per second of times(2) (`sysconf(_SC_CLK_TCK)`).
const TICKS: u64 = 100;

/// The reading of `clock`, since that clock's zero.
pub(super) fn read_clock(running: &Running, clock: i32) -> Result<Duration, Errno> {
    let monotonic = Duration::from_nanos(running.monotonic());
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Ok(monotonic + running.realtime_offset()),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            Ok(monotonic)
        }
        CLOCK_PROCESS_CPUTIME_ID => Ok(Duration::from_nanos(running.body.cpu.get().total())),
        CLOCK_THREAD_CPUTIME_ID => Ok(Duration::from_nanos(running.thread.cpu.get().total())),
        _ => Err(Errno::EINVAL),
    }
}

/// clock_gettime(2), unless the time has to be written to memory that is not there yet, or is that
/// of the processor, of which the latest is yet to be charged.
pub(super) fn clock_gettime_at_once(running: &Running, call: &Call) -> Option<SysResult> {
    if matches!(call.int(0), CLOCK_PROCESS_CPUTIME_ID | CLOCK_THREAD_CPUTIME_ID) {
        return None;
    }
    let time = Timespec::from_duration(read_clock(running, call.int(0)).ok()?);
    let memory = running.body.memory();
    let written = memory.space.borrow_mut().write(call.addr(1), &time.to_bytes());
    written.is_complete().then_some(Ok(0))
}

/// clock_gettime(2).
pub(super) async fn clock_gettime(running: &Running, call: &Call) -> SysResult {
    let time = Timespec::from_duration(read_clock(running, call.int(0))?);
    running.local_memory().write(call.addr(1), &time.to_bytes()).await?;
    Ok(0)
}

/// clock_getres(2): one nanosecond, for every clock there is.
pub(super) async fn clock_getres(running: &Running, call: &Call) -> SysResult {
    read_clock(running, call.int(0))?;
    if !call.addr(1).is_null() {
        let resolution = Timespec { seconds: 0, nanoseconds: 1 };
        running.local_memory().write(call.addr(1), &resolution.to_bytes()).await?;
    }
    Ok(0)
}

/// gettimeofday(2).
pub(super) async fn gettimeofday(running: &Running, call: &Call) -> SysResult {
    let memory = running.local_memory();
    if !call.addr(0).is_null() {
        let time = Timeval::from_duration(read_clock(running, CLOCK_REALTIME)?);
        memory.write(call.addr(0), &time.to_bytes()).await?;
    }
    if !call.addr(1).is_null() {
        memory.write(call.addr(1), &[0; 8]).await?;
    }
    Ok(0)
}

/// time(2).
pub(super) async fn time(running: &Running, call: &Call) -> SysResult {
    let seconds = read_clock(running, CLOCK_REALTIME)?.as_secs();
    if !call.addr(0).is_null() {
        running.local_memory().write(call.addr(0), &seconds.to_le_bytes()).await?;
    }
    Ok(seconds)
}

/// times(2): CPU time of the process; what children used is known at home only and reads as zero.
pub(super) async fn times(running: &Running, call: &Call) -> SysResult {
    let tick = 1_000_000_000 / TICKS;
    if !call.addr(0).is_null() {
        let mut buffer = [0; 32];
        let CpuTime { user, system } = running.body.cpu.get();
        buffer[..8].copy_from_slice(&(user / tick).to_le_bytes());
        buffer[8..16].copy_from_slice(&(system / tick).to_le_bytes());
        running.local_memory().write(call.addr(0), &buffer).await?;
    }
    Ok(running.monotonic() / tick)
}

/// getrusage(2).
pub(super) async fn getrusage(running: &Running, call: &Call) -> SysResult {
    const RUSAGE_CHILDREN: i32 = -1;
    const RUSAGE_SELF: i32 = 0;
    const RUSAGE_THREAD: i32 = 1;
    let cpu = match call.int(0) {
        RUSAGE_CHILDREN => {
            running.process.home().map_or_else(CpuTime::default, |home| home.children_cpu.get())
        }
        RUSAGE_SELF => running.body.cpu.get(),
        RUSAGE_THREAD => running.thread.cpu.get(),
        _ => return Err(Errno::EINVAL),
    };
    running.local_memory().write(call.addr(1), &rusage(cpu).to_bytes()).await?;
    Ok(0)
}

/// A `struct rusage` with this much CPU time.
pub fn rusage(cpu: CpuTime) -> Rusage {
    let span = |nanos| Timeval::from_duration(Duration::from_nanos(nanos));
    let (user, system) = (span(cpu.user), span(cpu.system));
    Rusage {
        user_seconds: user.seconds,
        user_micros: user.microseconds,
        system_seconds: system.seconds,
        system_micros: system.microseconds,
        max_resident_kib: 0,
        reserved1: [0; 24],
        minor_faults: 0,
        major_faults: 0,
        reserved2: [0; 56],
    }
}

/// nanosleep(2).
pub(super) async fn nanosleep(running: &Running, call: &Call, deadline: Option<Instant>) -> Local {
    let deadline = match deadline {
        Some(deadline) => deadline,
        None => match read_span(running, call, 0).await {
            Ok(span) => running.kernel.now() + span,
            Err(errno) => return Err(errno).into(),
        },
    };
    sleep(running, call, deadline, Some(1)).await
}

/// clock_nanosleep(2).
pub(super) async fn clock_nanosleep(
    running: &Running,
    call: &Call,
    deadline: Option<Instant>,
) -> Local {
    let absolute = call.args[1] & TIMER_ABSTIME != 0;
    let deadline = match deadline {
        Some(deadline) => deadline,
        None => match first_deadline(running, call, absolute).await {
            Ok(deadline) => deadline,
            Err(errno) => return Err(errno).into(),
        },
    };
    sleep(running, call, deadline, (!absolute).then_some(3)).await
}

async fn first_deadline(running: &Running, call: &Call, absolute: bool) -> Result<Instant, Errno> {
    let span = read_span(running, call, 2).await?;
    let reading = read_clock(running, call.int(0))?;
    let wait = if absolute { span.saturating_sub(reading) } else { span };
    Ok(running.kernel.now() + wait)
}

/// The span at the address in argument `index`.
///
/// # Errors
/// `EINVAL` if it is none; `EFAULT`.
pub(super) async fn read_span(
    running: &Running,
    call: &Call,
    index: usize,
) -> Result<Duration, Errno> {
    let mut bytes = [0; Timespec::SIZE];
    running.local_memory().read(call.addr(index), &mut bytes).await?;
    Timespec::from_bytes(&bytes).to_duration()
}

/// Sleeps; `remaining` is the argument that takes the time left when a handler ends the sleep.
async fn sleep(
    running: &Running,
    call: &Call,
    deadline: Instant,
    remaining: Option<usize>,
) -> Local {
    let forever = core::future::pending::<()>();
    match wait(running, call, Some(deadline), forever).await {
        Waited::Done(()) | Waited::TimedOut => Ok(0).into(),
        Waited::Interrupted(actions) => {
            let left = Timespec::from_duration(deadline.since(running.kernel.now()));
            let mut result = Err(Errno::EINTR);
            if let Some(index) = remaining.filter(|index| !call.addr(*index).is_null()) {
                let memory = running.local_memory();
                if let Err(fault) = memory.write(call.addr(index), &left.to_bytes()).await {
                    result = Err(fault.into());
                }
            }
            Local { result, actions }
        }
    }
}
