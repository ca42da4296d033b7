//! open(2), openat(2), creat(2), openat2(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::limits::PAGE;
use wayfarer_proto::linux::fcntl::{OpenFlags, Resolve};
use wayfarer_proto::linux::stat::FileType;
use wayfarer_proto::table::Sysno;

use super::buffers::kernel_buffer;
use super::names::{Name, masked};
use super::position::cut;
use super::wait::descriptor_limit;
use crate::fs::{Descriptor, OpenFile};
use crate::syscall::{Call, Caller, SysResult};

/// Bytes of `struct open_how` as it is today; a program may know a longer one.
const HOW_SIZE: usize = 24;

/// The three old ways to open.
pub(super) async fn open(c: &Caller, call: &Call) -> SysResult {
    let (name, flags, mode) = match call.sysno {
        Sysno::open => (Name::here(c, call, 0).await?, call.args[1], call.args[2]),
        Sysno::creat => {
            let flags = OpenFlags::CREATE | OpenFlags::WRITE_ONLY | OpenFlags::TRUNCATE;
            (Name::here(c, call, 0).await?, flags.bits().into(), call.args[1])
        }
        _ => (Name::at(c, call, 0).await?, call.args[2], call.args[3]),
    };
    let flags = OpenFlags::from_bits_truncate(flags as u32);
    finish(c, &name, Resolve::empty(), (flags, mode)).await
}

/// openat2(2).
pub(super) async fn openat2(c: &Caller, call: &Call) -> SysResult {
    let size = usize::try_from(call.args[3]).unwrap_or(usize::MAX);
    if size < HOW_SIZE {
        return Err(Errno::EINVAL);
    }
    if size > PAGE {
        return Err(Errno::E2BIG);
    }
    let mut bytes = kernel_buffer(size)?;
    c.memory.copy_in(call.addr(2), &mut bytes).await?;
    let (how, rest) = bytes.split_at(HOW_SIZE);
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let [flags, mode, resolve] = [0, 8, 16].map(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&how[at..at + 8]);
        u64::from_le_bytes(word)
    });
    let flags = u32::try_from(flags).ok().and_then(OpenFlags::from_bits).ok_or(Errno::EINVAL)?;
    let resolve = Resolve::from_bits(resolve).ok_or(Errno::EINVAL)?;
    let creates = flags.intersects(OpenFlags::CREATE | OpenFlags::TMPFILE_BIT);
    if mode & !0o7777 != 0
        || (mode != 0 && !creates)
        || resolve.contains(Resolve::BENEATH | Resolve::IN_ROOT)
    {
        return Err(Errno::EINVAL);
    }
    let name = Name::below(c, call, 0).await?;
    finish(c, &name, resolve, (flags, mode)).await
}

/// Opens what all ways to open have found to be opened.
async fn finish(
    c: &Caller,
    name: &Name,
    resolve: Resolve,
    (flags, mode): (OpenFlags, u64),
) -> SysResult {
    // A full table must not leave a new or an emptied file behind.
    let limit = descriptor_limit(c);
    c.home.files.descriptors().lowest_free(Fd(0), limit)?;
    let mode = masked(c, mode);
    let how = (flags, mode);
    let (start, asker) = (&name.start, c.asker());
    let file = c.kernel.vfs.open_restricted(start, &name.path, resolve, how, &asker)?;
    if flags.contains(OpenFlags::TRUNCATE) && file.inode().file_type() == FileType::Regular {
        cut(c, file.inode(), 0);
    }
    wait_for_partner(c, &file).await?;
    let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
    let fd = c.home.files.descriptors().insert(Descriptor { file, close_on_exec }, Fd(0), limit)?;
    Ok(fd.0 as u64)
}

/// Waits until the other end of a fifo is open as well.
async fn wait_for_partner(c: &Caller, file: &OpenFile) -> Result<(), Errno> {
    let Some(changes) = file.object().changes().filter(|_| !file.is_nonblocking()) else {
        return Ok(());
    };
    let complete = || file.object().is_open_complete().then_some(());
    c.interruptible(changes.wait_until(complete)).await
}
