//! System V IPC (svipc(7)) and POSIX message queues (mq_overview(7)).

mod mqueue;
mod msg;
mod sem;
mod shm;

pub(crate) use sem::take_back;

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::capability::{CAP_IPC_OWNER, CAP_SYS_ADMIN};
use wayfarer_proto::linux::ipc::IpcPerm;
use wayfarer_proto::table::Sysno;

use super::files::names::structure;
use crate::ipc::{Key, Permission};
use crate::syscall::{Call, Caller, SysResult};

/// Executes one of these calls.
///
/// # Errors
/// What the call's manual page says; `ENOSYS` for a call that is none of these.
pub(super) async fn dispatch(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::shmget => shm::get(c, call),
        Sysno::shmat => shm::attach(c, call).await,
        Sysno::shmdt => shm::detach(c, call).await,
        Sysno::shmctl => shm::control(c, call).await,
        Sysno::semget => sem::get(c, call),
        Sysno::semop | Sysno::semtimedop => sem::operate(c, call).await,
        Sysno::semctl => sem::control(c, call).await,
        Sysno::msgget => msg::get(c, call),
        Sysno::msgsnd => msg::send(c, call).await,
        Sysno::msgrcv => msg::receive(c, call).await,
        Sysno::msgctl => msg::control(c, call).await,
        Sysno::mq_open => mqueue::open(c, call).await,
        Sysno::mq_unlink => mqueue::unlink(c, call).await,
        Sysno::mq_timedsend => mqueue::send(c, call).await,
        Sysno::mq_timedreceive => mqueue::receive(c, call).await,
        Sysno::mq_notify => mqueue::notify(c, call).await,
        Sysno::mq_getsetattr => mqueue::attributes(c, call).await,
        _ => Err(Errno::ENOSYS),
    }
}

/// The wall clock in seconds, as these objects' times are.
fn seconds(c: &Caller) -> u64 {
    c.kernel.wall_clock().seconds.cast_unsigned()
}

/// The permissions of what the caller makes.
fn permission(c: &Caller, Key { key, flags }: Key) -> Permission {
    let credentials = c.home.credentials.borrow();
    let (uid, gid) = (credentials.user.effective, credentials.group.effective);
    Permission { key, uid, gid, creator: (uid, gid), mode: flags & 0o777 }
}

/// To read what an object holds.
const READ: u32 = 4;
/// To change it.
const WRITE: u32 = 2;

/// Fails unless the caller may do this with an object.
///
/// # Errors
/// `EACCES`.
fn require(c: &Caller, permission: &Permission, wanted: u32) -> Result<(), Errno> {
    let credentials = c.home.credentials.borrow();
    let in_group = |gid| gid == credentials.group.effective || credentials.groups.contains(&gid);
    let bits = permission.bits_for(credentials.user.effective, in_group);
    if wanted & !bits == 0 || credentials.has(CAP_IPC_OWNER) { Ok(()) } else { Err(Errno::EACCES) }
}

/// Fails unless the caller may do what the flags of shmget(2) and its kin ask for.
///
/// # Errors
/// `EACCES`.
fn require_flags(c: &Caller, permission: &Permission, flags: u32) -> Result<(), Errno> {
    require(c, permission, (flags | flags >> 3 | flags >> 6) & 7)
}

/// Fails unless the object is the caller's (`IPC_SET`, `IPC_RMID`).
///
/// # Errors
/// `EPERM`.
fn require_owner(c: &Caller, permission: &Permission) -> Result<(), Errno> {
    let credentials = c.home.credentials.borrow();
    let own = [permission.uid, permission.creator.0].contains(&credentials.user.effective);
    if own || credentials.has(CAP_SYS_ADMIN) { Ok(()) } else { Err(Errno::EPERM) }
}

/// The key and flags of shmget(2) and its kin.
fn key(call: &Call, flags: usize) -> Key {
    Key { key: call.int(0), flags: call.args[flags] as u32 }
}

/// Reads the structure of `IPC_SET`, whose first part are permissions; gives both parts.
async fn read_set<const N: usize>(
    c: &Caller,
    old: Permission,
    address: UserAddr,
) -> Result<(Permission, [u8; N]), Errno> {
    let new = IpcPerm::from_bytes(&structure::<{ IpcPerm::SIZE }>(c, address).await?);
    let rest = structure::<N>(c, address.offset(IpcPerm::SIZE as u64)).await?;
    let permission = Permission { uid: new.uid, gid: new.gid, mode: new.mode & 0o777, ..old };
    Ok((permission, rest))
}

/// Copies the two parts of what `IPC_STAT` tells out.
async fn tell(c: &Caller, address: UserAddr, permission: &IpcPerm, rest: Vec<u8>) -> SysResult {
    let both = [permission.to_bytes(), rest].concat();
    c.memory.copy_out(address, &both).await?;
    Ok(0)
}

/// A wait on these objects is never begun again: the call's manual page promises `EINTR`.
fn not_restarted(errno: Errno) -> Errno {
    if errno == Errno::ERESTARTSYS { Errno::EINTR } else { errno }
}
