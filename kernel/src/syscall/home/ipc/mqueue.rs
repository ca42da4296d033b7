//! mq_open(2) and its kin: POSIX message queues.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::ipc::{MQ_PRIO_MAX, MqAttr};
use wayfarer_proto::linux::process::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SigEvent};
use wayfarer_proto::linux::signal::{SI_MESGQ, SigDetail, SigInfo, Signal};
use wayfarer_proto::linux::time::Timespec;
use wayfarer_proto::time::Instant;

use super::super::events;
use super::super::files::names::structure;
use super::super::files::wait::file;
use crate::fs::OpenFile;
use crate::ipc::{COOKIE, MessageNotice, MessageQueue, QueueLimits, Registration, WOKEN_UP};
use crate::socket::{Family, Socket};
use crate::syscall::{Call, Caller, SysResult};

/// Bytes of a name, its end included.
const NAME_MAX: usize = 256;
/// How many queues there may be (`/proc/sys/fs/mqueue/queues_max`).
const QUEUES_MAX: usize = 256;
/// The bits of open(2)'s flags that say reading, writing or both.
const ACCESS_MODE: u32 = 3;

/// The name of a queue: the C library has taken its slash off.
async fn name(c: &Caller, address: UserAddr) -> Result<Vec<u8>, Errno> {
    let name = c.memory.copy_in_str(address, NAME_MAX).await?;
    match &*name {
        [] => Err(Errno::ENOENT),
        text if text.contains(&b'/') => Err(Errno::EACCES),
        _ => Ok(name),
    }
}

/// mq_open(2).
pub(super) async fn open(c: &Caller, call: &Call) -> SysResult {
    let flags = OpenFlags::from_bits_retain(call.args[1] as u32);
    let attr = match call.addr(3) {
        none if none.is_null() => None,
        some => Some(MqAttr::from_bytes(&structure::<{ MqAttr::SIZE }>(c, some).await?)),
    };
    let name = name(c, call.addr(0)).await?;
    let known = c.kernel.ipc.posix_queues.borrow().get(&name).cloned();
    let queue = match known {
        Some(_) if flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => {
            return Err(Errno::EEXIST);
        }
        Some(queue) => queue,
        None if !flags.contains(OpenFlags::CREATE) => return Err(Errno::ENOENT),
        None => {
            let queue = MessageQueue::new(limits(attr.as_ref())?);
            let mut queues = c.kernel.ipc.posix_queues.borrow_mut();
            if queues.len() >= QUEUES_MAX {
                return Err(Errno::ENOSPC);
            }
            queues.insert(name, Rc::clone(&queue));
            queue
        }
    };
    let access = OpenFlags::from_bits_retain(call.args[1] as u32 & ACCESS_MODE);
    let flags = access | (flags & OpenFlags::NONBLOCK) | OpenFlags::CLOSE_ON_EXEC;
    events::install(c, "mqueue", queue, flags)
}

fn limits(attr: Option<&MqAttr>) -> Result<QueueLimits, Errno> {
    let Some(attr) = attr else { return Ok(QueueLimits::DEFAULT) };
    let within = |value: i64, most: usize| match usize::try_from(value) {
        Ok(value) if (1..=most).contains(&value) => Ok(value),
        _ => Err(Errno::EINVAL),
    };
    Ok(QueueLimits {
        messages: within(attr.max_messages, QueueLimits::MOST.messages)?,
        size: within(attr.message_size, QueueLimits::MOST.size)?,
    })
}

/// mq_unlink(2).
pub(super) async fn unlink(c: &Caller, call: &Call) -> SysResult {
    let name = name(c, call.addr(0)).await?;
    let removed = c.kernel.ipc.posix_queues.borrow_mut().remove(&name);
    removed.map(|_| 0).ok_or(Errno::ENOENT)
}

/// The queue that a descriptor names.
fn queue(file: &OpenFile) -> Result<&MessageQueue, Errno> {
    MessageQueue::of(&**file.object()).ok_or(Errno::EBADF)
}

/// The absolute deadline at `address`, by the wall clock.
async fn deadline(c: &Caller, address: UserAddr) -> Result<Option<Instant>, Errno> {
    if address.is_null() {
        return Ok(None);
    }
    let bytes = structure::<{ Timespec::SIZE }>(c, address).await?;
    let time = Timespec::from_bytes(&bytes).to_duration()?;
    Ok(Some(Instant(0) + time.saturating_sub(c.kernel.epoch())))
}

/// mq_timedsend(2).
pub(super) async fn send(c: &Caller, call: &Call) -> SysResult {
    let priority = call.args[3] as u32;
    if priority >= MQ_PRIO_MAX {
        return Err(Errno::EINVAL);
    }
    let deadline = deadline(c, call.addr(4)).await?;
    let file = file(c, call.int(0))?;
    let queue = queue(&file)?;
    file.require_writes()?;
    let size = usize::try_from(call.args[2]).ok().filter(|size| *size <= queue.limits.size);
    let mut text = alloc::vec![0; size.ok_or(Errno::EMSGSIZE)?];
    c.memory.copy_in(call.addr(1), &mut text).await?;
    let nonblock = file.flags().contains(OpenFlags::NONBLOCK);
    let attempt = || match queue.send(priority, &text) {
        Err(Errno::EAGAIN) if !nonblock => None,
        outcome => Some(outcome),
    };
    let changes = file.object().changes().ok_or(Errno::EBADF)?;
    let sent = c.interruptible_until(deadline, changes.wait_until(attempt)).await?;
    if let Some(registration) = sent.ok_or(Errno::ETIMEDOUT)?? {
        tell(c, &registration);
    }
    Ok(0)
}

/// A message has come for somebody who wanted to know.
fn tell(c: &Caller, registration: &Registration) {
    let home = c.kernel.processes.home(registration.pid);
    if let (Some(home), MessageNotice::Signal(signal, value)) = (home, &registration.notice) {
        let detail = SigDetail::Queued { pid: c.home.pid.0, uid: 0, value: *value };
        home.post(SigInfo { signal: *signal, code: SI_MESGQ, detail });
    }
    registration.notice.give_back(WOKEN_UP);
}

/// mq_timedreceive(2).
pub(super) async fn receive(c: &Caller, call: &Call) -> SysResult {
    let deadline = deadline(c, call.addr(4)).await?;
    let file = file(c, call.int(0))?;
    let queue = queue(&file)?;
    file.require_reads()?;
    if call.args[2] < queue.limits.size as u64 {
        return Err(Errno::EMSGSIZE);
    }
    let nonblock = file.flags().contains(OpenFlags::NONBLOCK);
    let attempt = || match queue.receive() {
        Err(Errno::EAGAIN) if !nonblock => None,
        outcome => Some(outcome),
    };
    let changes = file.object().changes().ok_or(Errno::EBADF)?;
    let received = {
        let _waiter = queue.waiter();
        c.interruptible_until(deadline, changes.wait_until(attempt)).await?
    };
    let (priority, text) = received.ok_or(Errno::ETIMEDOUT)??;
    c.memory.copy_out(call.addr(1), &text).await?;
    if !call.addr(3).is_null() {
        c.memory.copy_out(call.addr(3), &priority.to_le_bytes()).await?;
    }
    Ok(text.len() as u64)
}

/// How an event asks to be told. For `SIGEV_THREAD` the C library passes a socket in place of the
/// signal, and a cookie that its thread will receive there.
///
/// # Errors
/// `EINVAL` for what is none; `EBADF`, `ENOTSOCK`, `EFAULT`.
async fn notice(c: &Caller, event: &SigEvent) -> Result<MessageNotice, Errno> {
    match event.notify {
        SIGEV_NONE => Ok(MessageNotice::Nothing),
        SIGEV_SIGNAL => {
            let signal = Signal::new(event.signal as u64).ok_or(Errno::EINVAL)?;
            Ok(MessageNotice::Signal(signal, event.value))
        }
        SIGEV_THREAD => {
            let mut given = [0; COOKIE + 1];
            c.memory.copy_in(UserAddr(event.value), &mut given).await?;
            let mut cookie = [0; COOKIE];
            cookie.copy_from_slice(&given[..COOKIE]);
            let file = file(c, event.signal)?;
            let socket = Socket::of(&**file.object()).ok_or(Errno::ENOTSOCK)?;
            if socket.family != Family::Netlink {
                return Err(Errno::EINVAL);
            }
            Ok(MessageNotice::Socket(socket.share_protocol(), cookie))
        }
        _ => Err(Errno::EINVAL),
    }
}

/// mq_notify(2).
pub(super) async fn notify(c: &Caller, call: &Call) -> SysResult {
    let event = match call.addr(1) {
        none if none.is_null() => None,
        some => Some(SigEvent::from_bytes(&structure::<{ SigEvent::SIZE }>(c, some).await?)),
    };
    let notice = match &event {
        Some(event) => Some(notice(c, event).await?),
        None => None,
    };
    let file = file(c, call.int(0))?;
    let queue = queue(&file)?;
    let Some(notice) = notice else {
        queue.forget(c.home.pid);
        return Ok(0);
    };
    let mut registered = queue.registered.borrow_mut();
    let living = |known: &Registration| {
        c.kernel.processes.home(known.pid).is_some_and(|home| !home.is_zombie())
    };
    if registered.as_ref().is_some_and(living) {
        return Err(Errno::EBUSY);
    }
    *registered = Some(Registration { pid: c.home.pid, notice });
    Ok(0)
}

/// mq_getsetattr(2).
pub(super) async fn attributes(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    let now = file.flags() & OpenFlags::NONBLOCK;
    let old = MqAttr { flags: now.bits().into(), ..queue(&file)?.describe() };
    if !call.addr(1).is_null() {
        let bytes = structure::<{ MqAttr::SIZE }>(c, call.addr(1)).await?;
        let flags = u32::try_from(MqAttr::from_bytes(&bytes).flags).map_err(|_| Errno::EINVAL)?;
        let flags = OpenFlags::from_bits_retain(flags);
        if !OpenFlags::NONBLOCK.contains(flags) {
            return Err(Errno::EINVAL);
        }
        file.set_flags((file.flags() - OpenFlags::NONBLOCK) | flags);
    }
    if !call.addr(2).is_null() {
        c.memory.copy_out(call.addr(2), &old.to_bytes()).await?;
    }
    Ok(0)
}
