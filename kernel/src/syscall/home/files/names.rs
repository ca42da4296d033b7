//! Making, moving, removing and reading names: mkdir(2), mknod(2), symlink(2), link(2), unlink(2),
//! rename(2), readlink(2).

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, UserAddr};
use wayfarer_proto::linux::fcntl::{
    AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, PATH_MAX,
};
use wayfarer_proto::linux::stat::DeviceNumber;
use wayfarer_proto::table::Sysno;

use super::buffers::kernel_buffer;
use crate::fs::{Dentry, FollowLast, RenameMode};
use crate::syscall::{Call, Caller, SysResult};

/// Copies a path in.
///
/// # Errors
/// `EFAULT`, `ENAMETOOLONG`.
pub(in crate::syscall::home) async fn path(
    c: &Caller,
    address: UserAddr,
) -> Result<Vec<u8>, Errno> {
    Ok(c.memory.copy_in_str(address, PATH_MAX).await?)
}

/// The current directory.
pub(in crate::syscall::home) fn start_here(c: &Caller) -> Rc<Dentry> {
    c.home.files.directory()
}

/// Where a path relative to `directory` starts: a descriptor or `AT_FDCWD`. An absolute path starts
/// at the root, whatever the descriptor.
///
/// # Errors
/// `EBADF`.
pub(super) fn start_at(c: &Caller, directory: i32, path: &[u8]) -> Result<Rc<Dentry>, Errno> {
    if directory == AT_FDCWD || path.first() == Some(&b'/') {
        return Ok(start_here(c));
    }
    Ok(c.home.files.descriptors().get(Fd(directory))?.dentry().clone())
}

/// A path argument with where it starts.
pub(in crate::syscall::home) struct Name {
    pub(in crate::syscall::home) start: Rc<Dentry>,
    pub(in crate::syscall::home) path: Vec<u8>,
}

impl Name {
    /// The path at argument `index`, relative to the current directory.
    pub(super) async fn here(c: &Caller, call: &Call, index: usize) -> Result<Self, Errno> {
        let path = path(c, call.addr(index)).await?;
        Ok(Self { start: start_here(c), path })
    }

    /// The path at argument `index + 1`, relative to the descriptor in argument `index`.
    pub(in crate::syscall::home) async fn at(
        c: &Caller,
        call: &Call,
        index: usize,
    ) -> Result<Self, Errno> {
        let path = path(c, call.addr(index + 1)).await?;
        Ok(Self { start: start_at(c, call.int(index), &path)?, path })
    }

    /// As [`at`](Self::at), but an absolute path has the descriptor as its start, too: it may be
    /// its root (openat2(2)).
    pub(super) async fn below(c: &Caller, call: &Call, index: usize) -> Result<Self, Errno> {
        let path = path(c, call.addr(index + 1)).await?;
        Ok(Self { start: start_at(c, call.int(index), b".")?, path })
    }

    /// What it names. An empty path names its start if `flags` permit that (`AT_EMPTY_PATH`).
    pub(in crate::syscall::home) fn resolve(
        &self,
        c: &Caller,
        follow: FollowLast,
        flags: u32,
    ) -> Result<Rc<Dentry>, Errno> {
        if self.path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            return Ok(self.start.clone());
        }
        c.kernel.vfs.resolve(&self.start, &self.path, follow, &c.asker())
    }
}

/// Permission bits of something new.
pub(in crate::syscall::home) fn masked(c: &Caller, mode: u64) -> u32 {
    mode as u32 & !c.home.files.umask()
}

/// mkdir(2) and mkdirat(2).
pub(super) async fn mkdir(c: &Caller, call: &Call) -> SysResult {
    let (name, mode) = match call.sysno {
        Sysno::mkdir => (Name::here(c, call, 0).await?, call.args[1]),
        _ => (Name::at(c, call, 0).await?, call.args[2]),
    };
    c.kernel.vfs.make_directory(&name.start, &name.path, masked(c, mode), &c.asker())?;
    Ok(0)
}

/// mknod(2) and mknodat(2).
pub(super) async fn mknod(c: &Caller, call: &Call) -> SysResult {
    let (name, mode, device) = match call.sysno {
        Sysno::mknod => (Name::here(c, call, 0).await?, call.args[1], call.args[2]),
        _ => (Name::at(c, call, 0).await?, call.args[2], call.args[3]),
    };
    // The argument is 32 bits wide, in the same encoding as far as it goes.
    let device = DeviceNumber(device & 0xffff_ffff);
    c.kernel.vfs.make_node(&name.start, &name.path, masked(c, mode), device, &c.asker())?;
    Ok(0)
}

/// symlink(2) and symlinkat(2).
pub(super) async fn symlink(c: &Caller, call: &Call) -> SysResult {
    let target = path(c, call.addr(0)).await?;
    let name = match call.sysno {
        Sysno::symlink => Name::here(c, call, 1).await?,
        _ => Name::at(c, call, 1).await?,
    };
    c.kernel.vfs.make_symlink(&target, &name.start, &name.path, &c.asker())?;
    Ok(0)
}

/// link(2) and linkat(2).
pub(super) async fn link(c: &Caller, call: &Call) -> SysResult {
    let (old, new, flags) = match call.sysno {
        Sysno::link => (Name::here(c, call, 0).await?, Name::here(c, call, 1).await?, 0),
        _ => (Name::at(c, call, 0).await?, Name::at(c, call, 2).await?, call.args[4] as u32),
    };
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 { FollowLast::Yes } else { FollowLast::No };
    let source = old.resolve(c, follow, flags)?;
    c.kernel.vfs.link(&source, &new.start, &new.path, &c.asker())?;
    Ok(0)
}

/// unlink(2), unlinkat(2) and rmdir(2).
pub(super) async fn unlink(c: &Caller, call: &Call) -> SysResult {
    let (name, flags) = match call.sysno {
        Sysno::unlink => (Name::here(c, call, 0).await?, 0),
        Sysno::rmdir => (Name::here(c, call, 0).await?, AT_REMOVEDIR),
        _ => (Name::at(c, call, 0).await?, call.args[2] as u32),
    };
    let vfs = &c.kernel.vfs;
    match flags {
        0 => vfs.unlink(&name.start, &name.path, &c.asker())?,
        AT_REMOVEDIR => vfs.remove_directory(&name.start, &name.path, &c.asker())?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// rename(2), renameat(2) and renameat2(2).
pub(super) async fn rename(c: &Caller, call: &Call) -> SysResult {
    let mode = match call.sysno {
        Sysno::renameat2 => RenameMode::from_flags(call.args[4] as u32)?,
        _ => RenameMode::Replace,
    };
    let (old, new) = match call.sysno {
        Sysno::rename => (Name::here(c, call, 0).await?, Name::here(c, call, 1).await?),
        _ => (Name::at(c, call, 0).await?, Name::at(c, call, 2).await?),
    };
    let (from, to) = ((&old.start, &old.path[..]), (&new.start, &new.path[..]));
    c.kernel.vfs.rename(from, to, mode, &c.asker())?;
    Ok(0)
}

/// readlink(2) and readlinkat(2).
pub(super) async fn readlink(c: &Caller, call: &Call) -> SysResult {
    let (name, first, flags) = match call.sysno {
        Sysno::readlink => (Name::here(c, call, 0).await?, 1, 0),
        // An empty path names the link that the descriptor was opened on with O_PATH.
        _ => (Name::at(c, call, 0).await?, 2, AT_EMPTY_PATH),
    };
    let (address, size) = (call.addr(first), call.int(first + 1));
    let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or(Errno::EINVAL)?;
    let link = name.resolve(c, FollowLast::No, flags)?;
    let target = link.inode().read_link(&c.asker()).map_err(|error| match error {
        Errno::EINVAL if name.path.is_empty() => Errno::ENOENT,
        other => other,
    })?;
    let length = target.len().min(size);
    c.memory.copy_out(address, &target[..length]).await?;
    Ok(length as u64)
}

/// Copies a structure of `N` bytes in.
pub(in crate::syscall::home) async fn structure<const N: usize>(
    c: &Caller,
    address: UserAddr,
) -> Result<[u8; N], Errno> {
    let mut bytes = [0; N];
    c.memory.copy_in(address, &mut bytes).await?;
    Ok(bytes)
}

/// Copies an array of `count` elements of `size` bytes in.
pub(in crate::syscall::home) async fn array(
    c: &Caller,
    address: UserAddr,
    count: usize,
    size: usize,
) -> Result<Vec<u8>, Errno> {
    let mut bytes = kernel_buffer(count * size)?;
    c.memory.copy_in(address, &mut bytes).await?;
    Ok(bytes)
}
