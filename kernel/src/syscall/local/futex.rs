//! futex(2): waiting on a word of memory.

use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::process::{
    FUTEX_CLOCK_REALTIME, FUTEX_CMP_REQUEUE, FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE,
    FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
};
use wayfarer_proto::linux::time::Timespec;
use wayfarer_proto::time::Instant;

use super::Local;
use super::futex_pi;
use super::wait::{Waited, wait};
use crate::memory::FutexKey;
use crate::process::Running;
use crate::syscall::{Call, SysResult};

/// Any waiter: the bit set of the plain operations.
pub(super) const MATCH_ANY: u32 = u32::MAX;

/// futex(2).
pub(super) async fn futex(running: &Running, call: &Call, deadline: Option<Instant>) -> Local {
    let operation = call.args[1] & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    let bitset = call.args[5] as u32;
    let word = call.addr(0);
    if !word.0.is_multiple_of(4) {
        return Err(Errno::EINVAL).into();
    }
    let result = match operation {
        FUTEX_WAIT => return wait_on(running, call, MATCH_ANY, deadline).await,
        FUTEX_WAIT_BITSET if bitset != 0 => return wait_on(running, call, bitset, deadline).await,
        FUTEX_WAKE => wake(running, call, 0, call.int(2), MATCH_ANY).await,
        FUTEX_WAKE_BITSET if bitset != 0 => wake(running, call, 0, call.int(2), bitset).await,
        FUTEX_REQUEUE => requeue(running, call, None).await,
        FUTEX_CMP_REQUEUE => requeue(running, call, Some(call.args[5] as u32)).await,
        FUTEX_WAKE_OP => wake_op(running, call).await,
        FUTEX_LOCK_PI | FUTEX_LOCK_PI2 => return futex_pi::lock(running, call, deadline).await,
        FUTEX_TRYLOCK_PI => futex_pi::try_lock(running, call).await,
        FUTEX_UNLOCK_PI => futex_pi::unlock(running, call).await,
        FUTEX_WAIT_BITSET | FUTEX_WAKE_BITSET => Err(Errno::EINVAL),
        _ => Err(Errno::ENOSYS),
    };
    result.into()
}

/// The key of the word whose address is argument `index`.
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub(super) async fn key(running: &Running, call: &Call, index: usize) -> Result<FutexKey, Errno> {
    let (word, private) = (call.addr(index), call.args[1] & FUTEX_PRIVATE_FLAG != 0);
    if !private {
        // The page behind a shared word names it, so it must be there.
        read_word(running, word).await?;
    }
    running.body.memory().space.borrow().futex_key(word, private)
}

/// Wakes waiters on the word whose address is argument `index`.
async fn wake(running: &Running, call: &Call, index: usize, count: i32, bitset: u32) -> SysResult {
    let count = usize::try_from(count).unwrap_or(0).max(1);
    let key = key(running, call, index).await?;
    Ok(running.kernel.futexes.wake(key, count, bitset) as u64)
}

/// Clears the word of an ended thread and wakes who joins it (set_tid_address(2)).
pub async fn wake_word(running: &Running, word: UserAddr) {
    if !word.is_null() && running.local_memory().write(word, &[0; 4]).await.is_ok() {
        let key = running.body.memory().space.borrow().futex_key(word, false);
        if let Ok(key) = key {
            running.kernel.futexes.wake(key, 1, MATCH_ANY);
        }
    }
}

pub(super) async fn read_word(running: &Running, word: UserAddr) -> Result<u32, Errno> {
    let mut bytes = [0; 4];
    running.local_memory().read(word, &mut bytes).await?;
    Ok(u32::from_le_bytes(bytes))
}

async fn requeue(running: &Running, call: &Call, expected: Option<u32>) -> SysResult {
    if let Some(expected) = expected
        && read_word(running, call.addr(0)).await? != expected
    {
        return Err(Errno::EAGAIN);
    }
    let futexes = &running.kernel.futexes;
    let (from, to) = (key(running, call, 0).await?, key(running, call, 4).await?);
    let count = |index: usize| usize::try_from(call.int(index)).map_err(|_| Errno::EINVAL);
    let woken = match count(2)? {
        0 => 0,
        count => futexes.wake(from, count, MATCH_ANY),
    };
    let moved = futexes.requeue(from, to, count(3)?);
    Ok(if expected.is_some() { (woken + moved) as u64 } else { woken as u64 })
}

/// `FUTEX_WAKE_OP`: changes the second word, wakes the first, and the second if its old value
/// compares as the encoded operation says.
async fn wake_op(running: &Running, call: &Call) -> SysResult {
    let encoded = call.args[5] as u32;
    let old = read_word(running, call.addr(4)).await?;
    let mut operand = encoded << 8 >> 20;
    if encoded >> 28 & 8 != 0 {
        operand = 1u32.wrapping_shl(operand);
    }
    let new = match encoded >> 28 & 7 {
        0 => operand,
        1 => old.wrapping_add(operand),
        2 => old | operand,
        3 => old & !operand,
        4 => old ^ operand,
        _ => return Err(Errno::ENOSYS),
    };
    running.local_memory().write(call.addr(4), &new.to_le_bytes()).await?;
    let compared = (encoded << 20 >> 20) as i32;
    let old = old as i32;
    let holds = match encoded >> 24 & 15 {
        0 => old == compared,
        1 => old != compared,
        2 => old < compared,
        3 => old <= compared,
        4 => old > compared,
        5 => old >= compared,
        _ => return Err(Errno::ENOSYS),
    };
    let woken = wake(running, call, 0, call.int(2), MATCH_ANY).await?;
    match holds {
        true => Ok(woken + wake(running, call, 4, call.int(3), MATCH_ANY).await?),
        false => Ok(woken),
    }
}

async fn wait_on(running: &Running, call: &Call, bitset: u32, deadline: Option<Instant>) -> Local {
    let deadline = match deadline {
        Some(deadline) => Some(deadline),
        None => match first_deadline(running, call).await {
            Ok(deadline) => deadline,
            Err(errno) => return Err(errno).into(),
        },
    };
    let key = match (key(running, call, 0).await, read_word(running, call.addr(0)).await) {
        (Ok(key), Ok(value)) if value == call.args[2] as u32 => key,
        (Ok(_), Ok(_)) => return Err(Errno::EAGAIN).into(),
        (Err(errno), _) | (_, Err(errno)) => return Err(errno).into(),
    };
    let waiting = running.kernel.futexes.enqueue(&running.thread, key, bitset);
    match wait(running, call, deadline, waiting.woken()).await {
        Waited::Done(()) => Ok(0).into(),
        // A wake that was given is not lost because something else came as well.
        Waited::TimedOut if waiting.is_woken() => Ok(0).into(),
        Waited::Interrupted(actions) if waiting.is_woken() => Local { result: Ok(0), actions },
        Waited::TimedOut => Err(Errno::ETIMEDOUT).into(),
        Waited::Interrupted(actions) => {
            // With a timeout Linux restarts only if no handler runs, and one does (signal(7)).
            let errno = if deadline.is_some() { Errno::EINTR } else { Errno::ERESTARTSYS };
            Local { result: Err(errno), actions }
        }
    }
}

/// The deadline of a wait: relative for `FUTEX_WAIT`, absolute for the others.
pub(super) async fn first_deadline(
    running: &Running,
    call: &Call,
) -> Result<Option<Instant>, Errno> {
    if call.addr(3).is_null() {
        return Ok(None);
    }
    let mut bytes = [0; Timespec::SIZE];
    running.local_memory().read(call.addr(3), &mut bytes).await?;
    let span = Timespec::from_bytes(&bytes).to_duration()?;
    let operation = call.args[1] & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    if operation == FUTEX_WAIT {
        return Ok(Some(running.kernel.now() + span));
    }
    let mut reading = Duration::from_nanos(running.monotonic());
    if call.args[1] & FUTEX_CLOCK_REALTIME != 0 || operation == FUTEX_LOCK_PI {
        reading += running.realtime_offset();
    }
    Ok(Some(running.kernel.now() + span.saturating_sub(reading)))
}
