//! memfd_create(2), and seals (fcntl(2)).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::fcntl::{
    MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, MFD_NAME_MAX, MFD_NOEXEC_SEAL, OpenFlags, Seals,
};

use super::wait::descriptor_limit;
use crate::fs::ramfs::RamInode;
use crate::fs::{Descriptor, OpenFile};
use crate::syscall::home::map::is_written_through;
use crate::syscall::{Call, Caller, SysResult};

/// memfd_create(2). Huge pages are refused: there are none.
pub(super) async fn memfd_create(c: &Caller, call: &Call) -> SysResult {
    let flags = call.args[1] as u32;
    let known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
    let both = MFD_NOEXEC_SEAL | MFD_EXEC;
    if flags & !known != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let name = c.memory.copy_in_str(call.addr(0), MFD_NAME_MAX + 1).await;
    let name = name.map_err(|error| match Errno::from(error) {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        other => other,
    })?;
    let permissions = if flags & MFD_NOEXEC_SEAL != 0 { 0o666 } else { 0o777 };
    let open = OpenFlags::READ_WRITE | OpenFlags::LARGE_FILE;
    let file = c.kernel.vfs.make_memory_file(&name, permissions, open, &c.asker())?;
    if flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) != 0 {
        let any: &dyn core::any::Any = &**file.inode();
        any.downcast_ref::<RamInode>().ok_or(Errno::EINVAL)?.allow_seals();
    }
    if flags & MFD_NOEXEC_SEAL != 0 {
        file.inode().add_seals(Seals::EXEC)?;
    }
    let descriptor = Descriptor { file, close_on_exec: flags & MFD_CLOEXEC != 0 };
    let fd = c.home.files.descriptors().insert(descriptor, Fd(0), descriptor_limit(c))?;
    Ok(fd.0 as u64)
}

/// `F_GET_SEALS`.
pub(super) fn seals(file: &OpenFile) -> SysResult {
    Ok(file.inode().seals()?.bits().into())
}

/// `F_ADD_SEALS`.
pub(super) fn add_seals(c: &Caller, file: &OpenFile, argument: u64) -> SysResult {
    file.require_writes().map_err(|_| Errno::EPERM)?;
    let seals = u32::try_from(argument).ok().and_then(Seals::from_bits).ok_or(Errno::EINVAL)?;
    if file.inode().seals()?.contains(Seals::SEAL) {
        return Err(Errno::EPERM);
    }
    if file.inode().is_lent() {
        // Whether it is mapped is known where its sharers are.
        file.inode().read_at(0, &mut [])?;
    }
    if seals.contains(Seals::WRITE) && is_written_through(c, file.inode()) {
        return Err(Errno::EBUSY);
    }
    file.inode().add_seals(seals)?;
    Ok(0)
}
