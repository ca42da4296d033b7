//! Calls on event descriptors: the home handlers over [`crate::event`].

mod counter;
mod epoll;
mod process;
pub(super) mod timer;

use alloc::rc::Rc;

pub(super) use process::{open as open_process, process_of};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::table::Sysno;

use super::files::wait::descriptor_limit;
use crate::fs::{Descriptor, FileObject};
use crate::syscall::{Call, Caller, SysResult};

/// Executes a call on event descriptors.
///
/// # Errors
/// What the call's manual page says; `ENOSYS` for a call that is none of these.
pub(super) async fn dispatch(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::epoll_create | Sysno::epoll_create1 => epoll::create(c, call),
        Sysno::epoll_ctl => epoll::control(c, call).await,
        Sysno::epoll_wait | Sysno::epoll_pwait | Sysno::epoll_pwait2 => epoll::wait(c, call).await,
        Sysno::eventfd | Sysno::eventfd2 => counter::eventfd(c, call),
        Sysno::signalfd | Sysno::signalfd4 => counter::signalfd(c, call).await,
        Sysno::timerfd_create => timer::create(c, call),
        Sysno::timerfd_settime => timer::set_time(c, call).await,
        Sysno::timerfd_gettime => timer::get_time(c, call).await,
        Sysno::pidfd_open => process::pidfd_open(c, call),
        Sysno::pidfd_send_signal => process::send_signal(c, call),
        Sysno::pidfd_getfd => process::get_file(c, call),
        _ => Err(Errno::ENOSYS),
    }
}

/// The flags of a new event descriptor: those of open(2) that make sense for it, and no others.
///
/// # Errors
/// `EINVAL`.
pub(super) fn open_flags(raw: u64, others: u32) -> Result<OpenFlags, Errno> {
    let flags = OpenFlags::from_bits_retain(raw as u32 & !others);
    if (OpenFlags::CLOSE_ON_EXEC | OpenFlags::NONBLOCK).contains(flags) {
        Ok(flags | OpenFlags::READ_WRITE)
    } else {
        Err(Errno::EINVAL)
    }
}

/// Gives the caller a descriptor of `object`.
///
/// # Errors
/// `EMFILE`.
pub(super) fn install(
    c: &Caller,
    kind: &str,
    object: Rc<dyn FileObject>,
    flags: OpenFlags,
) -> SysResult {
    let file = c.kernel.nameless.open_event(kind, object, flags, c.kernel.vfs.open_files());
    let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
    let descriptor = Descriptor { file, close_on_exec };
    let fd = c.home.files.descriptors().insert(descriptor, Fd(0), descriptor_limit(c))?;
    Ok(fd.0 as u64)
}
