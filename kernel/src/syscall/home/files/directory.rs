//! getdents64(2), getdents(2), getcwd(2), chdir(2), chroot(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::WINDOW;
use wayfarer_proto::linux::capability::CAP_SYS_CHROOT;
use wayfarer_proto::linux::fcntl::{PATH_MAX, X_OK};
use wayfarer_proto::linux::stat::FileType;
use wayfarer_proto::table::Sysno;

use super::names::{path, start_here};
use super::wait::file;
use crate::fs::Asker as _;
use crate::fs::dirent::DirentFormat;
use crate::syscall::{Call, Caller, SysResult};

/// getdents(2) and getdents64(2).
pub(super) async fn getdents(c: &Caller, call: &Call) -> SysResult {
    let format = match call.sysno {
        Sysno::getdents => DirentFormat::Old,
        _ => DirentFormat::Dirent64,
    };
    let file = file(c, call.int(0))?;
    let size = (call.args[2] as u32 as usize).min(WINDOW);
    let room = if size == 0 { 0 } else { c.memory.prepare_out(call.addr(1), size).await? };
    let entries = file.read_directory(room, format, &c.asker())?;
    c.memory.copy_out(call.addr(1), &entries).await?;
    Ok(entries.len() as u64)
}

/// getcwd(2): the length with the NUL.
pub(super) async fn getcwd(c: &Caller, call: &Call) -> SysResult {
    let mut path = c.kernel.vfs.path_of_directory(&start_here(c), &c.asker())?;
    path.push(0);
    if path.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    if path.len() as u64 > call.args[1] {
        return Err(Errno::ERANGE);
    }
    c.memory.copy_out(call.addr(0), &path).await?;
    Ok(path.len() as u64)
}

/// chdir(2).
pub(super) async fn chdir(c: &Caller, call: &Call) -> SysResult {
    let path = path(c, call.addr(0)).await?;
    let directory = c.kernel.vfs.resolve_directory(&start_here(c), &path, &c.asker())?;
    c.home.files.set_directory(directory);
    Ok(0)
}

/// umask(2).
pub(in crate::syscall::home) fn umask(c: &Caller, call: &Call) -> SysResult {
    Ok(c.home.files.set_umask(call.args[0] as u32 & 0o777).into())
}

/// chroot(2).
pub(super) async fn chroot(c: &Caller, call: &Call) -> SysResult {
    let path = path(c, call.addr(0)).await?;
    let directory = c.kernel.vfs.resolve_directory(&start_here(c), &path, &c.asker())?;
    if !c.home.credentials.borrow().has(CAP_SYS_CHROOT) {
        return Err(Errno::EPERM);
    }
    c.home.files.set_root(directory);
    Ok(0)
}

/// fchdir(2).
pub(in crate::syscall::home) fn fchdir(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    if file.inode().file_type() != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    c.asker().require(&**file.inode(), X_OK)?;
    c.home.files.set_directory(file.dentry().clone());
    Ok(0)
}
