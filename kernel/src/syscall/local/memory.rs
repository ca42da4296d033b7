//! Changes to the address space, which is where the body is.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::mman::{
    MADV_DONTNEED, MS_ASYNC, MS_INVALIDATE, MS_SYNC, MapFlags, Protection, RemapFlags,
};

use crate::executor::yield_now;
use crate::memory::{AddressSpace, FileMapping, MapRequest, page_up, protection_from_raw};
use crate::process::Running;
use crate::syscall::{Call, Grant, SysResult};

/// mmap(2) with `MAP_ANONYMOUS`.
pub(super) fn map_anonymous(running: &Running, call: &Call) -> SysResult {
    map(running, &request(call)?)
}

/// mmap(2) of a file that home has granted.
pub fn map_file(running: &Running, call: &Call, grant: Grant) -> SysResult {
    let request = request(call)?;
    let Grant::File { map: name, writable } = grant else { return map(running, &request) };
    let home = running.process.home();
    let known = home.as_ref().and_then(|home| home.maps.get(name));
    let file = known.map(|file| file.describe()).unwrap_or_default();
    let writes =
        request.flags.contains(MapFlags::SHARED) && request.protection.contains(Protection::WRITE);
    if writes && home.is_none() {
        // It was brought home for this, and taken away again before it could map the file.
        return Err(Errno::ENODEV);
    }
    let writable = writable && home.is_some();
    let mapping = FileMapping { map: name, offset: call.args[5], writable, file };
    map(running, &MapRequest { file: Some(mapping), ..request })
}

fn request(call: &Call) -> Result<MapRequest, Errno> {
    MapRequest::from_raw(call.addr(0), call.args[1], call.args[2], call.args[3])
}

fn map(running: &Running, request: &MapRequest) -> SysResult {
    let memory = running.body.memory();
    let address = memory.space.borrow_mut().map(request)?;
    Ok(address.0)
}

/// Does an operation on the pages of a range in steps, with others running in between.
///
/// # Errors
/// The operation's first; what lies before it is done.
async fn in_steps(
    running: &Running,
    (address, length): (UserAddr, u64),
    mut act: impl FnMut(&mut AddressSpace, UserAddr, u64) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let memory = running.body.memory();
    let mut done = 0;
    loop {
        let at = address.offset(done);
        {
            let mut space = memory.space.borrow_mut();
            let step = space.step(at, length - done);
            act(&mut space, at, step)?;
            done += step;
        }
        if done == length {
            return Ok(());
        }
        yield_now().await;
    }
}

/// munmap(2).
pub(super) async fn unmap(running: &Running, call: &Call) -> SysResult {
    let range = (call.addr(0), call.args[1]);
    in_steps(running, range, |space, at, length| space.unmap(at, length)).await?;
    Ok(0)
}

/// mprotect(2).
pub(super) async fn protect(running: &Running, call: &Call) -> SysResult {
    let protection = protection_from_raw(call.args[2])?;
    let range = (call.addr(0), call.args[1]);
    in_steps(running, range, |space, at, length| space.protect(at, length, protection)).await?;
    Ok(0)
}

/// brk(2): gives the new program break, which is the old one if it cannot be moved.
pub(super) async fn brk(running: &Running, call: &Call) -> SysResult {
    let memory = running.body.memory();
    let shrinks = {
        let layout = memory.space.borrow().layout();
        let freed = (page_up(call.args[0]), page_up(layout.heap_end.0));
        match freed {
            (Some(new), Some(old)) if new >= layout.heap_start.0 && new < old => {
                Some((UserAddr(new), old - new))
            }
            _ => None,
        }
    };
    if let Some(range) = shrinks {
        // The pages go first; what set_break() then finds to unmap is empty.
        let drop = |space: &mut AddressSpace, at, length| space.advise(at, length, MADV_DONTNEED);
        in_steps(running, range, drop).await.ok();
    }
    Ok(memory.space.borrow_mut().set_break(call.addr(0)).0)
}

/// mremap(2).
pub(super) fn remap(running: &Running, call: &Call) -> SysResult {
    let flags = u32::try_from(call.args[3]).ok().and_then(RemapFlags::from_bits);
    let flags = flags.ok_or(Errno::EINVAL)?;
    let memory = running.body.memory();
    let address = memory.space.borrow_mut().remap(
        call.addr(0),
        call.args[1],
        call.args[2],
        flags,
        call.addr(4),
    )?;
    Ok(address.0)
}

/// madvise(2). What follows a hole is advised, too.
pub(super) async fn advise(running: &Running, call: &Call) -> SysResult {
    let mut hole = false;
    let advise = |space: &mut AddressSpace, at, length| {
        let result = space.advise(at, length, call.args[2]);
        hole |= result == Err(Errno::ENOMEM);
        if result == Err(Errno::ENOMEM) { Ok(()) } else { result }
    };
    in_steps(running, (call.addr(0), call.args[1]), advise).await?;
    if hole { Err(Errno::ENOMEM) } else { Ok(0) }
}

/// msync(2): a file's mapped pages are the file's own, so there is nothing to write back.
pub(super) fn sync(running: &Running, call: &Call) -> SysResult {
    let flags = call.args[2];
    if flags & !(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0
        || flags & (MS_ASYNC | MS_SYNC) == MS_ASYNC | MS_SYNC
    {
        return Err(Errno::EINVAL);
    }
    running.body.memory().space.borrow().check_mapped(call.addr(0), call.args[1])?;
    Ok(0)
}
