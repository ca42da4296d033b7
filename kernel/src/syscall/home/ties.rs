//! What prctl(2) says of parents and children.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::process::{
    PR_GET_CHILD_SUBREAPER, PR_GET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG,
};
use wayfarer_proto::linux::signal::Signal;

use crate::syscall::{Call, Caller, SysResult};

/// The options that are of this kind.
pub(super) const OPTIONS: [u64; 4] =
    [PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER];

/// One of [`OPTIONS`].
pub(super) async fn option(c: &Caller, call: &Call) -> SysResult {
    let home = &c.home;
    let told = match call.args[0] {
        PR_SET_PDEATHSIG => {
            let signal = match call.args[1] {
                0 => None,
                number => Some(Signal::new(number).ok_or(Errno::EINVAL)?),
            };
            home.death_signal.set(signal);
            return Ok(0);
        }
        PR_SET_CHILD_SUBREAPER => {
            home.adopts.set(call.args[1] != 0);
            return Ok(0);
        }
        PR_GET_PDEATHSIG => home.death_signal.get().map_or(0, |signal| signal.number().into()),
        _ => i32::from(home.adopts.get()),
    };
    c.memory.copy_out(call.addr(1), &told.to_le_bytes()).await?;
    Ok(0)
}
