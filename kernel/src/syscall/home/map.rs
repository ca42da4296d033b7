//! mmap(2) of a file at home: may it be mapped, and what is its name for page-ins.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::stat::FileType;

use crate::process::MappedFile;
use crate::syscall::{Call, Caller, SysResult};

/// Grants a mapping of the file open as `fd`: gives its [`MapId`](wayfarer_proto::id::MapId).
///
/// # Errors
/// `EBADF`, `EACCES` for a file not open for reading, `ENODEV` for one that has no pages.
pub(super) fn map(c: &Caller, call: &Call) -> SysResult {
    let file = c.home.files.descriptors.get(Fd(call.int(4)))?;
    file.require_reads().map_err(|_| Errno::EACCES)?;
    if file.metadata().file_type != FileType::Regular {
        return Err(Errno::ENODEV);
    }
    let path = file.dentry().path();
    let inode = Rc::clone(file.inode());
    Ok(c.home.maps.insert(MappedFile { inode, path }).0.into())
}
