//! rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2): signals with a value.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Pid, Tid, UserAddr};
use wayfarer_proto::linux::signal::{SI_TKILL, SigDetail, SigInfo};

use super::files::names::structure;
use super::signal::{may_signal, signal_argument};
use crate::syscall::{Call, Caller, SysResult};

/// rt_sigqueueinfo(2).
pub(super) async fn rt_sigqueueinfo(c: &Caller, call: &Call) -> SysResult {
    let info = read(c, Pid(call.int(0)), call.args[1], call.addr(2)).await?;
    let home = c.kernel.processes.home(Pid(call.int(0))).ok_or(Errno::ESRCH)?;
    if !may_signal(c, &home, info.map(|info| info.signal)) {
        return Err(Errno::EPERM);
    }
    if let Some(info) = info {
        home.post(info);
    }
    Ok(0)
}

/// rt_tgsigqueueinfo(2).
pub(super) async fn rt_tgsigqueueinfo(c: &Caller, call: &Call) -> SysResult {
    if call.int(0) <= 0 || call.int(1) <= 0 {
        return Err(Errno::EINVAL);
    }
    let info = read(c, Pid(call.int(0)), call.args[2], call.addr(3)).await?;
    let home = c.kernel.processes.home(Pid(call.int(0))).ok_or(Errno::ESRCH)?;
    let thread = home.thread(Tid(call.int(1))).ok_or(Errno::ESRCH)?;
    if !may_signal(c, &home, info.map(|info| info.signal)) {
        return Err(Errno::EPERM);
    }
    if let Some(info) = info {
        home.post_to(&thread, info);
    }
    Ok(0)
}

/// What shall be sent; `None` for signal 0. Only to itself may a process pretend that the kernel,
/// kill(2) or tkill(2) sent it.
async fn read(
    c: &Caller,
    target: Pid,
    signal: u64,
    address: UserAddr,
) -> Result<Option<SigInfo>, Errno> {
    let bytes = structure::<{ SigInfo::SIZE }>(c, address).await?;
    let int =
        |at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let code = int(8);
    if (code >= 0 || code == SI_TKILL) && target != c.home.pid {
        return Err(Errno::EPERM);
    }
    let Some(signal) = signal_argument(signal)? else { return Ok(None) };
    let value = u64::from(int(24).cast_unsigned()) | u64::from(int(28).cast_unsigned()) << 32;
    let detail = SigDetail::Queued { pid: int(16), uid: int(20).cast_unsigned(), value };
    Ok(Some(SigInfo { signal, code, detail }))
}
