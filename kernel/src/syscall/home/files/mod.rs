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

pub(super) use descriptor::{close, close_range, dup, dup2, dup3};
pub(super) use directory::{fchdir, umask};
pub(super) use position::{fsync, ftruncate, lseek};
pub(super) use read::read_at_once;
pub(super) use space::advise;
pub(super) use write::write_at_once;

use alloc::boxed::Box;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::table::Sysno;

use crate::syscall::home::{Handling, at_once};
use crate::syscall::{Call, Caller, Returned};

/// Executes a call on files.
///
/// # Errors
/// What the call's manual page says; `ENOSYS` for a call that is none of these.
pub(super) fn dispatch<'a>(c: &'a Caller, call: &'a Call) -> Handling<'a> {
    match call.sysno {
        Sysno::read | Sysno::pread64 | Sysno::readv | Sysno::preadv | Sysno::preadv2 => {
            Box::pin(read::read(c, call))
        }
        Sysno::write | Sysno::pwrite64 | Sysno::writev | Sysno::pwritev | Sysno::pwritev2 => {
            Box::pin(write::write(c, call))
        }
        Sysno::splice => Box::pin(splice::splice(c, call)),
        Sysno::tee => Box::pin(splice::tee(c, call)),
        Sysno::vmsplice => Box::pin(splice::vmsplice(c, call)),
        Sysno::copy_file_range => Box::pin(transfer::copy_file_range(c, call)),
        Sysno::fallocate => Box::pin(space::fallocate(c, call)),
        Sysno::inotify_init | Sysno::inotify_init1 => Box::pin(async { inotify::init(c, call) }),
        Sysno::inotify_add_watch => Box::pin(inotify::add_watch(c, call)),
        Sysno::inotify_rm_watch => Box::pin(async { inotify::remove_watch(c, call) }),
        Sysno::memfd_create => Box::pin(memory_file::memfd_create(c, call)),
        Sysno::sendfile => Box::pin(send_file::sendfile(c, call)),
        Sysno::truncate => Box::pin(position::truncate(c, call)),
        Sysno::ioctl => Box::pin(ioctl::ioctl(c, call)),
        Sysno::poll | Sysno::ppoll => Box::pin(poll::poll(c, call)),
        Sysno::select | Sysno::pselect6 => Box::pin(select::select(c, call)),
        Sysno::pipe | Sysno::pipe2 => Box::pin(descriptor::pipe(c, call)),
        Sysno::fcntl => Box::pin(descriptor::fcntl(c, call)),
        Sysno::flock => Box::pin(lock::flock(c, call)),
        _ => dispatch_paths(c, call),
    }
}

/// Executes a call on names.
fn dispatch_paths<'a>(c: &'a Caller, call: &'a Call) -> Handling<'a> {
    match call.sysno {
        Sysno::open | Sysno::openat | Sysno::creat => Box::pin(open::open(c, call)),
        Sysno::openat2 => Box::pin(open::openat2(c, call)),
        Sysno::stat | Sysno::lstat | Sysno::newfstatat => Box::pin(attributes::stat(c, call)),
        Sysno::fstat => Box::pin(attributes::fstat(c, call)),
        Sysno::statx => Box::pin(attributes::statx(c, call)),
        Sysno::statfs => Box::pin(attributes::statfs(c, call)),
        Sysno::fstatfs => Box::pin(attributes::fstatfs(c, call)),
        Sysno::access | Sysno::faccessat | Sysno::faccessat2 => {
            Box::pin(attributes::access(c, call))
        }
        Sysno::chmod | Sysno::fchmod | Sysno::fchmodat | Sysno::fchmodat2 => {
            Box::pin(change::chmod(c, call))
        }
        Sysno::chown | Sysno::fchown | Sysno::lchown | Sysno::fchownat => {
            Box::pin(change::chown(c, call))
        }
        Sysno::utime | Sysno::utimes | Sysno::futimesat | Sysno::utimensat => {
            Box::pin(time::set_times(c, call))
        }
        Sysno::mkdir | Sysno::mkdirat => Box::pin(names::mkdir(c, call)),
        Sysno::mknod | Sysno::mknodat => Box::pin(names::mknod(c, call)),
        Sysno::symlink | Sysno::symlinkat => Box::pin(names::symlink(c, call)),
        Sysno::link | Sysno::linkat => Box::pin(names::link(c, call)),
        Sysno::unlink | Sysno::unlinkat | Sysno::rmdir => Box::pin(names::unlink(c, call)),
        Sysno::rename | Sysno::renameat | Sysno::renameat2 => Box::pin(names::rename(c, call)),
        Sysno::readlink | Sysno::readlinkat => Box::pin(names::readlink(c, call)),
        Sysno::getdents | Sysno::getdents64 => Box::pin(directory::getdents(c, call)),
        Sysno::getcwd => Box::pin(directory::getcwd(c, call)),
        Sysno::chdir => Box::pin(directory::chdir(c, call)),
        Sysno::chroot => Box::pin(directory::chroot(c, call)),
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
        | Sysno::fremovexattr => Box::pin(xattr::xattr(c, call)),
        // What ends at once may not have: a file's content is elsewhere, or the host's.
        _ => Box::pin(async {
            let returned = at_once(call.sysno).and_then(|handler| handler(c, call));
            returned.map_or(Err(Errno::ENOSYS), Returned::result)
        }),
    }
}
