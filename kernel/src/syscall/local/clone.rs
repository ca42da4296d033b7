//! clone(2), and clone3(2), said as clone(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::process::{
    CLONE_ARGS_SIZE_VER0, CLONE_ID_SHIFT, CLONE_INTO_CGROUP, CLONE_PARENT, CLONE_PARENT_SETTID,
    CLONE_PIDFD, CLONE_THREAD, CSIGNAL, Clone3Args, MAX_PID_NS_LEVEL,
};
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::table::Sysno;

use crate::process::Running;
use crate::syscall::Call;

/// The largest structure that can be passed: a page.
const SIZE_MAX: u64 = 4096;

/// Gives the clone(2) that means the same as the call.
///
/// # Errors
/// `EINVAL` for what clone3(2) says, and for what clone(2) cannot say: a descriptor and the
/// parent's id in two places. `EBADF` for a control group: there are none. `E2BIG` for a structure
/// that says more than is known. `EFAULT`.
pub async fn plain_clone(running: &Running, call: &Call) -> Result<Call, Errno> {
    if call.sysno == Sysno::clone {
        let mut plain = *call;
        plain.args[0] = u64::from(call.args[0] as u32);
        return Ok(plain);
    }
    let size = call.args[1];
    if size > SIZE_MAX {
        return Err(Errno::E2BIG);
    }
    if size < CLONE_ARGS_SIZE_VER0 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; (size as usize).max(Clone3Args::SIZE)];
    running.local_memory().read(call.addr(0), &mut bytes[..size as usize]).await?;
    let (known, unknown) = bytes.split_at(Clone3Args::SIZE);
    if unknown.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let args = Clone3Args::from_bytes(known);
    if args.flags & CLONE_INTO_CGROUP != 0 && size < Clone3Args::SIZE as u64 {
        return Err(Errno::EINVAL);
    }
    let id = chosen_id(running, &args).await?;
    let mut plain = translate(&args)?;
    plain.args[0] |= id << CLONE_ID_SHIFT;
    Ok(plain)
}

/// The id that the caller has chosen; 0 if it leaves that to home. There is one namespace.
async fn chosen_id(running: &Running, args: &Clone3Args) -> Result<u64, Errno> {
    let Clone3Args { set_tid, set_tid_size, .. } = *args;
    if set_tid_size > MAX_PID_NS_LEVEL || (set_tid == 0) != (set_tid_size == 0) {
        return Err(Errno::EINVAL);
    }
    if set_tid == 0 {
        return Ok(0);
    }
    let mut bytes = alloc::vec![0; set_tid_size as usize * 4];
    running.local_memory().read(UserAddr(set_tid), &mut bytes).await?;
    match <[u8; 4]>::try_from(bytes).map(u32::from_le_bytes) {
        Ok(id) if id > 0 && u64::from(id) < 1 << (u64::BITS - CLONE_ID_SHIFT) => Ok(id.into()),
        _ => Err(Errno::EINVAL),
    }
}

fn translate(args: &Clone3Args) -> Result<Call, Errno> {
    let Clone3Args { flags, exit_signal, stack, stack_size, .. } = *args;
    let alone = flags & (CLONE_THREAD | CLONE_PARENT) == 0;
    let both = CLONE_PIDFD | CLONE_PARENT_SETTID;
    let into_group = flags & CLONE_INTO_CGROUP != 0;
    let wrong = flags & CSIGNAL != 0
        || (exit_signal != 0 && Signal::new(exit_signal).is_none())
        || (into_group && i32::try_from(args.cgroup).is_err())
        || (exit_signal != 0 && !alone)
        || (stack == 0) != (stack_size == 0)
        || (flags & both == both && args.pidfd != args.parent_tid);
    if wrong {
        return Err(Errno::EINVAL);
    }
    if into_group {
        // No descriptor is of a control group's directory.
        return Err(Errno::EBADF);
    }
    let parent = if flags & CLONE_PIDFD != 0 { args.pidfd } else { args.parent_tid };
    let top = stack.wrapping_add(stack_size);
    let args = [flags | exit_signal, top, parent, args.child_tid, args.tls, 0];
    Ok(Call { sysno: Sysno::clone, args })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Clone3Args = Clone3Args {
        flags: 0,
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: 17,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };

    #[test]
    fn the_stack_is_given_by_its_top() {
        let call = translate(&Clone3Args { stack: 0x1000, stack_size: 0x800, ..NONE }).unwrap();
        assert_eq!(call.args[..2], [17, 0x1800]);
    }

    #[test]
    fn what_clone_cannot_say_is_refused() {
        for wrong in [
            Clone3Args { flags: 17, ..NONE },
            Clone3Args { flags: CLONE_THREAD, ..NONE },
            Clone3Args { stack: 0x1000, ..NONE },
            Clone3Args { flags: CLONE_PIDFD | CLONE_PARENT_SETTID, pidfd: 8, ..NONE },
            Clone3Args { exit_signal: 0x100, ..NONE },
            Clone3Args { exit_signal: 65, ..NONE },
            Clone3Args { flags: CLONE_INTO_CGROUP, cgroup: 1 << 31, ..NONE },
        ] {
            assert_eq!(translate(&wrong), Err(Errno::EINVAL));
        }
    }
}
