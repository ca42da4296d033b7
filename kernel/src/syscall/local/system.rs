//! What the system is, and randomness.

use wayfarer_proto::errno::Errno;

use crate::process::Running;
use crate::syscall::{Call, SysResult};

/// Bytes of one field of `struct utsname`.
const UTS_FIELD: usize = 65;
/// Randomness is handed out in pieces of this many bytes.
const RANDOM_PIECE: usize = 256;
/// The largest request of getrandom(2) that is served at once.
const RANDOM_MAX: usize = 32 << 20;

/// What uname(2) and `/proc` call every node.
pub(crate) const HOST: &str = "wayfarer";
/// The release: that of the Linux whose calls are served, which the C library checks.
pub(crate) const RELEASE: &str = "6.1.0-wayfarer";
/// The version.
pub(crate) const VERSION: &str = concat!("#1 Wayfarer ", env!("CARGO_PKG_VERSION"));

/// uname(2).
pub(super) async fn uname(running: &Running, call: &Call) -> SysResult {
    let fields = ["Linux", HOST, RELEASE, VERSION, "x86_64", "(none)"];
    let mut bytes = [0; UTS_FIELD * 6];
    for (index, field) in fields.iter().enumerate() {
        bytes[index * UTS_FIELD..][..field.len()].copy_from_slice(field.as_bytes());
    }
    running.local_memory().write(call.addr(0), &bytes).await?;
    Ok(0)
}

/// sysinfo(2).
pub(super) async fn sysinfo(running: &Running, call: &Call) -> SysResult {
    let frames = running.kernel.frames.counts();
    let mut bytes = [0; 112];
    let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    put(0, running.kernel.now().0 / 1_000_000_000);
    put(32, frames.total as u64);
    put(40, frames.free as u64);
    bytes[80..82].copy_from_slice(&(running.kernel.processes.cells().len() as u16).to_le_bytes());
    bytes[104..108].copy_from_slice(&4096u32.to_le_bytes());
    running.local_memory().write(call.addr(0), &bytes).await?;
    Ok(0)
}

/// getrandom(2): the node's generator never lacks entropy, so no flag makes a difference.
pub(super) async fn getrandom(running: &Running, call: &Call) -> SysResult {
    const KNOWN_FLAGS: u64 = 7;
    if call.args[2] & !KNOWN_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let length = usize::try_from(call.args[1]).unwrap_or(usize::MAX).min(RANDOM_MAX);
    let memory = running.local_memory();
    let mut piece = [0; RANDOM_PIECE];
    let mut done = 0;
    while done < length {
        let size = RANDOM_PIECE.min(length - done);
        running.kernel.fill_random(&mut piece[..size]);
        if memory.write(call.addr(0).offset(done as u64), &piece[..size]).await.is_err() {
            return if done > 0 { Ok(done as u64) } else { Err(Errno::EFAULT) };
        }
        done += size;
    }
    Ok(done as u64)
}

/// getcpu(2): a node has one processor.
pub(super) async fn getcpu(running: &Running, call: &Call) -> SysResult {
    for index in 0..2 {
        if !call.addr(index).is_null() {
            running.local_memory().write(call.addr(index), &[0; 4]).await?;
        }
    }
    Ok(0)
}

/// sched_getaffinity(2): processor 0, as a mask of one word.
pub(super) async fn sched_getaffinity(running: &Running, call: &Call) -> SysResult {
    const WORD: u64 = 8;
    if call.int(0) < 0 {
        return Err(Errno::ESRCH);
    }
    if call.args[1] < WORD || !call.args[1].is_multiple_of(WORD) {
        return Err(Errno::EINVAL);
    }
    running.local_memory().write(call.addr(2), &1u64.to_le_bytes()).await?;
    Ok(WORD)
}

/// sched_setaffinity(2): a mask with processor 0 in it changes nothing.
pub(super) async fn sched_setaffinity(running: &Running, call: &Call) -> SysResult {
    let mut mask = [0];
    if call.args[1] > 0 {
        running.local_memory().read(call.addr(2), &mut mask).await?;
    }
    if call.int(0) < 0 {
        return Err(Errno::ESRCH);
    }
    if mask[0] & 1 == 0 { Err(Errno::EINVAL) } else { Ok(0) }
}

/// membarrier(2): a body's threads run on one processor, one after the other, so each barrier is
/// there already.
pub(super) fn membarrier(call: &Call) -> SysResult {
    /// `MEMBARRIER_CMD_GLOBAL` to `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE`.
    const KNOWN: u64 = 0x7f;
    match call.args[0] {
        _ if call.args[1] as u32 != 0 => Err(Errno::EINVAL),
        0 => Ok(KNOWN),
        command if command.is_power_of_two() && command & KNOWN != 0 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
