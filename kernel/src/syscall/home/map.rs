//! mmap(2) of a file at home: may it be mapped, and what is its name for page-ins.

use alloc::rc::Rc;
use core::ops::Range;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, MapId, UserAddr};
use wayfarer_proto::linux::fcntl::{OpenFlags, Seals};
use wayfarer_proto::linux::mman::{MapFlags, Protection};
use wayfarer_proto::linux::stat::FileType;

use crate::fs::{Inode, OpenFile, device};
use crate::memory::page_up;
use crate::process::MappedFile;
use crate::syscall::{Call, Caller, Grant, SysResult};

/// Grants a mapping of the file open as `fd`: gives a [`Grant`].
///
/// Who maps a file shared is brought to one place, if one of them can write to it.
///
/// # Errors
/// `EBADF`; `EACCES` for a file not open as the mapping needs it; `ENODEV` for one that has no
/// pages, and for one whose sharers cannot come together.
pub(super) async fn map(c: &Caller, call: &Call) -> SysResult {
    let flags = MapFlags::from_bits_truncate(call.args[3] as u32);
    if flags.contains(MapFlags::ANONYMOUS) {
        return map_memory(c, call.args[1]).await;
    }
    let file = c.home.files.descriptors().get(Fd(call.int(4)))?;
    file.require_not_path()?;
    let writable = file.require_writes().is_ok();
    let protection = Protection::from_bits_truncate(call.args[2] as u32);
    let shares = flags.contains(MapFlags::SHARED);
    let writes = shares && protection.contains(Protection::WRITE);
    if !file.flags().access().reads() || (writes && !writable) {
        return Err(Errno::EACCES);
    }
    let metadata = file.metadata();
    // Stores go to a file's own frames, and what is the host's has none here.
    let has_frames = file.inode().fetches().is_none();
    match metadata.file_type {
        FileType::Regular if writes && !has_frames => return Err(Errno::ENODEV),
        // Its name may go: from here on it is open for page-ins.
        FileType::Regular if !has_frames => drop(file.inode().read_at(0, &mut [])?),
        FileType::Regular => {}
        FileType::CharDevice if metadata.special_device == device::ZERO && shares => {
            return map_memory(c, call.args[1]).await;
        }
        FileType::CharDevice if metadata.special_device == device::ZERO => {
            return Ok(Grant::Zeroes.to_value());
        }
        _ => return Err(Errno::ENODEV),
    }
    if writes && is_sealed(&file) {
        return Err(Errno::EPERM);
    }
    // A file sealed against stores is never mapped so that mprotect(2) could permit them.
    let writable = writable && has_frames && !is_sealed(&file);
    if shares && writable {
        file.inode().share_pages();
    }
    let path = file.dentry().path();
    let mapped = MappedFile { inode: Rc::clone(file.inode()), path };
    let map = c.kernel.enter_map(&c.home.maps, mapped);
    if shares {
        grant_shared(c, map, writable).await?;
    }
    Ok(Grant::File { map, writable }.to_value())
}

/// Lets the caller map a file shared, once all who share it are in one place.
///
/// # Errors
/// `ENODEV` if they cannot come together; `ERESTARTSYS` if the caller is killed meanwhile.
pub(in crate::syscall::home) async fn grant_shared(
    c: &Caller,
    map: MapId,
    writable: bool,
) -> Result<(), Errno> {
    let granted = c.kernel.grant_shared(&c.home, map, writable);
    c.thread.killable(&c.home, granted).await?
}

/// Grants memory to be shared with children: a file without a name, as on Linux.
async fn map_memory(c: &Caller, length: u64) -> SysResult {
    let open = OpenFlags::READ_WRITE | OpenFlags::LARGE_FILE;
    let file = c.kernel.vfs.make_memory_file(b"", 0o600, open, &c.asker())?;
    if length != 0 {
        let size = page_up(length).filter(|size| *size <= UserAddr::END.0).ok_or(Errno::ENOMEM)?;
        file.inode().set_size(size)?;
    }
    file.inode().share_pages();
    let mapped = MappedFile { inode: Rc::clone(file.inode()), path: b"/dev/zero".to_vec() };
    let map = c.kernel.enter_map(&c.home.maps, mapped);
    grant_shared(c, map, true).await?;
    Ok(Grant::File { map, writable: true }.to_value())
}

fn is_sealed(file: &OpenFile) -> bool {
    let against = Seals::WRITE | Seals::FUTURE_WRITE;
    file.inode().seals().is_ok_and(|seals| seals.intersects(against))
}

/// Tells the processes that map a file that its pages from `from` on up to `end` are no more.
pub(super) fn pages_gone(c: &Caller, file: &Rc<dyn Inode>, pages: Range<u64>) {
    for home in c.kernel.processes.homes() {
        let Some(map) = home.maps.find(file) else { continue };
        let Some(body) = home.cell().and_then(|cell| cell.body()) else { continue };
        body.memory().space.borrow_mut().drop_file_pages(map, pages.clone());
    }
}

/// Whether a process here can write to a file through a shared mapping.
pub(super) fn is_written_through(c: &Caller, file: &Rc<dyn Inode>) -> bool {
    let homes = c.kernel.processes.homes();
    homes.into_iter().any(|home| {
        let map = home.maps.find(file);
        if map.is_some_and(|map| home.maps.lent().contains(&map)) {
            return true;
        }
        let body = home.cell().and_then(|cell| cell.body());
        map.zip(body).is_some_and(|(map, body)| {
            let memory = body.memory();
            let space = memory.space.borrow();
            space.writes_file(map)
        })
    })
}
