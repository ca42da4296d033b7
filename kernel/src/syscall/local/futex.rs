//! futex(2): waiting on a word of memory.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::process::{
    FUTEX_CLOCK_REALTIME, FUTEX_CMP_REQUEUE, FUTEX_CMP_REQUEUE_PI, FUTEX_LOCK_PI, FUTEX_LOCK_PI2,
    FUTEX_PRIVATE_FLAG, FUTEX_REQUEUE, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI, FUTEX_WAIT,
    FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
};
use wayfarer_proto::linux::time::{CLOCK_MONOTONIC, CLOCK_REALTIME};
use wayfarer_proto::time::Instant;

use super::Local;
use super::futex_pi;
use super::time::{read_clock, read_span};
use super::wait::{Waited, wait};
use crate::futex::Purpose;
use crate::memory::FutexKey;
use crate::process::Running;
use crate::syscall::{Call, SysResult};

/// Any waiter: the bit set of the plain operations.
pub(super) const MATCH_ANY: u32 = u32::MAX;

/// futex(2).
pub(super) async fn futex(running: &Running, call: &Call, deadline: Option<Instant>) -> Local {
    let bitset = call.args[5] as u32;
    let clocked =
        matches!(operation(call), FUTEX_WAIT_BITSET | FUTEX_WAIT_REQUEUE_PI | FUTEX_LOCK_PI2);
    let result = match operation(call) {
        _ if call.args[1] & FUTEX_CLOCK_REALTIME != 0 && !clocked => Err(Errno::ENOSYS),
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
        FUTEX_WAIT_REQUEUE_PI => return futex_pi::wait_then_lock(running, call, deadline).await,
        FUTEX_CMP_REQUEUE_PI => futex_pi::requeue(running, call).await,
        FUTEX_WAIT_BITSET | FUTEX_WAKE_BITSET => Err(Errno::EINVAL),
        _ => Err(Errno::ENOSYS),
    };
    result.into()
}

/// What futex(2) shall do.
fn operation(call: &Call) -> u64 {
    call.args[1] & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)
}

/// The key of the word whose address is argument `index`.
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub(super) async fn key(running: &Running, call: &Call, index: usize) -> Result<FutexKey, Errno> {
    word_key(running, call.addr(index), call.args[1] & FUTEX_PRIVATE_FLAG != 0).await
}

/// The key of a word, which is `private` if the program says so.
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub(super) async fn word_key(
    running: &Running,
    word: UserAddr,
    private: bool,
) -> Result<FutexKey, Errno> {
    if !word.0.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
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
    Ok(running.kernel.futexes.wake(key, count, bitset, Purpose::Wake)? as u64)
}

/// Clears the word of an ended thread and wakes who joins it (set_tid_address(2)).
pub async fn wake_word(running: &Running, word: UserAddr) {
    if !word.is_null() && running.local_memory().write(word, &[0; 4]).await.is_ok() {
        let key = running.body.memory().space.borrow().futex_key(word, false);
        if let Ok(key) = key {
            running.kernel.futexes.wake_any(key, 1, MATCH_ANY);
        }
    }
}

pub(super) async fn read_word(running: &Running, word: UserAddr) -> Result<u32, Errno> {
    let mut bytes = [0; 4];
    running.local_memory().read(word, &mut bytes).await?;
    Ok(u32::from_le_bytes(bytes))
}

async fn requeue(running: &Running, call: &Call, expected: Option<u32>) -> SysResult {
    let count = |index: usize| usize::try_from(call.int(index)).map_err(|_| Errno::EINVAL);
    let (wakes, moves) = (count(2)?, count(3)?);
    let futexes = &running.kernel.futexes;
    let (from, to) = (key(running, call, 0).await?, key(running, call, 4).await?);
    if let Some(expected) = expected
        && read_word(running, call.addr(0)).await? != expected
    {
        return Err(Errno::EAGAIN);
    }
    let woken = match wakes {
        0 => 0,
        count => futexes.wake(from, count, MATCH_ANY, Purpose::Wake)?,
    };
    // Both operations count both, whatever futex(2) says.
    Ok((woken + futexes.requeue(from, to, moves)?) as u64)
}

/// `FUTEX_WAKE_OP`: changes the second word, wakes the first, and the second if its old value
/// compares as the encoded operation says.
async fn wake_op(running: &Running, call: &Call) -> SysResult {
    let encoded = call.args[5] as u32;
    key(running, call, 0).await?;
    let old = read_word(running, call.addr(4)).await?;
    let mut operand = ((encoded << 8) as i32 >> 20) as u32;
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
    match deadline_of(running, call, deadline).await {
        Ok(deadline) => wait_until(running, call, bitset, Purpose::Wake, deadline).await,
        Err(errno) => Err(errno).into(),
    }
}

/// Waits on the first word while it holds the expected value.
pub(super) async fn wait_until(
    running: &Running,
    call: &Call,
    bitset: u32,
    purpose: Purpose,
    deadline: Option<Instant>,
) -> Local {
    let key = match (key(running, call, 0).await, read_word(running, call.addr(0)).await) {
        (Ok(key), Ok(value)) if value == call.args[2] as u32 => key,
        (Ok(_), Ok(_)) => return Err(Errno::EAGAIN).into(),
        (Err(errno), _) | (_, Err(errno)) => return Err(errno).into(),
    };
    let waiting = running.kernel.futexes.enqueue(&running.thread, key, bitset, purpose);
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

/// The deadline of a wait: that of one which goes on, else relative for `FUTEX_WAIT`, absolute for
/// the others.
pub(super) async fn deadline_of(
    running: &Running,
    call: &Call,
    known: Option<Instant>,
) -> Result<Option<Instant>, Errno> {
    if known.is_some() || call.addr(3).is_null() {
        return Ok(known);
    }
    let span = read_span(running, call, 3).await?;
    if operation(call) == FUTEX_WAIT {
        return Ok(Some(running.kernel.now() + span));
    }
    let realtime = call.args[1] & FUTEX_CLOCK_REALTIME != 0 || operation(call) == FUTEX_LOCK_PI;
    let clock = if realtime { CLOCK_REALTIME } else { CLOCK_MONOTONIC };
    Ok(Some(running.kernel.now() + span.saturating_sub(read_clock(running, clock)?)))
}
