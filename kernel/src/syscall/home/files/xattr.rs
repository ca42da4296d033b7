//! Extended attributes (xattr(7)): no file system here has any.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::table::Sysno;

use super::names::{Name, path};
use super::wait::file;
use crate::fs::FollowLast;
use crate::syscall::{Call, Caller, SysResult};

/// The longest name of an attribute.
const NAME_MAX: usize = 255;

/// The twelve calls: a list is empty, everything else is not supported.
pub(super) async fn xattr(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::fsetxattr | Sysno::fgetxattr | Sysno::flistxattr | Sysno::fremovexattr => {
            file(c, call.int(0))?.require_not_path()?
        }
        _ => {
            let follow = match call.sysno {
                Sysno::lsetxattr | Sysno::lgetxattr | Sysno::llistxattr | Sysno::lremovexattr => {
                    FollowLast::No
                }
                _ => FollowLast::Yes,
            };
            Name::here(c, call, 0).await?.resolve(c, follow, 0)?;
        }
    }
    if matches!(call.sysno, Sysno::listxattr | Sysno::llistxattr | Sysno::flistxattr) {
        return Ok(0);
    }
    let name = path(c, call.addr(1)).await?;
    if name.is_empty() || name.len() > NAME_MAX { Err(Errno::ERANGE) } else { Err(Errno::ENOTSUP) }
}
