//! semget(2), semop(2), semtimedop(2), semctl(2).

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::ipc::{
    GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, IPC_RMID, IPC_SET, IPC_STAT, SEMMSL, SEMOPM, SETALL,
    SETVAL, Sembuf, SemidDs,
};
use wayfarer_proto::linux::time::Timespec;
use wayfarer_proto::table::Sysno;

use super::super::files::names::{array, structure};
use super::{
    READ, WRITE, key, not_restarted, permission, read_set, require, require_flags, require_owner,
    seconds, tell,
};
use crate::ipc::{Operation, SemaphoreSet};
use crate::kernel::Kernel;
use crate::process::Home;
use crate::syscall::{Call, Caller, SysResult};

/// semget(2).
pub(super) fn get(c: &Caller, call: &Call) -> SysResult {
    let key = key(call, 2);
    let count = usize::try_from(call.int(1)).ok().filter(|count| *count <= SEMMSL);
    let count = count.ok_or(Errno::EINVAL)?;
    let fits = |set: &SemaphoreSet| match count > set.count() {
        true => Err(Errno::EINVAL),
        false => require_flags(c, &set.permission.get(), key.flags),
    };
    let make = || match count {
        0 => Err(Errno::EINVAL),
        count => Ok(SemaphoreSet::new(permission(c, key), count, seconds(c))),
    };
    c.kernel.ipc.semaphores.get(key, fits, make).map(|id| id as u64)
}

/// semop(2) and semtimedop(2).
pub(super) async fn operate(c: &Caller, call: &Call) -> SysResult {
    let (id, count) = (call.int(0), call.args[2] as u32 as usize);
    if id < 0 || count == 0 {
        return Err(Errno::EINVAL);
    }
    if count > SEMOPM {
        return Err(Errno::E2BIG);
    }
    let mut deadline = None;
    if call.sysno == Sysno::semtimedop && !call.addr(3).is_null() {
        let bytes = structure::<{ Timespec::SIZE }>(c, call.addr(3)).await?;
        deadline = Some(c.kernel.now() + Timespec::from_bytes(&bytes).to_duration()?);
    }
    let bytes = array(c, call.addr(1), count, Sembuf::SIZE).await?;
    let operations: Vec<Operation> =
        bytes.chunks_exact(Sembuf::SIZE).map(Sembuf::from_bytes).collect();
    let set = c.kernel.ipc.semaphores.by_id(id)?;
    let alters = operations.iter().any(|one| one.operation != 0);
    require(c, &set.permission.get(), if alters { WRITE } else { READ })?;
    let operated = set.operated(&operations, c.home.pid.0);
    let done = c.interruptible_until(deadline, operated).await.map_err(not_restarted)?;
    done.ok_or(Errno::EAGAIN)??;
    SemaphoreSet::note_undo(id, &operations, &mut c.home.semaphore_undo.borrow_mut());
    set.times[0].set(seconds(c));
    Ok(0)
}

/// What an ended process has done with `SEM_UNDO` is taken back.
pub(crate) fn take_back(kernel: &Kernel, home: &Home) {
    for ((id, number), adjustment) in core::mem::take(&mut *home.semaphore_undo.borrow_mut()) {
        if let Ok(set) = kernel.ipc.semaphores.by_id(id) {
            set.take_back(number, adjustment, home.pid.0);
        }
    }
}

/// semctl(2).
pub(super) async fn control(c: &Caller, call: &Call) -> SysResult {
    let (id, argument) = (call.int(0), call.addr(3));
    let set = c.kernel.ipc.semaphores.by_id(id)?;
    let permission = set.permission.get();
    match call.int(2) {
        IPC_SET | IPC_RMID => require_owner(c, &permission)?,
        SETALL | SETVAL => require(c, &permission, WRITE)?,
        _ => require(c, &permission, READ)?,
    }
    match call.int(2) {
        IPC_STAT => {
            return tell(c, argument, &permission.describe(0), set.describe().to_bytes()).await;
        }
        IPC_SET => {
            let (new, _) = read_set::<{ SemidDs::SIZE }>(c, permission, argument).await?;
            set.permission.set(new);
            set.times[1].set(seconds(c));
        }
        IPC_RMID => c.kernel.ipc.semaphores.remove(id),
        GETALL => {
            let values = set.values();
            let bytes: Vec<u8> =
                values.iter().flat_map(|value| (*value as u16).to_le_bytes()).collect();
            c.memory.copy_out(argument, &bytes).await?;
        }
        SETALL => {
            let bytes = array(c, argument, set.count(), 2).await?;
            let value = |pair: &[u8]| i32::from(u16::from_le_bytes([pair[0], pair[1]]));
            let values: Vec<i32> = bytes.chunks_exact(2).map(value).collect();
            set.set(0, &values, c.home.pid.0)?;
            forget_undo(c, id, None);
            set.times[1].set(seconds(c));
        }
        _ => return control_one(c, call, &set),
    }
    Ok(0)
}

/// semctl(2) of one semaphore.
fn control_one(c: &Caller, call: &Call, set: &SemaphoreSet) -> SysResult {
    let operation = call.int(2);
    if ![GETVAL, GETPID, GETNCNT, GETZCNT, SETVAL].contains(&operation) {
        return Err(Errno::EINVAL);
    }
    let index = usize::try_from(call.int(1)).ok().filter(|index| *index < set.count());
    let index = index.ok_or(Errno::EINVAL)?;
    let number = index as u16;
    match operation {
        GETVAL => Ok(set.values()[index] as u64),
        GETPID => Ok(set.pid(call.int(1))? as u64),
        GETNCNT => Ok(set.waiters(number, false) as u64),
        GETZCNT => Ok(set.waiters(number, true) as u64),
        _ => {
            set.set(index, &[call.int(3)], c.home.pid.0)?;
            forget_undo(c, call.int(0), Some(number));
            set.times[1].set(seconds(c));
            Ok(0)
        }
    }
}

/// A value that is set is nobody's doing any more (semctl(2)).
fn forget_undo(c: &Caller, id: i32, number: Option<u16>) {
    for home in c.kernel.processes.homes() {
        let keeps = |known: &(i32, u16)| known.0 != id || number.is_some_and(|one| one != known.1);
        home.semaphore_undo.borrow_mut().retain(|known, _| keeps(known));
    }
}
