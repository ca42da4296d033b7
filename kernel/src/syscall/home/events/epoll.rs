//! epoll_create(2), epoll_ctl(2), epoll_wait(2).

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::event::{EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EpollEvent};
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::table::Sysno;

use super::super::files::names::structure;
use super::super::files::poll::{apply_mask, milliseconds, timespec};
use super::super::files::wait::file;
use crate::event::Epoll;
use crate::syscall::{Call, Caller, SysResult};

/// The most events that one wait may ask for (`EP_MAX_EVENTS` of Linux).
const MAX_EVENTS: i32 = i32::MAX / EpollEvent::SIZE as i32;

/// epoll_create(2) and epoll_create1(2).
pub(super) fn create(c: &Caller, call: &Call) -> SysResult {
    let flags = match call.sysno {
        Sysno::epoll_create if call.int(0) <= 0 => return Err(Errno::EINVAL),
        Sysno::epoll_create => OpenFlags::READ_WRITE,
        _ => super::open_flags(call.args[0], 0)?,
    };
    // Unlike the others it has no O_NONBLOCK: it cannot be read.
    if flags.contains(OpenFlags::NONBLOCK) {
        return Err(Errno::EINVAL);
    }
    super::install(c, "eventpoll", Epoll::new(), flags)
}

/// epoll_ctl(2).
pub(super) async fn control(c: &Caller, call: &Call) -> SysResult {
    let operation = call.int(1);
    let mut event = EpollEvent { events: 0, data: 0 };
    if operation != EPOLL_CTL_DEL {
        event = EpollEvent::from_bytes(&structure::<{ EpollEvent::SIZE }>(c, call.addr(3)).await?);
    }
    let (watcher, target) = (file(c, call.int(0))?, file(c, call.int(2))?);
    watcher.require_not_path()?;
    target.require_not_path()?;
    target.object().changes().ok_or(Errno::EPERM)?;
    let epoll = Epoll::of(&**watcher.object()).ok_or(Errno::EINVAL)?;
    if alloc::rc::Rc::ptr_eq(&watcher, &target) {
        return Err(Errno::EINVAL);
    }
    let fd = Fd(call.int(2));
    match operation {
        EPOLL_CTL_ADD => epoll.add(fd, &target, event)?,
        EPOLL_CTL_MOD => epoll.modify(fd, &target, event)?,
        EPOLL_CTL_DEL => epoll.delete(fd, &target)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// epoll_wait(2), epoll_pwait(2) and epoll_pwait2(2). A signal always ends it with `EINTR`
/// (signal(7)).
pub(super) async fn wait(c: &Caller, call: &Call) -> SysResult {
    let deadline = match call.sysno {
        Sysno::epoll_pwait2 => timespec(c, call.addr(3)).await?,
        _ => milliseconds(c, call.int(3)),
    };
    if call.sysno != Sysno::epoll_wait {
        apply_mask(c, call.addr(4), call.args[5]).await?;
    }
    let max = call.int(2);
    if !(1..=MAX_EVENTS).contains(&max) {
        return Err(Errno::EINVAL);
    }
    let watcher = file(c, call.int(0))?;
    let epoll = Epoll::of(&**watcher.object()).ok_or(Errno::EINVAL)?;
    let found = find(c, epoll, max.unsigned_abs() as usize, deadline).await?;
    let bytes: Vec<u8> = found.iter().flat_map(Layout::to_bytes).collect();
    c.memory.copy_out(call.addr(1), &bytes).await?;
    Ok(found.len() as u64)
}

async fn find(
    c: &Caller,
    epoll: &Epoll,
    max: usize,
    deadline: Option<wayfarer_proto::time::Instant>,
) -> Result<Vec<EpollEvent>, Errno> {
    let collect = || Some(epoll.collect(max)).filter(|found| !found.is_empty());
    if let Some(found) = collect() {
        return Ok(found);
    }
    if deadline.is_some_and(|deadline| deadline <= c.kernel.now()) {
        return Ok(Vec::new());
    }
    let found = c.interruptible_until(deadline, epoll.queue().wait_until(collect)).await;
    Ok(found.map_err(|_| Errno::EINTR)?.unwrap_or_default())
}
