//! open(2), openat(2), creat(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::stat::FileType;
use wayfarer_proto::table::Sysno;

use super::names::{Name, masked};
use super::position::cut;
use super::wait::descriptor_limit;
use crate::fs::{Descriptor, OpenFile};
use crate::syscall::{Call, Caller, SysResult};

/// The three ways to open.
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
    // A full table must not leave a new or an emptied file behind.
    let limit = descriptor_limit(c);
    c.home.files.descriptors.lowest_free(Fd(0), limit)?;
    let mode = masked(c, mode);
    let file = c.kernel.vfs.open(&name.start, &name.path, flags, mode, &c.asker())?;
    if flags.contains(OpenFlags::TRUNCATE) && file.inode().file_type() == FileType::Regular {
        cut(c, file.inode(), 0);
    }
    wait_for_partner(c, &file).await?;
    let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
    let fd = c.home.files.descriptors.insert(Descriptor { file, close_on_exec }, Fd(0), limit)?;
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
