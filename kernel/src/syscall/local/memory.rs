//! Changes to the address space, which is where the body is.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::MapId;
use wayfarer_proto::linux::mman::RemapFlags;

use crate::memory::{FileMapping, MapRequest, MappedFile, protection_from_raw};
use crate::process::Running;
use crate::syscall::{Call, SysResult};

/// mmap(2) with `MAP_ANONYMOUS`.
pub(super) fn map_anonymous(running: &Running, call: &Call) -> SysResult {
    map(running, &request(call)?)
}

/// mmap(2) of a file that home has granted.
pub fn map_file(running: &Running, call: &Call, map_id: MapId) -> SysResult {
    let file = MappedFile::default();
    let mapping = FileMapping { map: map_id, offset: call.args[5], writable: false, file };
    map(running, &MapRequest { file: Some(mapping), ..request(call)? })
}

fn request(call: &Call) -> Result<MapRequest, Errno> {
    MapRequest::from_raw(call.addr(0), call.args[1], call.args[2], call.args[3])
}

fn map(running: &Running, request: &MapRequest) -> SysResult {
    let memory = running.body.memory();
    let address = memory.space.borrow_mut().map(request)?;
    Ok(address.0)
}

/// munmap(2).
pub(super) fn unmap(running: &Running, call: &Call) -> SysResult {
    running.body.memory().space.borrow_mut().unmap(call.addr(0), call.args[1])?;
    Ok(0)
}

/// mprotect(2).
pub(super) fn protect(running: &Running, call: &Call) -> SysResult {
    let protection = protection_from_raw(call.args[2])?;
    let memory = running.body.memory();
    memory.space.borrow_mut().protect(call.addr(0), call.args[1], protection)?;
    Ok(0)
}

/// brk(2): gives the new program break, which is the old one if it cannot be moved.
pub(super) fn brk(running: &Running, call: &Call) -> SysResult {
    Ok(running.body.memory().space.borrow_mut().set_break(call.addr(0)).0)
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

/// madvise(2).
pub(super) fn advise(running: &Running, call: &Call) -> SysResult {
    running.body.memory().space.borrow_mut().advise(call.addr(0), call.args[1], call.args[2])?;
    Ok(0)
}
