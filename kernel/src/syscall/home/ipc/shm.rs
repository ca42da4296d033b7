//! shmget(2), shmat(2), shmdt(2), shmctl(2): a segment is a file without a name, mapped shared.
//!
//! A body comes home to attach one, and cannot leave as long as it has it.

use alloc::format;
use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::ipc::{
    IPC_RMID, IPC_SET, IPC_STAT, SHM_EXEC, SHM_HUGETLB, SHM_LOCK, SHM_RDONLY, SHM_REMAP, SHM_RND,
    SHM_UNLOCK, ShmidDs,
};
use wayfarer_proto::linux::mman::{MapFlags, Protection};

use super::{
    READ, WRITE, key, permission, read_set, require, require_flags, require_owner, seconds, tell,
};
use crate::ipc::{Permission, Segment};
use crate::memory::{FileMapping, MapRequest, PAGE, page_up};
use crate::process::{Body, Home, MappedFile};
use crate::syscall::home::map::grant_shared;
use crate::syscall::{Call, Caller, SysResult};

/// Where segments may be attached: `SHMLBA`.
const ALIGNMENT: u64 = PAGE;
/// The largest segment: what could be mapped, less than `SHMMAX`.
const SIZE_MAX: u64 = 1 << 46;

/// shmget(2).
pub(super) fn get(c: &Caller, call: &Call) -> SysResult {
    let (key, size) = (key(call, 2), call.args[1]);
    sweep(c);
    if key.flags & SHM_HUGETLB != 0 {
        return Err(Errno::EINVAL);
    }
    let fits = |segment: &Segment| match size > segment.size {
        true => Err(Errno::EINVAL),
        false => require_flags(c, &segment.permission.get(), key.flags),
    };
    let make = || {
        if size == 0 || size > SIZE_MAX {
            return Err(Errno::EINVAL);
        }
        let inode = c.kernel.vfs.root().inode().create_unnamed(0o600)?;
        inode.set_size(page_up(size).ok_or(Errno::EINVAL)?).map_err(|_| Errno::ENOMEM)?;
        Ok(Segment {
            permission: Cell::new(permission(c, key)),
            inode,
            size,
            doomed: Cell::new(false),
            times: [Cell::new(0), Cell::new(0), Cell::new(seconds(c))],
            creator: c.home.pid.0,
            last: Cell::new(0),
        })
    };
    c.kernel.ipc.segments.get(key, fits, make).map(|id| id as u64)
}

/// shmat(2).
pub(super) async fn attach(c: &Caller, call: &Call) -> SysResult {
    let flags = call.args[2] as u32;
    let mut address = call.addr(1);
    if flags & SHM_RND != 0 {
        address = UserAddr(address.0 / ALIGNMENT * ALIGNMENT);
    }
    if !address.0.is_multiple_of(ALIGNMENT) || (address.is_null() && flags & SHM_REMAP != 0) {
        return Err(Errno::EINVAL);
    }
    let segment = c.kernel.ipc.segments.by_id(call.int(0))?;
    let writes = if flags & SHM_RDONLY == 0 { WRITE } else { 0 };
    require(c, &segment.permission.get(), READ | writes)?;
    let request = request(c, &segment, address, flags);
    if let Some(file) = &request.file {
        grant_shared(c, file.map, true).await?;
    }
    let body = body_here(c).await?;
    let mapped = body.memory().space.borrow_mut().map(&request);
    let at = mapped.map_err(|errno| if errno == Errno::EEXIST { Errno::EINVAL } else { errno })?;
    segment.times[0].set(seconds(c));
    segment.last.set(c.home.pid.0);
    Ok(at.0)
}

fn request(c: &Caller, segment: &Segment, address: UserAddr, flags: u32) -> MapRequest {
    let path = format!("/SYSV{:08x} (deleted)", segment.permission.get().key).into_bytes();
    let file = MappedFile { inode: Rc::clone(&segment.inode), path };
    let description = file.describe();
    segment.inode.share_pages();
    let map = c.kernel.enter_map(&c.home.maps, file);
    let mut protection = Protection::READ;
    protection.set(Protection::WRITE, flags & SHM_RDONLY == 0);
    protection.set(Protection::EXECUTE, flags & SHM_EXEC != 0);
    let place = match (address.is_null(), flags & SHM_REMAP != 0) {
        (true, _) => MapFlags::empty(),
        (false, true) => MapFlags::FIXED,
        (false, false) => MapFlags::FIXED_NOREPLACE,
    };
    MapRequest {
        address,
        length: segment.size,
        protection,
        flags: MapFlags::SHARED | place,
        file: Some(FileMapping { map, offset: 0, writable: true, file: description }),
    }
}

/// The caller's body, at home: where it has what is home's to change.
///
/// # Errors
/// `EBUSY` if it cannot come home.
async fn body_here(c: &Caller) -> Result<Rc<Body>, Errno> {
    let fetched = c.thread.killable(&c.home, c.kernel.fetch(&c.home)).await?;
    fetched.map_err(|_| Errno::EBUSY)?;
    c.home.cell().and_then(|cell| cell.body()).ok_or(Errno::EBUSY)
}

/// shmdt(2): takes away what one shmat(2) has mapped, as far as it is still there.
pub(super) async fn detach(c: &Caller, call: &Call) -> SysResult {
    let address = call.addr(0);
    let is_known = |segment: &Segment| c.home.maps.find(&segment.inode).is_some();
    c.kernel.ipc.segments.find_by(is_known).ok_or(Errno::EINVAL)?;
    let body = body_here(c).await?;
    let memory = body.memory();
    let map = memory.space.borrow().file_mapped_at(address).ok_or(Errno::EINVAL)?;
    let file = c.home.maps.get(map).ok_or(Errno::EINVAL)?;
    let is_it = |segment: &Segment| Rc::ptr_eq(&segment.inode, &file.inode);
    let segment = c.kernel.ipc.segments.find_by(is_it).ok_or(Errno::EINVAL)?;
    memory.space.borrow_mut().unmap_file(map, address, segment.size)?;
    segment.times[1].set(seconds(c));
    segment.last.set(c.home.pid.0);
    sweep(c);
    Ok(0)
}

/// shmctl(2).
pub(super) async fn control(c: &Caller, call: &Call) -> SysResult {
    let (id, buffer) = (call.int(0), call.addr(2));
    sweep(c);
    let segment = c.kernel.ipc.segments.by_id(id)?;
    let permission = segment.permission.get();
    match call.int(1) {
        IPC_STAT => {
            require(c, &permission, READ)?;
            // How often it is attached is known where its sharers are.
            segment.inode.read_at(0, &mut [])?;
            let rest = segment.describe(attaches(c, &segment)).to_bytes();
            tell(c, buffer, &permission.describe(segment.mode_flags()), rest).await
        }
        IPC_SET => {
            require_owner(c, &permission)?;
            let (new, _) = read_set::<{ ShmidDs::SIZE }>(c, permission, buffer).await?;
            segment.permission.set(new);
            segment.times[2].set(seconds(c));
            Ok(0)
        }
        IPC_RMID => {
            require_owner(c, &permission)?;
            // Nobody finds it by its key any more; it lives as long as it is attached.
            segment.permission.set(Permission { key: 0, ..permission });
            segment.doomed.set(true);
            sweep(c);
            Ok(0)
        }
        SHM_LOCK | SHM_UNLOCK => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// How often a segment is attached, in all processes of this home; at least once in one that has
/// it away from home.
fn attaches(c: &Caller, segment: &Segment) -> usize {
    let count = |home: Rc<Home>| {
        if home.borrows_memory.get() {
            return 0;
        }
        let body = home.cell().and_then(|cell| cell.body());
        let map = home.maps.find(&segment.inode);
        let lent = |map| usize::from(home.maps.lent().contains(&map));
        match (map, body) {
            (Some(map), Some(body)) => body.memory().space.borrow().attaches(map),
            (Some(map), None) => lent(map),
            (None, _) => 0,
        }
    };
    c.kernel.processes.homes().into_iter().map(count).sum()
}

/// Forgets removed segments that nobody has attached any more.
fn sweep(c: &Caller) {
    c.kernel.ipc.segments.sweep(|segment| segment.doomed.get() && attaches(c, segment) == 0);
}
