//! wait4(2) and waitid(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::event::P_PIDFD;
use wayfarer_proto::linux::process::{
    P_ALL, P_PGID, P_PID, WALL, WCLONE, WCONTINUED, WEXITED, WNOHANG, WNOTHREAD, WNOWAIT, WUNTRACED,
};
use wayfarer_proto::linux::signal::{SigDetail, SigInfo, Signal};

use crate::process::wait::{Changes, Found, ToldBy, Which, look};
use crate::syscall::local::rusage;
use crate::syscall::{Call, Caller, SysResult};

/// Which children, with both calls. A child is its process's, not a thread's, whatever
/// `__WNOTHREAD` says.
const KINDS: u64 = WNOTHREAD | WALL | WCLONE;

/// wait4(2).
pub(super) async fn wait4(c: &Caller, call: &Call) -> SysResult {
    let which = match call.int(0) {
        -1 => Which::Any,
        0 => Which::Group(c.home.group.get()),
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid > 0 => Which::Child(Pid(pid)),
        group => Which::Group(Pid(-group)),
    };
    let options = u64::from(call.args[2] as u32);
    const KNOWN: u64 = WNOHANG | WUNTRACED | WCONTINUED | KINDS;
    if options & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let changes = Changes {
        exited: true,
        stopped: options & WUNTRACED != 0,
        continued: options & WCONTINUED != 0,
        keep: false,
    };
    let Some(found) = find(c, which, changes, options).await? else { return Ok(0) };
    if !call.addr(1).is_null() {
        c.memory.copy_out(call.addr(1), &found.status.to_word().to_le_bytes()).await?;
    }
    copy_rusage(c, call, 3, &found).await?;
    Ok(found.child.pid.0 as u64)
}

/// waitid(2).
pub(super) async fn waitid(c: &Caller, call: &Call) -> SysResult {
    let which = match call.args[0] {
        P_ALL => Which::Any,
        P_PID if call.int(1) > 0 => Which::Child(Pid(call.int(1))),
        P_PIDFD => Which::Child(super::events::process_of(c, call.int(1))?),
        P_PGID if call.int(1) == 0 => Which::Group(c.home.group.get()),
        P_PGID if call.int(1) > 0 => Which::Group(Pid(call.int(1))),
        _ => return Err(Errno::EINVAL),
    };
    let options = u64::from(call.args[3] as u32);
    const KNOWN: u64 = WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | KINDS;
    if options & !KNOWN != 0 || options & (WUNTRACED | WEXITED | WCONTINUED) == 0 {
        return Err(Errno::EINVAL);
    }
    let changes = Changes {
        exited: options & WEXITED != 0,
        stopped: options & WUNTRACED != 0,
        continued: options & WCONTINUED != 0,
        keep: options & WNOWAIT != 0,
    };
    let found = find(c, which, changes, options).await?;
    if !call.addr(2).is_null() {
        let bytes = found.as_ref().map_or([0; SigInfo::SIZE], |found| {
            let (code, status) = found.status.to_siginfo();
            let uid = found.child.credentials.borrow().user.real;
            let detail = SigDetail::Child { pid: found.child.pid.0, uid, status };
            SigInfo { signal: Signal::SIGCHLD, code, detail }.to_bytes()
        });
        c.memory.copy_out(call.addr(2), &bytes).await?;
    }
    if let Some(found) = &found {
        copy_rusage(c, call, 4, found).await?;
    }
    Ok(0)
}

async fn find(
    c: &Caller,
    which: Which,
    changes: Changes,
    options: u64,
) -> Result<Option<Found>, Errno> {
    let told = match options & (WALL | WCLONE) {
        0 => ToldBy::Sigchld,
        WCLONE => ToldBy::Other,
        _ => ToldBy::Any,
    };
    let look = || look(&c.home, which, told, changes);
    if options & WNOHANG != 0 {
        return look();
    }
    let changed = c.home.child_changed.wait_until(|| look().transpose());
    c.interruptible(changed).await?.map(Some)
}

async fn copy_rusage(c: &Caller, call: &Call, index: usize, found: &Found) -> Result<(), Errno> {
    if !call.addr(index).is_null() {
        let used = found.child.cpu.get() + found.child.children_cpu.get();
        c.memory.copy_out(call.addr(index), &rusage(used).to_bytes()).await?;
    }
    Ok(())
}
