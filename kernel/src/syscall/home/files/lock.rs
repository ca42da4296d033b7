//! Record locks of fcntl(2), and flock(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::fcntl::{
    F_GETLK, F_OFD_GETLK, F_OFD_SETLKW, F_RDLCK, F_SETLK, F_SETLKW, F_UNLCK, F_WRLCK, Flock,
    LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN,
};

use super::names::structure;
use super::wait::file;
use crate::fs::OpenFile;
use crate::fs::locks::{FileKey, Lock, LockKind, LockOwner, LockRange, Locks};
use crate::syscall::{Call, Caller, SysResult};

fn locks(c: &Caller) -> &Locks {
    c.kernel.vfs.open_files().locks()
}

fn key(file: &OpenFile) -> FileKey {
    FileKey::from(&file.metadata())
}

/// The argument of a record lock command: its range, and its kind unless it unlocks.
async fn argument(
    c: &Caller,
    call: &Call,
    file: &OpenFile,
) -> Result<(Flock, LockRange, Option<LockKind>), Errno> {
    let flock = Flock::from_bytes(&structure::<{ Flock::SIZE }>(c, call.addr(2)).await?);
    let base = match flock.whence {
        0 => 0,
        1 => file.offset(),
        2 => file.object().size(),
        _ => return Err(Errno::EINVAL),
    };
    let kind = match flock.kind {
        F_RDLCK => Some(LockKind::Shared),
        F_WRLCK => Some(LockKind::Exclusive),
        F_UNLCK => None,
        _ => return Err(Errno::EINVAL),
    };
    Ok((flock, LockRange::new(base, flock.start, flock.length)?, kind))
}

/// Who would own the lock that a command sets. A lock of an open file description has pid 0 in
/// its argument, so that the field can get a meaning later.
fn owner(c: &Caller, call: &Call, file: &OpenFile, flock: &Flock) -> Result<LockOwner, Errno> {
    match call.args[1] as u32 {
        F_GETLK | F_SETLK | F_SETLKW => Ok(c.home.files.lock_owner()),
        _ if flock.pid != 0 => Err(Errno::EINVAL),
        _ => Ok(file.lock_owner(LockOwner::Description)),
    }
}

/// `F_GETLK` and `F_OFD_GETLK`.
pub(super) async fn get(c: &Caller, call: &Call, file: &OpenFile) -> SysResult {
    debug_assert!(matches!(call.args[1] as u32, F_GETLK | F_OFD_GETLK), "by the caller");
    let (mut flock, range, kind) = argument(c, call, file).await?;
    let owner = owner(c, call, file, &flock)?;
    let kind = kind.ok_or(Errno::EINVAL)?;
    match locks(c).conflict(key(file), &Lock { owner, kind, range, pid: c.home.pid }) {
        None => flock.kind = F_UNLCK,
        Some(held) => {
            flock.kind = if held.kind == LockKind::Shared { F_RDLCK } else { F_WRLCK };
            flock.whence = 0;
            flock.start = held.range.start.cast_signed();
            flock.length = match held.range.last {
                last if last == LockRange::WHOLE.last => 0,
                last => (last - held.range.start + 1).cast_signed(),
            };
            flock.pid = match held.owner {
                LockOwner::Table(_) => held.pid.0,
                _ => -1,
            };
        }
    }
    c.memory.copy_out(call.addr(2), &flock.to_bytes()).await?;
    Ok(0)
}

/// `F_SETLK`, `F_SETLKW` and their like for open file descriptions.
pub(super) async fn set(c: &Caller, call: &Call, file: &OpenFile) -> SysResult {
    let (flock, range, kind) = argument(c, call, file).await?;
    let owner = owner(c, call, file, &flock)?;
    let access = file.flags().access();
    let Some(kind) = kind else {
        locks(c).unlock(key(file), owner, range);
        return Ok(0);
    };
    let permitted = if kind == LockKind::Shared { access.reads() } else { access.writes() };
    if !permitted {
        return Err(Errno::EBADF);
    }
    let waits = matches!(call.args[1] as u32, F_SETLKW | F_OFD_SETLKW);
    acquire(c, file, Lock { owner, kind, range, pid: c.home.pid }, waits).await
}

/// Sets a lock, waiting for others to go if `waits`.
async fn acquire(c: &Caller, file: &OpenFile, lock: Lock, waits: bool) -> SysResult {
    let key = key(file);
    let locks = locks(c);
    let attempt = || match locks.set(key, lock) {
        Err(Errno::EAGAIN) if waits => None,
        outcome => Some(outcome),
    };
    c.interruptible(locks.changes().wait_until(attempt)).await??;
    Ok(0)
}

/// flock(2). Converting a lock gives the old one up first, as Linux does.
pub(super) async fn flock(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    file.require_not_path()?;
    let operation = call.args[1] as u32;
    let owner = file.lock_owner(LockOwner::Flock);
    let kind = match operation & !LOCK_NB {
        LOCK_SH => LockKind::Shared,
        LOCK_EX => LockKind::Exclusive,
        LOCK_UN => {
            locks(c).unlock(key(&file), owner, LockRange::WHOLE);
            return Ok(0);
        }
        _ => return Err(Errno::EINVAL),
    };
    let lock = Lock { owner, kind, range: LockRange::WHOLE, pid: c.home.pid };
    locks(c).unlock(key(&file), owner, LockRange::WHOLE);
    acquire(c, &file, lock, operation & LOCK_NB == 0).await
}
