//! select(2) and pselect(2).

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, UserAddr};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::time::Timeval;
use wayfarer_proto::table::Sysno;
use wayfarer_proto::time::Instant;

use super::buffers::kernel_buffer;
use super::names::structure;
use super::poll::{Watched, apply_mask, timespec, wait};
use super::wait::{descriptor_limit, file};
use crate::syscall::{Call, Caller, SysResult};

/// For each of the three sets: which events make a descriptor a member of the result.
const MEANINGS: [PollEvents; 3] =
    [PollEvents::SELECT_READ, PollEvents::SELECT_WRITE, PollEvents::SELECT_EXCEPT];

/// Bits in a word of an `fd_set`.
const WORD_BITS: usize = 64;

/// A set of descriptors as it came in; empty if its pointer is null.
struct Set {
    address: UserAddr,
    bytes: Vec<u8>,
}

impl Set {
    async fn read(c: &Caller, address: UserAddr, bytes: usize) -> Result<Self, Errno> {
        let mut set = Self { address, bytes: kernel_buffer(bytes)? };
        if !address.is_null() {
            c.memory.copy_in(address, &mut set.bytes).await?;
        }
        Ok(set)
    }

    fn contains(&self, fd: usize) -> bool {
        self.bytes[fd / 8] >> (fd % 8) & 1 != 0
    }
}

/// select(2) and pselect6(2).
pub(super) async fn select(c: &Caller, call: &Call) -> SysResult {
    let count = usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)?;
    // Numbers beyond what a table can hold are not looked at, as in Linux.
    let count = count.min(usize::try_from(descriptor_limit(c)).unwrap_or(usize::MAX));
    let bytes = count.div_ceil(WORD_BITS) * (WORD_BITS / 8);
    let (deadline, is_select) = match call.sysno {
        Sysno::select => (timeval(c, call.addr(4)).await?, true),
        _ => (timespec(c, call.addr(4)).await?, false),
    };
    if !is_select && !call.addr(5).is_null() {
        let argument = structure::<16>(c, call.addr(5)).await?;
        let (mask, size) = argument.split_at(8);
        let word =
            |bytes: &[u8]| bytes.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        apply_mask(c, UserAddr(word(mask)), word(size)).await?;
    }
    let mut sets = Vec::new();
    for index in 1..=MEANINGS.len() {
        sets.push(Set::read(c, call.addr(index), bytes).await?);
    }
    let fds: Vec<usize> =
        (0..count).filter(|fd| sets.iter().any(|set| set.contains(*fd))).collect();
    let watched = watch(c, &sets, &fds)?;
    let ready = wait(c, &watched, deadline).await;
    if let Some(deadline) = deadline.filter(|_| is_select) {
        // Linux tells how much time is left; a failure to is not one of the call.
        let left = Timeval::from_duration(deadline.since(c.kernel.now()));
        let _ = c.memory.copy_out(call.addr(4), &left.to_bytes()).await;
    }
    write_back(c, &sets, &fds, &ready?).await
}

/// The deadline that a `struct timeval` gives; `None` for a null pointer.
async fn timeval(c: &Caller, address: UserAddr) -> Result<Option<Instant>, Errno> {
    if address.is_null() {
        return Ok(None);
    }
    let bytes = structure::<{ Timeval::SIZE }>(c, address).await?;
    let Timeval { seconds, microseconds } = Timeval::from_bytes(&bytes);
    // More microseconds than a second has are carried over, as Linux does.
    let carried = Timeval {
        seconds: seconds.saturating_add(microseconds.div_euclid(1_000_000)),
        microseconds: microseconds.rem_euclid(1_000_000),
    };
    if seconds < 0 || microseconds < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Some(c.kernel.now() + carried.to_duration()?))
}

fn watch(c: &Caller, sets: &[Set], fds: &[usize]) -> Result<Vec<Watched>, Errno> {
    let watched = fds.iter().map(|fd| {
        let number = i32::try_from(*fd).map_err(|_| Errno::EBADF)?;
        let file = file(c, Fd(number).0)?;
        let asked = sets.iter().zip(MEANINGS).filter(|(set, _)| set.contains(*fd));
        let asked = asked.fold(PollEvents::empty(), |asked, (_, meaning)| asked | meaning);
        Ok(Watched::File(file, asked))
    });
    watched.collect()
}

/// Stores which members of each set are ready; how many in all.
async fn write_back(c: &Caller, sets: &[Set], fds: &[usize], ready: &[PollEvents]) -> SysResult {
    let mut members = 0;
    for (set, meaning) in sets.iter().zip(MEANINGS) {
        if set.address.is_null() {
            continue;
        }
        let mut bytes = kernel_buffer(set.bytes.len())?;
        for (fd, events) in fds.iter().zip(ready) {
            if set.contains(*fd) && events.intersects(meaning) {
                bytes[fd / 8] |= 1 << (fd % 8);
                members += 1;
            }
        }
        c.memory.copy_out(set.address, &bytes).await?;
    }
    Ok(members)
}
