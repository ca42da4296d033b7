//! futex(2): locks whose word holds the owner's id. Nothing is lent its priority: a node shares its
//! processor evenly. A lock that is let go is taken by whoever comes first.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Tid, UserAddr};
use wayfarer_proto::linux::process::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use wayfarer_proto::time::Instant;

use super::Local;
use super::futex::{MATCH_ANY, first_deadline, key, read_word};
use super::wait::{Waited, wait};
use crate::process::Running;
use crate::syscall::{Call, SysResult};

/// `FUTEX_LOCK_PI` and `FUTEX_LOCK_PI2`.
pub(super) async fn lock(running: &Running, call: &Call, deadline: Option<Instant>) -> Local {
    let deadline = match deadline {
        Some(deadline) => Some(deadline),
        None => match first_deadline(running, call).await {
            Ok(deadline) => deadline,
            Err(errno) => return Err(errno).into(),
        },
    };
    loop {
        let waiting = match begin(running, call).await {
            Ok(Some(waiting)) => waiting,
            Ok(None) => return Ok(0).into(),
            Err(errno) => return Err(errno).into(),
        };
        match wait(running, call, deadline, waiting.woken()).await {
            Waited::Done(()) => {}
            // The lock was let go for this thread: nobody else was woken.
            Waited::TimedOut if waiting.is_woken() => {}
            Waited::TimedOut => return Err(Errno::ETIMEDOUT).into(),
            // No handler ends it: it is made again.
            Waited::Interrupted(actions) => {
                return Local { result: Err(Errno::ERESTARTNOINTR), actions };
            }
        }
    }
}

/// Takes the lock (`None`), or a place in its queue.
async fn begin<'a>(
    running: &'a Running,
    call: &Call,
) -> Result<Option<crate::futex::Waiting<'a>>, Errno> {
    let word = read_word(running, call.addr(0)).await?;
    if take(running, call, word).await? {
        return Ok(None);
    }
    let owner = Tid((word & FUTEX_TID_MASK) as i32);
    let lives = |cell: &alloc::rc::Rc<crate::process::ProcessCell>| {
        cell.body().is_some_and(|body| body.thread(owner).is_some())
    };
    if !running.kernel.processes.cells().iter().any(lives) {
        return Err(Errno::ESRCH);
    }
    write_word(running, call.addr(0), word | FUTEX_WAITERS).await?;
    let key = key(running, call, 0).await?;
    Ok(Some(running.kernel.futexes.enqueue(&running.thread, key, MATCH_ANY)))
}

/// Takes the lock if nobody has it.
///
/// # Errors
/// `EDEADLK` if the caller has it already.
async fn take(running: &Running, call: &Call, word: u32) -> Result<bool, Errno> {
    let own = running.thread.tid.get().0.cast_unsigned();
    match word & FUTEX_TID_MASK {
        0 => {}
        owner if owner == own => return Err(Errno::EDEADLOCK),
        _ => return Ok(false),
    }
    let key = key(running, call, 0).await?;
    let waiters = if running.kernel.futexes.has_waiters(key) { FUTEX_WAITERS } else { 0 };
    write_word(running, call.addr(0), own | waiters | (word & FUTEX_OWNER_DIED)).await?;
    Ok(true)
}

/// `FUTEX_TRYLOCK_PI`.
pub(super) async fn try_lock(running: &Running, call: &Call) -> SysResult {
    let word = read_word(running, call.addr(0)).await?;
    if take(running, call, word).await? { Ok(0) } else { Err(Errno::EAGAIN) }
}

/// `FUTEX_UNLOCK_PI`.
pub(super) async fn unlock(running: &Running, call: &Call) -> SysResult {
    let word = read_word(running, call.addr(0)).await?;
    if word & FUTEX_TID_MASK != running.thread.tid.get().0.cast_unsigned() {
        return Err(Errno::EPERM);
    }
    let key = key(running, call, 0).await?;
    let waiters = if running.kernel.futexes.has_waiters(key) { FUTEX_WAITERS } else { 0 };
    write_word(running, call.addr(0), waiters).await?;
    running.kernel.futexes.wake(key, 1, MATCH_ANY);
    Ok(0)
}

async fn write_word(running: &Running, word: UserAddr, value: u32) -> Result<(), Errno> {
    Ok(running.local_memory().write(word, &value.to_le_bytes()).await?)
}
