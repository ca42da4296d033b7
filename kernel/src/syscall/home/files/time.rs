//! utime(2), utimes(2), utimensat(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::fcntl::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, UTIME_NOW, UTIME_OMIT, W_OK,
};
use wayfarer_proto::linux::time::{Timespec, Timeval};
use wayfarer_proto::table::Sysno;

use super::attributes::{check_flags, follow};
use super::names::{Name, structure};
use super::wait::file;
use crate::fs::{Asker as _, AttributeChange, FollowLast};
use crate::syscall::{Call, Caller, SysResult};

/// The four ways to set the times of a file.
pub(super) async fn set_times(c: &Caller, call: &Call) -> SysResult {
    let (index, flags) = match call.sysno {
        Sysno::utimensat => (2, call.args[3] as u32),
        Sysno::futimesat => (2, 0),
        _ => (1, 0),
    };
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let times = if call.addr(index).is_null() {
        let now = c.kernel.wall_clock();
        [Some(now), Some(now)]
    } else {
        read_times(c, call, index).await?
    };
    if times == [None, None] {
        return Ok(0);
    }
    let dentry = match call.sysno {
        // Without a path it is the descriptor's file: futimens(3).
        Sysno::utimensat | Sysno::futimesat if call.addr(1).is_null() => {
            check_flags(flags, 0)?;
            file(c, call.int(0))?.dentry().clone()
        }
        Sysno::utimensat | Sysno::futimesat => {
            Name::at(c, call, 0).await?.resolve(c, follow(flags), flags)?
        }
        _ => Name::here(c, call, 0).await?.resolve(c, FollowLast::Yes, 0)?,
    };
    let asker = c.asker();
    let inode = &**dentry.inode();
    inode.refresh()?;
    if !asker.owns(inode) {
        // Who may write may say that he has just done so (utimensat(2)).
        if !call.addr(index).is_null() {
            return Err(Errno::EPERM);
        }
        asker.require(inode, W_OK)?;
    }
    let [accessed, modified] = times;
    let change = AttributeChange { accessed, modified, ..Default::default() };
    dentry.inode().change_attributes(&change)?;
    c.kernel.vfs.attributes_changed(&dentry);
    Ok(0)
}

/// The times of access and of modification; `None` leaves one as it is.
async fn read_times(c: &Caller, call: &Call, index: usize) -> Result<[Option<Timespec>; 2], Errno> {
    let address = call.addr(index);
    match call.sysno {
        Sysno::utime => {
            let bytes = structure::<16>(c, address).await?;
            let (accessed, modified) = bytes.split_at(8);
            Ok([accessed, modified].map(|bytes| {
                let mut seconds = [0; 8];
                seconds.copy_from_slice(bytes);
                Some(Timespec { seconds: i64::from_le_bytes(seconds), nanoseconds: 0 })
            }))
        }
        Sysno::utimes | Sysno::futimesat => {
            let bytes = structure::<32>(c, address).await?;
            let time = |bytes: &[u8]| {
                let Timeval { seconds, microseconds } = Timeval::from_bytes(bytes);
                if !(0..1_000_000).contains(&microseconds) {
                    return Err(Errno::EINVAL);
                }
                Ok(Some(Timespec { seconds, nanoseconds: microseconds * 1000 }))
            };
            Ok([time(&bytes[..16])?, time(&bytes[16..])?])
        }
        _ => {
            let bytes = structure::<32>(c, address).await?;
            let now = c.kernel.wall_clock();
            let time = |bytes: &[u8]| given_time(Timespec::from_bytes(bytes), now);
            Ok([time(&bytes[..16])?, time(&bytes[16..])?])
        }
    }
}

/// A time of utimensat(2), whose nanoseconds may have a meaning of their own.
fn given_time(time: Timespec, now: Timespec) -> Result<Option<Timespec>, Errno> {
    match time.nanoseconds {
        UTIME_NOW => Ok(Some(now)),
        UTIME_OMIT => Ok(None),
        0..=999_999_999 => Ok(Some(time)),
        _ => Err(Errno::EINVAL),
    }
}
