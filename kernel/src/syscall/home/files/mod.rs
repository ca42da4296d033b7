//! Calls on files: the home handlers over [`crate::fs`].
//!
//! Each reserves (which destination bytes can be written), then consumes (one synchronous try on
//! the file), then copies. A try that answers `EAGAIN` is repeated when the file's wait queue
//! wakes; see [`wait`].

mod attributes;
pub(super) mod buffers;
mod change;
mod descriptor;
mod directory;
mod inotify;
mod ioctl;
mod lock;
mod memory_file;
pub(super) mod names;
mod open;
pub(super) mod poll;
mod position;
mod read;
mod select;
mod send_file;
mod space;
mod splice;
mod time;
mod transfer;
pub(super) mod wait;
mod write;
mod xattr;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::table::Sysno;

use crate::syscall::{Call, Caller, SysResult};

/// Executes a call on files.
///
/// # Errors
/// What the call's manual page says; `ENOSYS` for a call that is none of these.
pub(super) async fn dispatch(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::read | Sysno::pread64 | Sysno::readv | Sysno::preadv | Sysno::preadv2 => {
            read::read(c, call).await
        }
        Sysno::write | Sysno::pwrite64 | Sysno::writev | Sysno::pwritev | Sysno::pwritev2 => {
            write::write(c, call).await
        }
        Sysno::splice => splice::splice(c, call).await,
        Sysno::tee => splice::tee(c, call).await,
        Sysno::vmsplice => splice::vmsplice(c, call).await,
        Sysno::copy_file_range => transfer::copy_file_range(c, call).await,
        Sysno::fallocate => space::fallocate(c, call).await,
        Sysno::fadvise64 | Sysno::readahead | Sysno::sync_file_range | Sysno::syncfs => {
            space::advise(c, call)
        }
        Sysno::inotify_init | Sysno::inotify_init1 => inotify::init(c, call),
        Sysno::inotify_add_watch => inotify::add_watch(c, call).await,
        Sysno::inotify_rm_watch => inotify::remove_watch(c, call),
        Sysno::memfd_create => memory_file::memfd_create(c, call).await,
        Sysno::sendfile => send_file::sendfile(c, call).await,
        Sysno::lseek => position::lseek(c, call),
        Sysno::ftruncate => position::ftruncate(c, call),
        Sysno::truncate => position::truncate(c, call).await,
        Sysno::fsync | Sysno::fdatasync => position::fsync(c, call),
        Sysno::sync => Ok(0),
        Sysno::ioctl => ioctl::ioctl(c, call).await,
        Sysno::poll | Sysno::ppoll => poll::poll(c, call).await,
        Sysno::select | Sysno::pselect6 => select::select(c, call).await,
        Sysno::close => descriptor::close(c, call),
        Sysno::close_range => descriptor::close_range(c, call),
        Sysno::dup => descriptor::dup(c, call),
        Sysno::dup2 => descriptor::dup2(c, call),
        Sysno::dup3 => descriptor::dup3(c, call),
        Sysno::pipe | Sysno::pipe2 => descriptor::pipe(c, call).await,
        Sysno::fcntl => descriptor::fcntl(c, call).await,
        Sysno::flock => lock::flock(c, call).await,
        _ => dispatch_paths(c, call).await,
    }
}

/// Executes a call on names.
async fn dispatch_paths(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::open | Sysno::openat | Sysno::creat => open::open(c, call).await,
        Sysno::openat2 => open::openat2(c, call).await,
        Sysno::stat | Sysno::lstat | Sysno::newfstatat => attributes::stat(c, call).await,
        Sysno::fstat => attributes::fstat(c, call).await,
        Sysno::statx => attributes::statx(c, call).await,
        Sysno::statfs => attributes::statfs(c, call).await,
        Sysno::fstatfs => attributes::fstatfs(c, call).await,
        Sysno::access | Sysno::faccessat | Sysno::faccessat2 => attributes::access(c, call).await,
        Sysno::chmod | Sysno::fchmod | Sysno::fchmodat | Sysno::fchmodat2 => {
            change::chmod(c, call).await
        }
        Sysno::chown | Sysno::fchown | Sysno::lchown | Sysno::fchownat => {
            change::chown(c, call).await
        }
        Sysno::utime | Sysno::utimes | Sysno::futimesat | Sysno::utimensat => {
            time::set_times(c, call).await
        }
        Sysno::mkdir | Sysno::mkdirat => names::mkdir(c, call).await,
        Sysno::mknod | Sysno::mknodat => names::mknod(c, call).await,
        Sysno::symlink | Sysno::symlinkat => names::symlink(c, call).await,
        Sysno::link | Sysno::linkat => names::link(c, call).await,
        Sysno::unlink | Sysno::unlinkat | Sysno::rmdir => names::unlink(c, call).await,
        Sysno::rename | Sysno::renameat | Sysno::renameat2 => names::rename(c, call).await,
        Sysno::readlink | Sysno::readlinkat => names::readlink(c, call).await,
        Sysno::getdents | Sysno::getdents64 => directory::getdents(c, call).await,
        Sysno::getcwd => directory::getcwd(c, call).await,
        Sysno::chdir => directory::chdir(c, call).await,
        Sysno::fchdir => directory::fchdir(c, call),
        Sysno::umask => Ok(c.home.files.umask.replace(call.args[0] as u32 & 0o777).into()),
        Sysno::setxattr
        | Sysno::lsetxattr
        | Sysno::fsetxattr
        | Sysno::getxattr
        | Sysno::lgetxattr
        | Sysno::fgetxattr
        | Sysno::listxattr
        | Sysno::llistxattr
        | Sysno::flistxattr
        | Sysno::removexattr
        | Sysno::lremovexattr
        | Sysno::fremovexattr => xattr::xattr(c, call).await,
        _ => Err(Errno::ENOSYS),
    }
}
