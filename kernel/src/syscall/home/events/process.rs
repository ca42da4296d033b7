//! pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, Pid};
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::signal::SI_USER;

use super::super::files::wait::{descriptor_limit, file};
use super::super::signal::{sent_by, signal_argument};
use crate::event::PidFd;
use crate::fs::Descriptor;
use crate::process::Home;
use crate::syscall::{Call, Caller, SysResult};

/// pidfd_open(2).
pub(super) fn pidfd_open(c: &Caller, call: &Call) -> SysResult {
    let flags = OpenFlags::from_bits_retain(call.args[1] as u32);
    if call.int(0) <= 0 || !OpenFlags::NONBLOCK.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let home = c.kernel.processes.home(Pid(call.int(0))).ok_or(Errno::ESRCH)?;
    open(c, &home, flags)
}

/// A descriptor of a process, for the caller.
///
/// # Errors
/// `EMFILE`.
pub(in crate::syscall::home) fn open(c: &Caller, home: &Rc<Home>, flags: OpenFlags) -> SysResult {
    let flags = flags | OpenFlags::CLOSE_ON_EXEC | OpenFlags::READ_WRITE;
    super::install(c, "pidfd", PidFd::new(home), flags)
}

/// The process that a descriptor names.
///
/// # Errors
/// `EBADF` if it is not a process descriptor, `ESRCH` if the process was waited for.
fn home_of(c: &Caller, fd: i32) -> Result<Rc<Home>, Errno> {
    let file = file(c, fd)?;
    PidFd::of(&**file.object()).ok_or(Errno::EBADF)?.home().ok_or(Errno::ESRCH)
}

/// The pid of the process that a descriptor names, for waitid(2).
///
/// # Errors
/// `EBADF`; `ECHILD` if the process was waited for.
pub(in crate::syscall::home) fn process_of(c: &Caller, fd: i32) -> Result<Pid, Errno> {
    match home_of(c, fd) {
        Ok(home) => Ok(home.pid),
        Err(Errno::ESRCH) => Err(Errno::ECHILD),
        Err(error) => Err(error),
    }
}

/// pidfd_send_signal(2). What a program says of the signal's origin is not believed.
pub(super) fn send_signal(c: &Caller, call: &Call) -> SysResult {
    if call.args[3] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let home = home_of(c, call.int(0))?;
    if let Some(signal) = signal_argument(call.args[1])? {
        home.post(sent_by(c, signal, SI_USER));
    }
    Ok(0)
}

/// pidfd_getfd(2).
pub(super) fn get_file(c: &Caller, call: &Call) -> SysResult {
    if call.args[2] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let file = home_of(c, call.int(0))?.files.descriptors().get(Fd(call.int(1)))?;
    // It is no longer alone in moving the offset.
    file.settled_offset()?;
    let descriptor = Descriptor { file, close_on_exec: true };
    let fd = c.home.files.descriptors().insert(descriptor, Fd(0), descriptor_limit(c))?;
    Ok(fd.0 as u64)
}
