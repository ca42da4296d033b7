//! Who the caller is, and per-thread settings of the body.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Tid, UserAddr};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::process::{
    ARCH_GET_FS, ARCH_GET_GS, ARCH_SET_FS, ARCH_SET_GS, PR_GET_DUMPABLE, PR_SET_DUMPABLE,
};
use wayfarer_proto::linux::signal::{MINSIGSTKSZ, SS_DISABLE, SS_ONSTACK, SigAltStack};

use crate::process::Running;
use crate::signal::frame::on_stack;
use crate::syscall::{Call, SysResult};

/// Bytes of `struct robust_list_head`.
const ROBUST_HEAD_SIZE: u64 = 24;

/// set_robust_list(2).
pub(super) fn set_robust_list(running: &Running, call: &Call) -> SysResult {
    if call.args[1] != ROBUST_HEAD_SIZE {
        return Err(Errno::EINVAL);
    }
    running.thread.robust_list.set(call.addr(0));
    Ok(0)
}

/// get_robust_list(2), of a thread of the same process.
pub(super) async fn get_robust_list(running: &Running, call: &Call) -> SysResult {
    let thread = match call.int(0) {
        0 => Some(alloc::rc::Rc::clone(&running.thread)),
        tid => running.body.thread(Tid(tid)),
    };
    let head = thread.ok_or(Errno::ESRCH)?.robust_list.get();
    let memory = running.local_memory();
    memory.write(call.addr(2), &ROBUST_HEAD_SIZE.to_le_bytes()).await?;
    memory.write(call.addr(1), &head.0.to_le_bytes()).await?;
    Ok(0)
}

/// arch_prctl(2).
pub(super) async fn arch_prctl(running: &Running, call: &Call) -> SysResult {
    let address = call.args[1];
    let user = UserAddr(address) < UserAddr::END;
    let base = {
        let registers = &mut running.thread.context.borrow_mut().registers;
        match call.args[0] {
            ARCH_SET_FS | ARCH_SET_GS if !user => return Err(Errno::EPERM),
            ARCH_SET_FS => {
                registers.fs_base = address;
                return Ok(0);
            }
            ARCH_SET_GS => {
                registers.gs_base = address;
                return Ok(0);
            }
            ARCH_GET_FS => registers.fs_base,
            ARCH_GET_GS => registers.gs_base,
            _ => return Err(Errno::EINVAL),
        }
    };
    running.local_memory().write(UserAddr(address), &base.to_le_bytes()).await?;
    Ok(0)
}

/// prctl(2): a few settings that hold already.
pub(super) fn prctl(call: &Call) -> SysResult {
    match call.args[0] {
        PR_GET_DUMPABLE => Ok(1),
        PR_SET_DUMPABLE if call.args[1] <= 1 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// sigaltstack(2).
pub(super) async fn sigaltstack(running: &Running, call: &Call) -> SysResult {
    let memory = running.local_memory();
    let old = running.thread.alt_stack.get();
    let busy = on_stack(running.thread.context.borrow().registers.rsp, &old);
    let mut new = None;
    if !call.addr(0).is_null() {
        let mut bytes = [0; SigAltStack::SIZE];
        memory.read(call.addr(0), &mut bytes).await?;
        new = Some(checked_stack(&SigAltStack::from_bytes(&bytes), busy)?);
    }
    if !call.addr(1).is_null() {
        let flags = if busy { SS_ONSTACK } else { old.flags };
        memory.write(call.addr(1), &SigAltStack { flags, ..old }.to_bytes()).await?;
    }
    if let Some(stack) = new {
        running.thread.alt_stack.set(stack);
    }
    Ok(0)
}

fn checked_stack(stack: &SigAltStack, busy: bool) -> Result<SigAltStack, Errno> {
    match stack.flags {
        _ if busy => Err(Errno::EPERM),
        SS_DISABLE => Ok(crate::process::NO_ALT_STACK),
        0 | SS_ONSTACK if stack.size < MINSIGSTKSZ => Err(Errno::ENOMEM),
        0 | SS_ONSTACK => Ok(SigAltStack { flags: 0, padding: 0, ..*stack }),
        _ => Err(Errno::EINVAL),
    }
}
