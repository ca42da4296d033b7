//! Calls that end where they are made. A short call's handler costs less than the future that
//! would be made of it: handlers that never wait are called as functions, and so are reads and
//! writes of what is there, in memory that is here.

use wayfarer_proto::table::Sysno;

use super::{family, files, group, posix_timer, signal, timer};
use crate::syscall::{Call, Caller, SysResult};

/// Executes the home part of a call, if it can end now. `None` has changed nothing: the call's
/// future does all of it.
type Handler = fn(&Caller, &Call) -> Option<SysResult>;

/// The handler of a call that may end where it is made.
pub fn at_once(sysno: Sysno) -> Option<Handler> {
    let handler: Handler = match sysno {
        Sysno::read | Sysno::pread64 => files::read_at_once,
        Sysno::write | Sysno::pwrite64 => files::write_at_once,
        Sysno::lseek => |c, call| Some(files::lseek(c, call)),
        Sysno::ftruncate => |c, call| Some(files::ftruncate(c, call)),
        Sysno::fsync | Sysno::fdatasync => |c, call| Some(files::fsync(c, call)),
        Sysno::sync => |_, _| Some(Ok(0)),
        Sysno::close => |c, call| Some(files::close(c, call)),
        Sysno::close_range => |c, call| Some(files::close_range(c, call)),
        Sysno::dup => |c, call| Some(files::dup(c, call)),
        Sysno::dup2 => |c, call| Some(files::dup2(c, call)),
        Sysno::dup3 => |c, call| Some(files::dup3(c, call)),
        Sysno::fchdir => |c, call| Some(files::fchdir(c, call)),
        Sysno::umask => |c, call| Some(files::umask(c, call)),
        Sysno::fadvise64 | Sysno::readahead | Sysno::sync_file_range | Sysno::syncfs => {
            |c, call| Some(files::advise(c, call))
        }
        Sysno::kill => |c, call| Some(signal::kill(c, call)),
        Sysno::tkill => |c, call| Some(signal::tkill(c, call)),
        Sysno::tgkill => |c, call| Some(signal::tgkill(c, call)),
        Sysno::alarm => |c, call| Some(timer::alarm(c, call)),
        Sysno::timer_getoverrun => |c, call| Some(posix_timer::overrun(c, call)),
        Sysno::timer_delete => |c, call| Some(posix_timer::delete(c, call)),
        Sysno::getppid => |c, _| Some(Ok(group::parent(c).0 as u64)),
        Sysno::getpgrp => |c, _| Some(Ok(c.home.group.get().0 as u64)),
        Sysno::getpgid => |c, call| Some(group::getpgid(c, call)),
        Sysno::setpgid => |c, call| Some(group::setpgid(c, call)),
        Sysno::getsid => |c, call| Some(group::getsid(c, call)),
        Sysno::unshare => |c, call| Some(family::unshare(c, call)),
        Sysno::setsid => |c, _| Some(group::setsid(c)),
        _ => return None,
    };
    Some(handler)
}

/// Whether a call may end where it is made.
pub fn ends_at_once(sysno: Sysno) -> bool {
    at_once(sysno).is_some()
}
