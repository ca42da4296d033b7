//! Process groups and sessions (setpgid(2), setsid(2)).

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;

use crate::process::Home;
use crate::syscall::{Call, Caller, SysResult};

/// getppid(2).
pub(super) fn parent(c: &Caller) -> Pid {
    c.home.parent.borrow().upgrade().map_or(Pid(0), |parent| parent.pid)
}

/// The process an argument names; 0 is the caller.
fn target(c: &Caller, pid: i32) -> Result<Rc<Home>, Errno> {
    match pid {
        0 => Ok(Rc::clone(&c.home)),
        pid => c.kernel.processes.home(Pid(pid)).ok_or(Errno::ESRCH),
    }
}

/// getpgid(2).
pub(super) fn getpgid(c: &Caller, call: &Call) -> SysResult {
    Ok(target(c, call.int(0))?.group.get().0 as u64)
}

/// getsid(2).
pub(super) fn getsid(c: &Caller, call: &Call) -> SysResult {
    Ok(target(c, call.int(0))?.session.get().0 as u64)
}

/// setpgid(2).
pub(super) fn setpgid(c: &Caller, call: &Call) -> SysResult {
    let process = target(c, call.int(0))?;
    let group = match call.int(1) {
        0 => process.pid,
        group if group < 0 => return Err(Errno::EINVAL),
        group => Pid(group),
    };
    let own = Rc::ptr_eq(&process, &c.home);
    if !own && !c.home.children.borrow().contains_key(&process.pid) {
        return Err(Errno::ESRCH);
    }
    if process.session.get() == process.pid || process.session.get() != c.home.session.get() {
        return Err(Errno::EPERM);
    }
    if !own && process.executions.get() > 0 {
        return Err(Errno::EACCES);
    }
    let joins = group == process.pid
        || c.kernel
            .group_members(group)
            .iter()
            .any(|member| member.session.get() == c.home.session.get());
    if !joins {
        return Err(Errno::EPERM);
    }
    process.group.set(group);
    Ok(0)
}

/// setsid(2).
pub(super) fn setsid(c: &Caller) -> SysResult {
    if !c.kernel.group_members(c.home.pid).is_empty() {
        return Err(Errno::EPERM);
    }
    c.home.session.set(c.home.pid);
    c.home.group.set(c.home.pid);
    Ok(c.home.pid.0 as u64)
}
