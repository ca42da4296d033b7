//! Changes to the address space, which is where the body is.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::mman::{
    MADV_DONTNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MCL_CURRENT, MCL_FUTURE, MCL_ON_FAULT,
    MLOCK_ON_FAULT, MS_ASYNC, MS_INVALIDATE, MS_SYNC, MapFlags, RemapFlags,
};
use wayfarer_proto::table::Sysno;

use crate::executor::yield_now;
use crate::memory::{
    AccessKind, AddressSpace, FileMapping, MapRequest, PAGE, page_up, protection_from_raw,
};
use crate::process::Running;
use crate::syscall::{Call, Grant, SysResult};

/// Pages faulted in before others get their turn.
const POPULATE_STEP: u64 = 64;

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
    // Memory without a file ignores the offset, though it is a file here.
    let anonymous = request.flags.contains(MapFlags::ANONYMOUS);
    let offset = if anonymous { 0 } else { call.args[5] };
    let mapping = FileMapping { map: name, offset, writable, file };
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

/// munmap(2). A file that is mapped no more gets what it lacks.
pub(super) async fn unmap(running: &Running, call: &Call) -> SysResult {
    let range = (call.addr(0), call.args[1]);
    in_steps(running, range, |space, at, length| space.unmap(at, length)).await?;
    let unused = running.body.memory().space.borrow_mut().detach_unused();
    if let Some(driver) = running.process.body_driver() {
        driver.give_back(unused).await;
    }
    release_files(running);
    Ok(0)
}

/// Tells home of the files that nothing shows any more, unless a mapping may have been granted.
fn release_files(running: &Running) {
    if running.body.is_mapping() {
        return;
    }
    let released = running.body.memory().space.borrow_mut().take_released_files();
    for map in released {
        match (running.process.home(), running.process.body_driver()) {
            (Some(home), _) => home.maps.release(map),
            (None, Some(driver)) => driver.input(wayfarer_body::Input::ReleaseMap { map }),
            (None, None) => {}
        }
    }
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
    let populates = match call.args[2] {
        MADV_POPULATE_READ => Some(AccessKind::Read),
        MADV_POPULATE_WRITE => Some(AccessKind::Write),
        _ => None,
    };
    if let Some(kind) = populates {
        let range = (call.addr(0), page_up(call.args[1]).ok_or(Errno::EINVAL)?);
        running.body.memory().space.borrow().check_mapped(range.0, range.1)?;
        populate(running, range, Some(kind)).await.map_err(|_| Errno::EFAULT)?;
        return Ok(0);
    }
    let mut hole = false;
    let advise = |space: &mut AddressSpace, at, length| {
        let result = space.advise(at, length, call.args[2]);
        hole |= result == Err(Errno::ENOMEM);
        if result == Err(Errno::ENOMEM) { Ok(()) } else { result }
    };
    in_steps(running, (call.addr(0), call.args[1]), advise).await?;
    if hole { Err(Errno::ENOMEM) } else { Ok(0) }
}

/// msync(2): at home a file's mapped pages are the file's own; elsewhere they are written back.
pub(super) async fn sync(running: &Running, call: &Call) -> SysResult {
    let flags = call.args[2];
    if flags & !(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0
        || flags & (MS_ASYNC | MS_SYNC) == MS_ASYNC | MS_SYNC
    {
        return Err(Errno::EINVAL);
    }
    let (start, length) = (call.addr(0), call.args[1]);
    running.body.memory().space.borrow().check_mapped(start, length)?;
    if flags & MS_SYNC != 0
        && let Some(driver) = running.process.body_driver()
    {
        driver.give_back_range(&running.body, start, length).await;
    }
    Ok(0)
}

/// mincore(2), some pages at a time.
pub(super) async fn residence(running: &Running, call: &Call) -> SysResult {
    const PAGES: u64 = 4096;
    let (address, length) = (call.addr(0), call.args[1]);
    let memory = running.body.memory();
    memory.space.borrow().check_mapped(address, length)?;
    let pages = length.div_ceil(PAGE);
    let mut done = 0;
    while done < pages {
        let count = (pages - done).min(PAGES);
        let map = memory.space.borrow().resident_map(address.offset(done * PAGE), count * PAGE)?;
        running.local_memory().write(call.addr(2).offset(done), &map).await?;
        done += count;
        yield_now().await;
    }
    Ok(0)
}

/// mlock(2) and mlock2(2): nothing is ever swapped, so locking is faulting in.
pub(super) async fn lock(running: &Running, call: &Call) -> SysResult {
    let flags = if call.sysno == Sysno::mlock2 { call.args[2] } else { 0 };
    if flags & !MLOCK_ON_FAULT != 0 {
        return Err(Errno::EINVAL);
    }
    let (start, length) = lock_range(call)?;
    running.body.memory().space.borrow().check_mapped(start, length)?;
    if flags == 0 {
        populate(running, (start, length), None).await?;
    }
    Ok(0)
}

/// munlock(2).
pub(super) fn unlock(running: &Running, call: &Call) -> SysResult {
    let (start, length) = lock_range(call)?;
    running.body.memory().space.borrow().check_mapped(start, length)?;
    Ok(0)
}

/// mlockall(2).
pub(super) fn lock_all(call: &Call) -> SysResult {
    let flags = call.args[0];
    let known = MCL_CURRENT | MCL_FUTURE | MCL_ON_FAULT;
    if flags & !known != 0 || flags & (MCL_CURRENT | MCL_FUTURE) == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// The whole pages that hold the bytes of argument 0 and 1. As on Linux a length near the largest
/// number wraps to nothing.
fn lock_range(call: &Call) -> Result<(UserAddr, u64), Errno> {
    let start = call.args[0] / PAGE * PAGE;
    let length = call.args[1].wrapping_add(call.args[0] % PAGE).wrapping_add(PAGE - 1);
    let length = length / PAGE * PAGE;
    start.checked_add(length).ok_or(Errno::EINVAL)?;
    Ok((UserAddr(start), length))
}

/// Faults pages in: as the advice says, or as their region permits. Stops at the first that
/// cannot be.
async fn populate(
    running: &Running,
    (start, length): (UserAddr, u64),
    kind: Option<AccessKind>,
) -> Result<(), Errno> {
    let memory = running.local_memory();
    for page in 0..length / PAGE {
        let at = start.offset(page * PAGE);
        let kind = kind.unwrap_or_else(|| {
            let space = running.body.memory();
            let writable = space.space.borrow().permits(at, AccessKind::Write);
            if writable { AccessKind::Write } else { AccessKind::Read }
        });
        memory.prepare(at, 1, kind).await.map_err(|_| Errno::ENOMEM)?;
        if page % POPULATE_STEP == POPULATE_STEP - 1 {
            yield_now().await;
        }
    }
    Ok(())
}
