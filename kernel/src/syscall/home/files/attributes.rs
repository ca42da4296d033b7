//! stat(2), statx(2), statfs(2), access(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::fcntl::{
    AT_EACCESS, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW,
};
use wayfarer_proto::linux::stat::{STATX_RESERVED, Stat, Statx};
use wayfarer_proto::table::Sysno;

use super::names::Name;
use super::wait::file;
use crate::fs::FollowLast;
use crate::syscall::{Call, Caller, SysResult};

/// Whether `*at` flags say that the last link is followed.
pub(super) const fn follow(flags: u32) -> FollowLast {
    if flags & AT_SYMLINK_NOFOLLOW != 0 { FollowLast::No } else { FollowLast::Yes }
}

/// Fails for flags that are not among `known`.
pub(super) const fn check_flags(flags: u32, known: u32) -> Result<(), Errno> {
    if flags & !known != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// stat(2), lstat(2) and newfstatat(2).
pub(super) async fn stat(c: &Caller, call: &Call) -> SysResult {
    let (flags, address) = match call.sysno {
        Sysno::stat => (0, call.addr(1)),
        Sysno::lstat => (AT_SYMLINK_NOFOLLOW, call.addr(1)),
        _ => (call.args[3] as u32, call.addr(2)),
    };
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)?;
    let name = match call.sysno {
        Sysno::newfstatat => Name::at(c, call, 0).await?,
        _ => Name::here(c, call, 0).await?,
    };
    let found = name.resolve(c, follow(flags), flags)?;
    found.inode().refresh()?;
    let stat = Stat::from(&found.inode().metadata());
    c.memory.copy_out(address, &stat.to_bytes()).await?;
    Ok(0)
}

/// fstat(2).
pub(super) async fn fstat(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    file.inode().refresh()?;
    let stat = Stat::from(&file.metadata());
    c.memory.copy_out(call.addr(1), &stat.to_bytes()).await?;
    Ok(0)
}

/// statx(2). All fields are filled, whatever the mask asks for.
pub(super) async fn statx(c: &Caller, call: &Call) -> SysResult {
    let (flags, mask) = (call.args[2] as u32, call.args[3] as u32);
    let known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
    check_flags(flags, known)?;
    if mask & STATX_RESERVED != 0 || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE {
        return Err(Errno::EINVAL);
    }
    let found = Name::at(c, call, 0).await?.resolve(c, follow(flags), flags)?;
    found.inode().refresh()?;
    let statx = Statx::from(&found.inode().metadata());
    c.memory.copy_out(call.addr(4), &statx.to_bytes()).await?;
    Ok(0)
}

/// statfs(2).
pub(super) async fn statfs(c: &Caller, call: &Call) -> SysResult {
    let found = Name::here(c, call, 0).await?.resolve(c, FollowLast::Yes, 0)?;
    c.memory.copy_out(call.addr(1), &found.inode().file_system()?.to_bytes()).await?;
    Ok(0)
}

/// fstatfs(2).
pub(super) async fn fstatfs(c: &Caller, call: &Call) -> SysResult {
    let statfs = file(c, call.int(0))?.inode().file_system()?;
    c.memory.copy_out(call.addr(1), &statfs.to_bytes()).await?;
    Ok(0)
}

/// access(2), faccessat(2) and faccessat2(2): for the real ids, unless told otherwise.
pub(super) async fn access(c: &Caller, call: &Call) -> SysResult {
    let (mode, flags) = match call.sysno {
        Sysno::access => (call.args[1], 0),
        Sysno::faccessat => (call.args[2], 0),
        _ => (call.args[2], call.args[3] as u32),
    };
    check_flags(flags, AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    check_flags(mode as u32, 7)?;
    let name = match call.sysno {
        Sysno::access => Name::here(c, call, 0).await?,
        _ => Name::at(c, call, 0).await?,
    };
    let found = name.resolve(c, follow(flags), flags)?;
    found.inode().refresh()?;
    let mut credentials = c.home.credentials.borrow().clone();
    if flags & AT_EACCESS == 0 {
        credentials = credentials.as_real();
    }
    let permitted = mode == 0 || credentials.permit(&**found.inode(), mode as u32);
    if permitted { Ok(0) } else { Err(Errno::EACCES) }
}
