//! process_vm_readv(2) and process_vm_writev(2): bytes go from the memory of one process to that of
//! another, wherever the bodies are.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::table::Sysno;

use super::files::buffers::Buffers;
use crate::syscall::{Call, Caller, SysResult, UserMemory};

/// Both calls: how many bytes were copied.
pub(super) async fn transfer(c: &Caller, call: &Call) -> SysResult {
    if call.args[5] != 0 {
        return Err(Errno::EINVAL);
    }
    let own = Buffers::vector_at(c, call.addr(1), call.args[2]).await?;
    if own.length() == 0 {
        return Ok(0);
    }
    let others = Buffers::vector_at(c, call.addr(3), call.args[4]).await?;
    let memory = memory_of(c, Pid(call.int(0)))?;
    match call.sysno {
        Sysno::process_vm_readv => copy((&memory, &others), (&c.memory, &own)).await,
        _ => copy((&c.memory, &own), (&memory, &others)).await,
    }
}

/// The memory of a process that the caller may trace (ptrace(2), "Ptrace access mode checking").
///
/// # Errors
/// `ESRCH`, also for one that has ended; `EPERM`.
fn memory_of(c: &Caller, pid: Pid) -> Result<UserMemory, Errno> {
    let home = c.kernel.processes.home(pid).filter(|home| home.exiting().is_none());
    let home = home.ok_or(Errno::ESRCH)?;
    let own = c.home.pid == pid;
    if !own && !c.home.credentials.borrow().may_trace(&home.credentials.borrow()) {
        return Err(Errno::EPERM);
    }
    let cell = home.cell().ok_or(Errno::ESRCH)?;
    Ok(UserMemory::of_process(&c.kernel, &cell))
}

/// Copies a window at a time, as far as both sides reach.
///
/// # Errors
/// `EFAULT` if not even the first byte could be copied.
async fn copy(from: (&UserMemory, &Buffers), to: (&UserMemory, &Buffers)) -> SysResult {
    let length = from.1.length().min(to.1.length());
    let mut done = 0;
    while done < length {
        match copy_window(from, to, done, length).await {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done as u64)
}

async fn copy_window(
    (from, sources): (&UserMemory, &Buffers),
    (to, targets): (&UserMemory, &Buffers),
    done: usize,
    length: usize,
) -> Result<usize, Errno> {
    let room = targets.prepare_in(to, done).await?.min(length - done);
    let mut data = sources.gather_from(from, done).await?;
    data.truncate(room);
    let count = data.len();
    targets.scatter_to(to, done, data).await?;
    Ok(count)
}
