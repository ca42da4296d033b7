//! chmod(2) and chown(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::capability::{CAP_CHOWN, CAP_FSETID};
use wayfarer_proto::linux::fcntl::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use wayfarer_proto::linux::stat::{FileType, PERMISSIONS, S_ISGID, S_ISUID};
use wayfarer_proto::table::Sysno;

use super::attributes::{check_flags, follow};
use super::names::Name;
use super::wait::file;
use crate::fs::{Asker as _, AttributeChange, FollowLast, Inode};
use crate::syscall::{Call, Caller, SysResult};

/// chmod(2), fchmod(2), fchmodat(2) and fchmodat2(2).
pub(super) async fn chmod(c: &Caller, call: &Call) -> SysResult {
    let (index, flags) = match call.sysno {
        Sysno::fchmodat => (2, 0),
        Sysno::fchmodat2 => (2, call.args[3] as u32),
        _ => (1, 0),
    };
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let permissions = Some(call.args[index] as u32 & PERMISSIONS);
    let change = AttributeChange { permissions, ..AttributeChange::default() };
    let dentry = match call.sysno {
        Sysno::fchmod => {
            let file = file(c, call.int(0))?;
            file.require_not_path()?;
            file.dentry().clone()
        }
        Sysno::chmod => Name::here(c, call, 0).await?.resolve(c, FollowLast::Yes, 0)?,
        _ => Name::at(c, call, 0).await?.resolve(c, follow(flags), flags)?,
    };
    if dentry.inode().file_type() == FileType::Symlink {
        return Err(Errno::ENOTSUP);
    }
    let inode = dentry.inode();
    inode.refresh()?;
    if !c.asker().owns(&**inode) {
        return Err(Errno::EPERM);
    }
    inode.change_attributes(&without_foreign_group(c, &**inode, change))?;
    c.kernel.vfs.attributes_changed(&dentry);
    Ok(0)
}

/// A file does not become set-group-id for a group that its owner is not in (chmod(2)).
fn without_foreign_group(
    c: &Caller,
    inode: &dyn Inode,
    change: AttributeChange,
) -> AttributeChange {
    let credentials = c.home.credentials.borrow();
    let foreign = !credentials.in_group(inode.metadata().attributes.gid);
    let strip = foreign && !credentials.has(CAP_FSETID);
    let permissions = change.permissions.map(|all| if strip { all & !S_ISGID } else { all });
    AttributeChange { permissions, ..change }
}

/// chown(2), fchown(2), lchown(2) and fchownat(2).
pub(super) async fn chown(c: &Caller, call: &Call) -> SysResult {
    let (first, flags) = match call.sysno {
        Sysno::fchownat => (2, call.args[4] as u32),
        Sysno::lchown => (1, AT_SYMLINK_NOFOLLOW),
        _ => (1, 0),
    };
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let dentry = match call.sysno {
        Sysno::fchown => {
            let file = file(c, call.int(0))?;
            file.require_not_path()?;
            file.dentry().clone()
        }
        Sysno::fchownat => Name::at(c, call, 0).await?.resolve(c, follow(flags), flags)?,
        _ => Name::here(c, call, 0).await?.resolve(c, follow(flags), 0)?,
    };
    let (uid, gid) = (call.args[first] as u32, call.args[first + 1] as u32);
    dentry.inode().refresh()?;
    may_change_owner(c, &**dentry.inode(), uid, gid)?;
    change_owner(&**dentry.inode(), uid, gid)?;
    c.kernel.vfs.attributes_changed(&dentry);
    Ok(0)
}

/// An owner may give a file to a group of his, and to nobody (chown(2)).
fn may_change_owner(c: &Caller, inode: &dyn Inode, uid: u32, gid: u32) -> Result<(), Errno> {
    let credentials = c.home.credentials.borrow();
    let attributes = inode.metadata().attributes;
    let owns = attributes.uid == credentials.user.files;
    let keeps = owns && [u32::MAX, attributes.uid].contains(&uid);
    let joins = gid == u32::MAX || gid == attributes.gid || credentials.in_group(gid);
    if credentials.has(CAP_CHOWN) || (keeps && joins) { Ok(()) } else { Err(Errno::EPERM) }
}

/// -1 leaves one as it is. A file that was set-id for its owner is no longer (chown(2)).
fn change_owner(inode: &dyn Inode, uid: u32, gid: u32) -> Result<(), Errno> {
    let named = |id: u32| (id != u32::MAX).then_some(id);
    let mut change =
        AttributeChange { uid: named(uid), gid: named(gid), ..AttributeChange::default() };
    let metadata = inode.metadata();
    if metadata.file_type == FileType::Regular && (change.uid.is_some() || change.gid.is_some()) {
        let permissions = metadata.attributes.permissions;
        // Without group execution the bit means mandatory locking, and stays.
        let group = if permissions & 0o010 != 0 { S_ISGID } else { 0 };
        change.permissions = Some(permissions & !(S_ISUID | group));
    }
    inode.change_attributes(&change)
}
