//! Resource limits (getrlimit(2)).

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Pid, UserAddr};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::process::{RLIM_INFINITY, Rlimit};
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::table::Sysno;

use crate::fs::Asker as _;
use crate::process::Home;
use crate::syscall::{Call, Caller, SysResult};

/// getrlimit(2).
pub(super) async fn getrlimit(c: &Caller, call: &Call) -> SysResult {
    exchange(c, &c.home, call.args[0], UserAddr::NULL, call.addr(1)).await
}

/// setrlimit(2).
pub(super) async fn setrlimit(c: &Caller, call: &Call) -> SysResult {
    exchange(c, &c.home, call.args[0], call.addr(1), UserAddr::NULL).await
}

/// prlimit(2).
pub(super) async fn prlimit64(c: &Caller, call: &Call) -> SysResult {
    let target = match call.int(0) {
        0 => alloc::rc::Rc::clone(&c.home),
        pid => c.kernel.processes.home(Pid(pid)).ok_or(Errno::ESRCH)?,
    };
    exchange(c, &target, call.args[1], call.addr(2), call.addr(3)).await
}

/// Calls that make files larger, and that `RLIMIT_FSIZE` refuses with `EFBIG`. Others have meanings
/// of their own for that.
const GROWING: [Sysno; 11] = [
    Sysno::write,
    Sysno::pwrite64,
    Sysno::writev,
    Sysno::pwritev,
    Sysno::pwritev2,
    Sysno::truncate,
    Sysno::ftruncate,
    Sysno::fallocate,
    Sysno::sendfile,
    Sysno::splice,
    Sysno::copy_file_range,
];

/// Sends SIGXFSZ to who is refused to make a file larger than `RLIMIT_FSIZE` (setrlimit(2)).
pub(in crate::syscall) fn tell_of_refusal(c: &Caller, call: &Call, result: SysResult) {
    let refused = result == Err(Errno::EFBIG) && GROWING.contains(&call.sysno);
    if refused && c.asker().largest_file() != RLIM_INFINITY {
        c.raise(Signal::SIGXFSZ);
    }
}

/// Sets the limit at `new` unless null, and stores the old one at `old` unless null.
async fn exchange(
    c: &Caller,
    home: &Home,
    resource: u64,
    new: UserAddr,
    old: UserAddr,
) -> SysResult {
    let before = home.limits.borrow().get(resource)?;
    if !new.is_null() {
        let mut bytes = [0; Rlimit::SIZE];
        c.memory.copy_in(new, &mut bytes).await?;
        Rc::make_mut(&mut home.limits.borrow_mut()).set(resource, Rlimit::from_bytes(&bytes))?;
    }
    if !old.is_null() {
        c.memory.copy_out(old, &before.to_bytes()).await?;
    }
    Ok(0)
}
