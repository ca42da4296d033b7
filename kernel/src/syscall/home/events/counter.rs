//! eventfd(2) and signalfd(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::event::EFD_SEMAPHORE;
use wayfarer_proto::linux::signal::SignalSet;
use wayfarer_proto::table::Sysno;

use super::super::files::names::structure;
use super::super::files::wait::file;
use crate::event::{EventFd, SignalFd};
use crate::syscall::{Call, Caller, SysResult};

/// eventfd(2) and eventfd2(2).
pub(super) fn eventfd(c: &Caller, call: &Call) -> SysResult {
    let raw = if call.sysno == Sysno::eventfd { 0 } else { call.args[1] };
    let flags = super::open_flags(raw, EFD_SEMAPHORE)?;
    let count = u64::from(call.args[0] as u32);
    let object = EventFd::new(count, raw as u32 & EFD_SEMAPHORE != 0);
    super::install(c, "eventfd", object, flags)
}

/// signalfd(2) and signalfd4(2): a new descriptor, or new signals for an old one.
pub(super) async fn signalfd(c: &Caller, call: &Call) -> SysResult {
    if call.args[2] != 8 {
        return Err(Errno::EINVAL);
    }
    let raw = if call.sysno == Sysno::signalfd { 0 } else { call.args[3] };
    let flags = super::open_flags(raw, 0)?;
    let mask = SignalSet(u64::from_le_bytes(structure::<8>(c, call.addr(1)).await?));
    let mask = mask.without(SignalSet::UNBLOCKABLE);
    if call.int(0) == -1 {
        return super::install(c, "signalfd", SignalFd::new(&c.home, mask), flags);
    }
    let file = file(c, call.int(0))?;
    SignalFd::of(&**file.object()).ok_or(Errno::EINVAL)?.set_mask(mask);
    Ok(call.int(0) as u64)
}
