//! Calls that the node of the body serves alone: no message, wherever the body is.
//!
//! A local call either ends at once or waits with an absolute deadline; until then it has changed
//! nothing, so a thread that is moved in the middle simply makes it again where it arrives.

mod clone;
mod futex;
mod futex_pi;
mod futex_waitv;
mod identity;
mod memory;
mod system;
mod time;
mod timer;
mod wait;

pub use clone::plain_clone;
pub use futex::wake_word;
pub use memory::map_file;
pub(crate) use system::{HOST, RELEASE, VERSION};
pub use time::rusage;

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::table::Sysno;
use wayfarer_proto::time::Instant;

use super::{Call, SysResult};
use crate::process::{Running, priorities};
use crate::signal::Action;

/// The key that stands for none (pkey_mprotect(2)); there is no other.
const NO_KEY: i32 = -1;

/// How a local call ended.
pub struct Local {
    /// What it gives.
    pub result: SysResult,
    /// What home said when a signal interrupted it.
    pub actions: Vec<Action>,
}

impl From<SysResult> for Local {
    fn from(result: SysResult) -> Self {
        Self { result, actions: Vec::new() }
    }
}

/// Serves a local call that ends where it is made; `None` if this one may not, and has not begun.
pub fn at_once(r: &Running, call: &Call) -> Option<SysResult> {
    let result = match call.sysno {
        Sysno::getpid => Ok(r.body.key.pid.0 as u64),
        Sysno::gettid => Ok(r.thread.tid.get().0 as u64),
        Sysno::getuid => Ok(r.body.identity.get().user.0.into()),
        Sysno::geteuid => Ok(r.body.identity.get().user.1.into()),
        Sysno::getgid => Ok(r.body.identity.get().group.0.into()),
        Sysno::getegid => Ok(r.body.identity.get().group.1.into()),
        Sysno::set_tid_address => {
            r.thread.clear_child_tid.set(call.addr(0));
            Ok(r.thread.tid.get().0 as u64)
        }
        Sysno::clock_gettime => return time::clock_gettime_at_once(r, call),
        Sysno::munlockall => Ok(0),
        Sysno::membarrier => system::membarrier(call),
        Sysno::sched_get_priority_max => priorities(call.args[0] as u32).map(|both| both.1.into()),
        Sysno::sched_get_priority_min => priorities(call.args[0] as u32).map(|both| both.0.into()),
        _ => return None,
    };
    Some(result)
}

/// Serves a local call. `deadline` is that of the wait it was in when its thread was moved.
pub async fn dispatch(running: &Running, call: &Call, deadline: Option<Instant>) -> Local {
    let r = running;
    if let Some(result) = at_once(r, call) {
        return result.into();
    }
    let result = match call.sysno {
        Sysno::nanosleep => return time::nanosleep(r, call, deadline).await,
        Sysno::clock_nanosleep => return time::clock_nanosleep(r, call, deadline).await,
        Sysno::futex => return futex::futex(r, call, deadline).await,
        Sysno::futex_waitv => return futex_waitv::futex_waitv(r, call, deadline).await,
        Sysno::mmap => memory::map_anonymous(r, call),
        Sysno::mprotect => memory::protect(r, call).await,
        Sysno::pkey_mprotect if call.int(3) != NO_KEY => Err(Errno::EINVAL),
        Sysno::pkey_mprotect => memory::protect(r, call).await,
        Sysno::munmap => memory::unmap(r, call).await,
        Sysno::brk => memory::brk(r, call).await,
        Sysno::mremap => memory::remap(r, call),
        Sysno::madvise => memory::advise(r, call).await,
        Sysno::mincore => memory::residence(r, call).await,
        Sysno::mlock | Sysno::mlock2 => memory::lock(r, call).await,
        Sysno::munlock => memory::unlock(r, call),
        Sysno::mlockall => memory::lock_all(call),
        Sysno::msync => memory::sync(r, call).await,
        Sysno::gettimeofday => time::gettimeofday(r, call).await,
        Sysno::time => time::time(r, call).await,
        Sysno::clock_gettime => time::clock_gettime(r, call).await,
        Sysno::clock_getres => time::clock_getres(r, call).await,
        Sysno::setitimer => timer::setitimer(r, call).await,
        Sysno::getitimer => timer::getitimer(r, call).await,
        Sysno::times => time::times(r, call).await,
        Sysno::getrusage => time::getrusage(r, call).await,
        _ => dispatch_identity(r, call).await,
    };
    result.into()
}

/// Calls on who and what the caller is, and on the system.
async fn dispatch_identity(r: &Running, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::get_robust_list => identity::get_robust_list(r, call).await,
        Sysno::set_robust_list => identity::set_robust_list(r, call),
        Sysno::arch_prctl => identity::arch_prctl(r, call).await,
        Sysno::prctl => identity::prctl(call),
        Sysno::sigaltstack => identity::sigaltstack(r, call).await,
        Sysno::uname => system::uname(r, call).await,
        Sysno::sysinfo => system::sysinfo(r, call).await,
        Sysno::getrandom => system::getrandom(r, call).await,
        Sysno::getcpu => system::getcpu(r, call).await,
        Sysno::sched_getaffinity => system::sched_getaffinity(r, call).await,
        Sysno::sched_setaffinity => system::sched_setaffinity(r, call).await,
        Sysno::sched_yield => {
            crate::executor::yield_now().await;
            Ok(0)
        }
        refused => Err(refused.refusal().unwrap_or(Errno::ENOSYS)),
    }
}
