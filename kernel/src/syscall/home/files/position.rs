//! lseek(2), truncate(2), fsync(2).

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::PAGE;
use wayfarer_proto::linux::fcntl::Whence;

use super::names::{path, start_here};
use super::wait::file;
use crate::fs::Inode;
use crate::syscall::home::map::pages_gone;
use crate::syscall::{Call, Caller, SysResult};

/// lseek(2).
#[inline]
pub(in crate::syscall::home) fn lseek(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    let whence = Whence::try_from(call.args[2])?;
    file.seek(call.args[1].cast_signed(), whence)
}

/// ftruncate(2).
pub(in crate::syscall::home) fn ftruncate(c: &Caller, call: &Call) -> SysResult {
    let size = size(call)?;
    let file = file(c, call.int(0))?;
    file.set_size(size, &c.asker())?;
    cut(c, file.inode(), size);
    Ok(0)
}

/// truncate(2).
pub(super) async fn truncate(c: &Caller, call: &Call) -> SysResult {
    let size = size(call)?;
    let path = path(c, call.addr(0)).await?;
    let inode = c.kernel.vfs.truncate(&start_here(c), &path, size, &c.asker())?;
    cut(c, &inode, size);
    Ok(0)
}

/// Lets those who map a file know that it ends at `size`.
pub(super) fn cut(c: &Caller, inode: &Rc<dyn Inode>, size: u64) {
    pages_gone(c, inode, size.div_ceil(PAGE as u64)..u64::MAX);
}

fn size(call: &Call) -> Result<u64, Errno> {
    u64::try_from(call.args[1].cast_signed()).map_err(|_| Errno::EINVAL)
}

/// fsync(2) and fdatasync(2); not all files have anything to write back.
pub(in crate::syscall::home) fn fsync(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    file.require_not_path()?;
    use wayfarer_proto::linux::stat::FileType;
    match file.inode().file_type() {
        FileType::Regular | FileType::Directory => file.object().sync().map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}
