//! clone3(2), said as clone(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::process::{
    CLONE_INTO_CGROUP, CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_THREAD, CSIGNAL,
    Clone3Args,
};
use wayfarer_proto::table::Sysno;

use crate::process::Running;
use crate::syscall::Call;

/// The largest structure that can be passed: a page.
const SIZE_MAX: u64 = 4096;

/// Reads the structure of clone3(2) and gives the clone(2) that means the same.
///
/// # Errors
/// `EINVAL` for what clone3(2) says, and for what clone(2) cannot say: a descriptor and the
/// parent's id in two places, ids chosen by the caller, a control group. `E2BIG` for a structure
/// that says more than is known. `EFAULT`.
pub async fn plain_clone(running: &Running, call: &Call) -> Result<Call, Errno> {
    let size = call.args[1];
    if size > SIZE_MAX {
        return Err(Errno::E2BIG);
    }
    if (size as usize) < Clone3Args::SIZE {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; size as usize];
    running.local_memory().read(call.addr(0), &mut bytes).await?;
    const SET_TID_AND_CGROUP: usize = 24;
    let (known, more) = bytes.split_at(Clone3Args::SIZE);
    let (chosen, unknown) = more.split_at(more.len().min(SET_TID_AND_CGROUP));
    if unknown.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    if chosen.iter().take(16).any(|byte| *byte != 0) {
        return Err(Errno::EINVAL);
    }
    translate(&Clone3Args::from_bytes(known))
}

fn translate(args: &Clone3Args) -> Result<Call, Errno> {
    let Clone3Args { flags, exit_signal, stack, stack_size, .. } = *args;
    let alone = flags & (CLONE_THREAD | CLONE_PARENT) == 0;
    let both = CLONE_PIDFD | CLONE_PARENT_SETTID;
    let wrong = flags & (CSIGNAL | CLONE_INTO_CGROUP) != 0
        || exit_signal & !CSIGNAL != 0
        || (exit_signal != 0 && !alone)
        || (stack == 0) != (stack_size == 0)
        || (flags & both == both && args.pidfd != args.parent_tid);
    if wrong {
        return Err(Errno::EINVAL);
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
        ] {
            assert_eq!(translate(&wrong), Err(Errno::EINVAL));
        }
    }
}
