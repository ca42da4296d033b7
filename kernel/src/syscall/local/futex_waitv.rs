//! futex_waitv(2): waiting on several words at once.

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::process::{
    FUTEX_PRIVATE_FLAG, FUTEX_WAITV_MAX, FUTEX2_SIZE_U32, FutexWaitv,
};
use wayfarer_proto::linux::time::{CLOCK_MONOTONIC, CLOCK_REALTIME};
use wayfarer_proto::time::Instant;

use super::Local;
use super::futex::{MATCH_ANY, read_word, word_key};
use super::time::{read_clock, read_span};
use super::wait::{Waited, wait};
use crate::futex::{Purpose, Waiting};
use crate::process::Running;
use crate::syscall::Call;

/// futex_waitv(2): gives the index of a word that was woken.
pub(super) async fn futex_waitv(
    running: &Running,
    call: &Call,
    deadline: Option<Instant>,
) -> Local {
    match begin(running, call, deadline).await {
        Ok((places, deadline)) => finish(running, call, &places, deadline).await,
        Err(errno) => Err(errno).into(),
    }
}

/// A place in the queue of each word, and when to give up.
type Begun<'a> = (Vec<Waiting<'a>>, Option<Instant>);

async fn begin<'a>(
    running: &'a Running,
    call: &Call,
    deadline: Option<Instant>,
) -> Result<Begun<'a>, Errno> {
    let count = call.args[1] as u32;
    let counts = (1..=FUTEX_WAITV_MAX).contains(&count);
    if call.args[2] as u32 != 0 || !counts || call.addr(0).is_null() {
        return Err(Errno::EINVAL);
    }
    let deadline = match deadline {
        None => first_deadline(running, call).await?,
        known => known,
    };
    let words = read_words(running, call.addr(0), count as usize).await?;
    let mut keys = Vec::with_capacity(words.len());
    for word in &words {
        let private = u64::from(word.flags) & FUTEX_PRIVATE_FLAG != 0;
        keys.push(word_key(running, UserAddr(word.address), private).await?);
    }
    let mut places = Vec::with_capacity(words.len());
    for (word, key) in words.iter().zip(keys) {
        let holds = read_word(running, UserAddr(word.address)).await?;
        // While a word is read, a wake for one before it may come.
        if places.iter().any(Waiting::is_woken) {
            break;
        }
        if u64::from(holds) != word.value {
            return Err(Errno::EAGAIN);
        }
        places.push(running.kernel.futexes.enqueue(&running.thread, key, MATCH_ANY, Purpose::Wake));
    }
    Ok((places, deadline))
}

async fn finish(
    running: &Running,
    call: &Call,
    places: &[Waiting<'_>],
    deadline: Option<Instant>,
) -> Local {
    let woken = || places.iter().rposition(Waiting::is_woken);
    let waited = wait(running, call, deadline, running.thread.woken.wait_until(woken)).await;
    // A wake that was given is not lost because something else came as well.
    let index = woken().map(|index| index as u64);
    match waited {
        Waited::Done(index) => Ok(index as u64).into(),
        Waited::TimedOut => index.ok_or(Errno::ETIMEDOUT).into(),
        Waited::Interrupted(actions) => Local { result: index.ok_or(Errno::ERESTARTSYS), actions },
    }
}

/// The deadline: absolute, by the clock that the call names.
async fn first_deadline(running: &Running, call: &Call) -> Result<Option<Instant>, Errno> {
    if call.addr(3).is_null() {
        return Ok(None);
    }
    let clock = call.int(4);
    if clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    let span = read_span(running, call, 3).await?;
    Ok(Some(running.kernel.now() + span.saturating_sub(read_clock(running, clock)?)))
}

/// The words to wait on, and what they shall hold.
async fn read_words(
    running: &Running,
    from: UserAddr,
    count: usize,
) -> Result<Vec<FutexWaitv>, Errno> {
    let mut bytes = alloc::vec![0; count * FutexWaitv::SIZE];
    running.local_memory().read(from, &mut bytes).await?;
    let words: Vec<_> = bytes.chunks_exact(FutexWaitv::SIZE).map(FutexWaitv::from_bytes).collect();
    let is_known = |word: &FutexWaitv| {
        let size = u64::from(word.flags) & !FUTEX_PRIVATE_FLAG;
        size == FUTEX2_SIZE_U32 && word.reserved == 0 && u32::try_from(word.value).is_ok()
    };
    if words.iter().all(is_known) { Ok(words) } else { Err(Errno::EINVAL) }
}
