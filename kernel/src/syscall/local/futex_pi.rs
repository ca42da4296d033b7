//! futex(2): locks whose word holds the owner's id. Nothing is lent its priority: a node shares its
//! processor evenly. A lock that is let go is taken by whoever comes first, so those who are handed
//! over to a lock from another word just queue for it.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Tid, UserAddr};
use wayfarer_proto::linux::process::{
    FUTEX_LOCK_PI2, FUTEX_OWNER_DIED, FUTEX_PRIVATE_FLAG, FUTEX_TID_MASK, FUTEX_WAITERS,
};
use wayfarer_proto::time::Instant;

use super::Local;
use super::futex::{MATCH_ANY, deadline_of, key, read_word, wait_until};
use super::wait::{Waited, wait};
use crate::futex::Purpose;
use crate::process::Running;
use crate::syscall::{Call, SysResult};

/// `FUTEX_LOCK_PI` and `FUTEX_LOCK_PI2`.
pub(super) async fn lock(running: &Running, call: &Call, deadline: Option<Instant>) -> Local {
    match deadline_of(running, call, deadline).await {
        Ok(deadline) => lock_until(running, call, deadline).await,
        Err(errno) => Err(errno).into(),
    }
}

async fn lock_until(running: &Running, call: &Call, deadline: Option<Instant>) -> Local {
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
            Waited::Interrupted(actions) => {
                // No handler ends it: it is made again, unless the program's call was another.
                let made = Call::from_registers(&running.thread.context.borrow().registers);
                let again = made == Ok(*call);
                let errno = if again { Errno::ERESTARTNOINTR } else { Errno::EAGAIN };
                return Local { result: Err(errno), actions };
            }
        }
    }
}

/// `FUTEX_WAIT_REQUEUE_PI`: waits on the first word, then takes the lock that is the second.
pub(super) async fn wait_then_lock(
    running: &Running,
    call: &Call,
    deadline: Option<Instant>,
) -> Local {
    if call.addr(0) == call.addr(4) {
        return Err(Errno::EINVAL).into();
    }
    let deadline = match deadline_of(running, call, deadline).await {
        Ok(deadline) => deadline,
        Err(errno) => return Err(errno).into(),
    };
    let purpose = match key(running, call, 4).await {
        Ok(lock) => Purpose::Handover(lock),
        Err(errno) => return Err(errno).into(),
    };
    let waited = wait_until(running, call, MATCH_ANY, purpose, deadline).await;
    let Local { result, actions } = waited;
    let result = match result {
        // It has been handed over; from here to wherever it moves it is a wait for the lock.
        Ok(_) if actions.is_empty() => {
            let mut lock = *call;
            lock.args[0] = call.args[4];
            lock.args[1] = FUTEX_LOCK_PI2 | (call.args[1] & FUTEX_PRIVATE_FLAG);
            return lock_until(running, &lock, deadline).await;
        }
        Ok(_) => Err(Errno::EAGAIN),
        Err(Errno::EINTR | Errno::ERESTARTSYS) => Err(Errno::ERESTARTNOINTR),
        Err(errno) => Err(errno),
    };
    Local { result, actions }
}

/// `FUTEX_CMP_REQUEUE_PI`: hands those who wait on the first word over to the lock.
pub(super) async fn requeue(running: &Running, call: &Call) -> SysResult {
    let more = usize::try_from(call.int(3)).map_err(|_| Errno::EINVAL)?;
    if call.addr(0) == call.addr(4) || call.int(2) != 1 {
        return Err(Errno::EINVAL);
    }
    let (from, lock) = (key(running, call, 0).await?, key(running, call, 4).await?);
    read_word(running, call.addr(4)).await?;
    if read_word(running, call.addr(0)).await? != call.args[5] as u32 {
        return Err(Errno::EAGAIN);
    }
    let (futexes, count) = (&running.kernel.futexes, more.saturating_add(1));
    Ok(futexes.wake(from, count, MATCH_ANY, Purpose::Handover(lock))? as u64)
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
    contend(running, call, word).await?;
    let key = key(running, call, 0).await?;
    Ok(Some(running.kernel.futexes.enqueue(&running.thread, key, MATCH_ANY, Purpose::Lock)))
}

/// Notes in the word that somebody else wants the lock.
///
/// # Errors
/// `ESRCH` if its owner does not live, `EINVAL` if the word is waited on as if it were no lock.
async fn contend(running: &Running, call: &Call, word: u32) -> Result<(), Errno> {
    let key = key(running, call, 0).await?;
    running.kernel.futexes.require(key, Purpose::Lock)?;
    write_word(running, call.addr(0), word | FUTEX_WAITERS).await?;
    let owner = Tid((word & FUTEX_TID_MASK) as i32);
    let lives = |cell: &alloc::rc::Rc<crate::process::ProcessCell>| {
        cell.body().is_some_and(|body| body.thread(owner).is_some())
    };
    match running.kernel.processes.cells().iter().any(lives) {
        true => Ok(()),
        false => Err(Errno::ESRCH),
    }
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
    if take(running, call, word).await? {
        return Ok(0);
    }
    contend(running, call, word).await?;
    Err(Errno::EAGAIN)
}

/// `FUTEX_UNLOCK_PI`.
pub(super) async fn unlock(running: &Running, call: &Call) -> SysResult {
    let word = read_word(running, call.addr(0)).await?;
    if word & FUTEX_TID_MASK != running.thread.tid.get().0.cast_unsigned() {
        return Err(Errno::EPERM);
    }
    let key = key(running, call, 0).await?;
    let futexes = &running.kernel.futexes;
    futexes.require(key, Purpose::Lock)?;
    let waiters = if futexes.has_waiters(key) { FUTEX_WAITERS } else { 0 };
    write_word(running, call.addr(0), waiters).await?;
    futexes.wake_any(key, 1, MATCH_ANY);
    Ok(0)
}

async fn write_word(running: &Running, word: UserAddr, value: u32) -> Result<(), Errno> {
    Ok(running.local_memory().write(word, &value.to_le_bytes()).await?)
}
