//! fallocate(2), and advice on files that means nothing for memory: posix_fadvise(2),
//! readahead(2), sync_file_range(2), syncfs(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::PAGE;
use wayfarer_proto::linux::fcntl::{
    FADV_LAST, FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, SYNC_FILE_RANGE_FLAGS,
};
use wayfarer_proto::linux::stat::FileType;
use wayfarer_proto::table::Sysno;

use super::wait::file;
use crate::executor::yield_now;
use crate::fs::{Asker as _, OpenFile};
use crate::syscall::home::map::pages_gone;
use crate::syscall::{Call, Caller, SysResult};

/// fallocate(2), as tmpfs has it: memory can be taken and holes made, no more.
pub(super) async fn fallocate(c: &Caller, call: &Call) -> SysResult {
    let number = |index: usize| u64::try_from(call.args[index].cast_signed());
    let (mode, start) = (call.args[1], number(2).map_err(|_| Errno::EINVAL)?);
    let length = number(3).ok().filter(|length| *length > 0).ok_or(Errno::EINVAL)?;
    let file = file(c, call.int(0))?;
    let end = start.checked_add(length).filter(|end| *end <= i64::MAX as u64);
    file.require_writes()?;
    check_type(&file)?;
    let end = end.ok_or(Errno::EFBIG)?;
    match mode {
        0 | FALLOC_KEEP_SIZE => {
            if mode == 0 {
                c.asker().require_size(file.metadata().size, end)?;
            }
            let mut at = start;
            while at < end {
                at = file.inode().reserve(at..end)?;
                yield_now().await;
            }
            if mode == 0 && file.metadata().size < end {
                file.set_size(end, &c.asker())?;
            }
        }
        _ if mode == FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE => {
            file.inode().punch(start..end)?;
            let page = PAGE as u64;
            pages_gone(c, file.inode(), start.div_ceil(page)..end / page);
        }
        _ => return Err(Errno::ENOTSUP),
    }
    Ok(0)
}

fn check_type(file: &OpenFile) -> Result<(), Errno> {
    match file.inode().file_type() {
        FileType::Regular => Ok(()),
        FileType::Fifo => Err(Errno::ESPIPE),
        _ => Err(Errno::ENODEV),
    }
}

/// posix_fadvise(2), readahead(2), sync_file_range(2) and syncfs(2): files are in memory.
pub(in crate::syscall::home) fn advise(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    file.require_not_path()?;
    let file_type = file.inode().file_type();
    match call.sysno {
        Sysno::fadvise64 if file_type == FileType::Fifo => return Err(Errno::ESPIPE),
        Sysno::fadvise64 if call.args[2].cast_signed() < 0 || call.args[3] > FADV_LAST => {
            return Err(Errno::EINVAL);
        }
        Sysno::readahead => {
            file.require_reads().map_err(|_| Errno::EBADF)?;
            if file_type != FileType::Regular {
                return Err(Errno::EINVAL);
            }
        }
        Sysno::sync_file_range => {
            let (start, length) = (call.args[1].cast_signed(), call.args[2].cast_signed());
            let known = call.args[3] & !SYNC_FILE_RANGE_FLAGS == 0;
            if !known || start < 0 || length < 0 || start.checked_add(length).is_none() {
                return Err(Errno::EINVAL);
            }
            if !matches!(file_type, FileType::Regular | FileType::Directory) {
                return Err(Errno::ESPIPE);
            }
        }
        _ => {}
    }
    Ok(0)
}
