//! msgget(2), msgsnd(2), msgrcv(2), msgctl(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::ipc::{
    IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, MSG_COPY, MSGMAX, MsqidDs,
};

use super::super::files::names::structure;
use super::{
    READ, WRITE, key, not_restarted, permission, read_set, require, require_flags, require_owner,
    seconds, tell,
};
use crate::ipc::{Queue, Wanted};
use crate::syscall::{Call, Caller, SysResult};

/// Bytes of the type before a message's text.
const TYPE_SIZE: u64 = 8;

/// msgget(2).
pub(super) fn get(c: &Caller, call: &Call) -> SysResult {
    let key = key(call, 1);
    let make = || Ok(Queue::new(permission(c, key), seconds(c)));
    let fits = |queue: &Queue| require_flags(c, &queue.permission.get(), key.flags);
    c.kernel.ipc.queues.get(key, fits, make).map(|id| id as u64)
}

/// msgsnd(2).
pub(super) async fn send(c: &Caller, call: &Call) -> SysResult {
    let kind = i64::from_le_bytes(structure(c, call.addr(1)).await?);
    let size = usize::try_from(call.args[2]).ok().filter(|size| *size <= MSGMAX);
    let size = size.ok_or(Errno::EINVAL)?;
    if kind < 1 || call.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let mut text = alloc::vec![0; size];
    c.memory.copy_in(call.addr(1).offset(TYPE_SIZE), &mut text).await?;
    let queue = c.kernel.ipc.queues.by_id(call.int(0))?;
    require(c, &queue.permission.get(), WRITE)?;
    let nowait = call.args[3] as u32 & IPC_NOWAIT != 0;
    let attempt = || match queue.send(kind, &text) {
        Err(Errno::EAGAIN) if !nowait => None,
        outcome => Some(outcome),
    };
    c.interruptible(queue.changes.wait_until(attempt)).await.map_err(not_restarted)??;
    queue.pids[0].set(c.home.pid.0);
    queue.times[0].set(seconds(c));
    Ok(0)
}

/// msgrcv(2). No message is only looked at (`MSG_COPY`).
pub(super) async fn receive(c: &Caller, call: &Call) -> SysResult {
    let flags = call.args[4] as u32;
    let room = usize::try_from(call.args[2]).ok().filter(|room| i64::try_from(*room).is_ok());
    let room = room.ok_or(Errno::EINVAL)?;
    if call.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    if flags & MSG_COPY != 0 {
        return Err(Errno::ENOSYS);
    }
    let queue = c.kernel.ipc.queues.by_id(call.int(0))?;
    require(c, &queue.permission.get(), READ)?;
    let wanted = Wanted { kind: call.args[3].cast_signed(), room, flags };
    let attempt = || match queue.receive(&wanted) {
        Err(Errno::ENOMSG) if flags & IPC_NOWAIT == 0 => None,
        outcome => Some(outcome),
    };
    let received = c.interruptible(queue.changes.wait_until(attempt)).await;
    let (kind, text) = received.map_err(not_restarted)??;
    queue.pids[1].set(c.home.pid.0);
    queue.times[1].set(seconds(c));
    c.memory.copy_out(call.addr(1), &[&kind.to_le_bytes()[..], &text].concat()).await?;
    Ok(text.len() as u64)
}

/// msgctl(2).
pub(super) async fn control(c: &Caller, call: &Call) -> SysResult {
    let (id, buffer) = (call.int(0), call.addr(2));
    let queue = c.kernel.ipc.queues.by_id(id)?;
    let permission = queue.permission.get();
    match call.int(1) {
        IPC_STAT => {
            require(c, &permission, READ)?;
            tell(c, buffer, &permission.describe(0), queue.describe().to_bytes()).await
        }
        IPC_SET => {
            require_owner(c, &permission)?;
            let (new, rest) = read_set::<{ MsqidDs::SIZE }>(c, permission, buffer).await?;
            queue.permission.set(new);
            queue.room.set(MsqidDs::from_bytes(&rest).room);
            queue.times[2].set(seconds(c));
            queue.changes.wake_all();
            Ok(0)
        }
        IPC_RMID => {
            require_owner(c, &permission)?;
            c.kernel.ipc.queues.remove(id);
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}
