//! inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2).

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::inotify::Notice;
use wayfarer_proto::linux::stat::FileType;
use wayfarer_proto::table::Sysno;

use super::names::Name;
use super::wait::file;
use crate::fs::FollowLast;
use crate::fs::notify::Inotify;
use crate::syscall::home::events::{install, open_flags};
use crate::syscall::{Call, Caller, SysResult};

/// inotify_init(2) and inotify_init1(2).
pub(super) fn init(c: &Caller, call: &Call) -> SysResult {
    let raw = if call.sysno == Sysno::inotify_init { 0 } else { call.args[0] };
    let flags = open_flags(raw, 0)? - OpenFlags::READ_WRITE;
    install(c, "inotify", Inotify::new(), flags)
}

fn instance(c: &Caller, call: &Call) -> Result<Rc<Inotify>, Errno> {
    Inotify::of(file(c, call.int(0))?.object()).ok_or(Errno::EINVAL)
}

/// inotify_add_watch(2).
pub(super) async fn add_watch(c: &Caller, call: &Call) -> SysResult {
    let mask = Notice::from_bits_truncate(call.args[2] as u32);
    let both = Notice::MASK_ADD | Notice::MASK_CREATE;
    if mask.is_empty() || mask.contains(both) {
        return Err(Errno::EINVAL);
    }
    let instance = instance(c, call)?;
    let follow = if mask.contains(Notice::DONT_FOLLOW) { FollowLast::No } else { FollowLast::Yes };
    let found = Name::here(c, call, 1).await?.resolve(c, follow, 0)?;
    if mask.contains(Notice::ONLYDIR) && found.inode().file_type() != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    let number = c.kernel.vfs.open_files().watches().add(&instance, &found, mask)?;
    Ok(number as u64)
}

/// inotify_rm_watch(2).
pub(super) fn remove_watch(c: &Caller, call: &Call) -> SysResult {
    let instance = instance(c, call)?;
    c.kernel.vfs.open_files().watches().remove(&instance, call.int(1))?;
    Ok(0)
}
