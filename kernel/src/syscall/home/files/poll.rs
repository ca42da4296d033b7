//! poll(2) and ppoll(2), and the wait that they share with select(2).

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, UserAddr};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::poll::{PollEvents, PollFd};
use wayfarer_proto::linux::signal::SignalSet;
use wayfarer_proto::linux::time::Timespec;
use wayfarer_proto::table::Sysno;
use wayfarer_proto::time::Instant;

use super::super::signal::suspend_mask;
use super::names::{array, structure};
use super::wait::descriptor_limit;
use crate::fs::OpenFile;
use crate::syscall::{Call, Caller, SysResult};

/// poll(2) and ppoll(2).
pub(super) async fn poll(c: &Caller, call: &Call) -> SysResult {
    let (address, count) = (call.addr(0), call.args[1] as u32);
    if u64::from(count) > descriptor_limit(c) {
        return Err(Errno::EINVAL);
    }
    let deadline = match call.sysno {
        Sysno::poll => milliseconds(c, call.int(2)),
        _ => timespec(c, call.addr(2)).await?,
    };
    if call.sysno == Sysno::ppoll {
        apply_mask(c, call.addr(3), call.args[4]).await?;
    }
    let bytes = array(c, address, count as usize, PollFd::SIZE).await?;
    let mut entries: Vec<_> = bytes.chunks_exact(PollFd::SIZE).map(PollFd::from_bytes).collect();
    let watched: Vec<_> = entries.iter().map(|entry| watch(c, entry)).collect();
    let ready = wait(c, &watched, deadline).await?;
    for (entry, events) in entries.iter_mut().zip(&ready) {
        entry.revents = events.bits();
    }
    let bytes: Vec<u8> = entries.iter().flat_map(Layout::to_bytes).collect();
    c.memory.copy_out(address, &bytes).await?;
    Ok(ready.iter().filter(|events| !events.is_empty()).count() as u64)
}

/// The deadline that a timeout in milliseconds gives; `None` for one below zero.
pub(in crate::syscall::home) fn milliseconds(c: &Caller, timeout: i32) -> Option<Instant> {
    let timeout = u64::try_from(timeout).ok()?;
    Some(c.kernel.now() + Duration::from_millis(timeout))
}

/// The deadline that a `struct timespec` gives; `None` for a null pointer.
pub(in crate::syscall::home) async fn timespec(
    c: &Caller,
    address: UserAddr,
) -> Result<Option<Instant>, Errno> {
    if address.is_null() {
        return Ok(None);
    }
    let bytes = structure::<{ Timespec::SIZE }>(c, address).await?;
    Ok(Some(c.kernel.now() + Timespec::from_bytes(&bytes).to_duration()?))
}

/// Blocks the signals of the set at `address`, unless null, until the call ends.
pub(in crate::syscall::home) async fn apply_mask(
    c: &Caller,
    address: UserAddr,
    size: u64,
) -> Result<(), Errno> {
    if address.is_null() {
        return Ok(());
    }
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let mask = u64::from_le_bytes(structure::<8>(c, address).await?);
    suspend_mask(c, SignalSet(mask));
    Ok(())
}

/// A file whose readiness is waited for.
pub(super) enum Watched {
    /// A descriptor below zero: never ready.
    Skipped,
    /// A number that is not open.
    NotOpen,
    /// An open file, and what is asked for.
    File(Rc<OpenFile>, PollEvents),
}

fn watch(c: &Caller, entry: &PollFd) -> Watched {
    if entry.fd < 0 {
        return Watched::Skipped;
    }
    match c.home.files.descriptors().get(Fd(entry.fd)) {
        Ok(file) => Watched::File(file, PollEvents::from_bits_truncate(entry.events)),
        Err(_) => Watched::NotOpen,
    }
}

impl Watched {
    /// What it is ready for, of what is asked for and of what is told unasked.
    fn ready(&self) -> PollEvents {
        match self {
            Self::Skipped => PollEvents::empty(),
            Self::NotOpen => PollEvents::NVAL,
            Self::File(file, _) if file.require_not_path().is_err() => PollEvents::NVAL,
            Self::File(file, asked) => file.poll() & (*asked | PollEvents::UNASKED),
        }
    }
}

/// Waits until any of `watched` is ready or the deadline has come; what each is ready for.
///
/// # Errors
/// `ERESTARTNOHAND` if a signal came first: a handler ends the call with `EINTR`, whatever
/// `SA_RESTART` says (signal(7)).
pub(super) async fn wait(
    c: &Caller,
    watched: &[Watched],
    deadline: Option<Instant>,
) -> Result<Vec<PollEvents>, Errno> {
    let now = || watched.iter().map(Watched::ready).collect::<Vec<_>>();
    let any = |ready: &Vec<PollEvents>| ready.iter().any(|events| !events.is_empty());
    let ready = now();
    if any(&ready) || deadline.is_some_and(|deadline| deadline <= c.kernel.now()) {
        return Ok(ready);
    }
    let mut places = Vec::new();
    let some_ready = poll_fn(|context| {
        let ready = now();
        if any(&ready) {
            return Poll::Ready(ready);
        }
        places.clear();
        let files = watched.iter().filter_map(|watched| match watched {
            Watched::File(file, _) => file.object().changes(),
            _ => None,
        });
        places.extend(files.map(|changes| changes.register(context.waker())));
        Poll::Pending
    });
    let woken = c.interruptible_until(deadline, some_ready).await;
    Ok(woken.map_err(|_| Errno::ERESTARTNOHAND)?.unwrap_or_else(now))
}
