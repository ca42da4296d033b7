//! Socket addresses from and to user memory.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType};

use super::super::files::buffers::kernel_buffer;
use super::super::files::names::{masked, start_here, structure};
use crate::fs::{Dentry, FollowLast};
use crate::socket::{Address, UnixName};
use crate::syscall::Caller;

/// Bytes of the longest address (`struct sockaddr_storage`).
const LONGEST: usize = 128;

/// Reads an address of `length` bytes.
///
/// # Errors
/// `EFAULT`, and what [`Address::from_bytes`] says.
pub(super) async fn read(c: &Caller, at: UserAddr, length: u64) -> Result<Address, Errno> {
    let length = usize::try_from(length as u32).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(Errno::EINVAL);
    }
    let mut bytes = kernel_buffer(length)?;
    c.memory.copy_in(at, &mut bytes).await?;
    Address::from_bytes(&bytes)
}

/// Looks up the path of a name that is one, to connect or to send to.
///
/// # Errors
/// `ENOENT` and its kin; `ECONNREFUSED` if it is no socket.
pub(super) fn look_up(c: &Caller, address: Address) -> Result<Address, Errno> {
    let Address::Unix(UnixName::Path(path, None)) = address else { return Ok(address) };
    let dentry = resolve(c, &path)?;
    if dentry.inode().file_type() != FileType::Socket {
        return Err(Errno::ECONNREFUSED);
    }
    Ok(Address::Unix(UnixName::Path(path, Some(dentry))))
}

/// Makes the file of a name that is a path, to bind to it.
///
/// # Errors
/// `EADDRINUSE` if the path exists; `ENOENT` and its kin.
pub(super) fn make(c: &Caller, address: Address) -> Result<Address, Errno> {
    let Address::Unix(UnixName::Path(path, None)) = address else { return Ok(address) };
    let mode = FileType::Socket.mode_bits() | masked(c, 0o777);
    let (start, device) = (start_here(c), DeviceNumber::default());
    let made = c.kernel.vfs.make_node(&start, &path, mode, device, &c.asker());
    made.map_err(|error| if error == Errno::EEXIST { Errno::EADDRINUSE } else { error })?;
    let dentry = resolve(c, &path)?;
    Ok(Address::Unix(UnixName::Path(path, Some(dentry))))
}

fn resolve(c: &Caller, path: &[u8]) -> Result<Rc<Dentry>, Errno> {
    c.kernel.vfs.resolve(&start_here(c), path, FollowLast::Yes, &c.asker())
}

/// Writes an address as far as there is room, and how long it is where the room was given.
///
/// # Errors
/// `EINVAL` for a room below zero, `EFAULT`.
pub(super) async fn write(
    c: &Caller,
    address: &Address,
    at: UserAddr,
    length_at: UserAddr,
) -> Result<(), Errno> {
    let room = i32::from_le_bytes(structure::<4>(c, length_at).await?);
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let length = write_bytes(c, address, at, room).await?;
    c.memory.copy_out(length_at, &length.to_le_bytes()).await?;
    Ok(())
}

/// Writes an address as far as there is room; how long it is.
///
/// # Errors
/// `EFAULT`.
pub(super) async fn write_bytes(
    c: &Caller,
    address: &Address,
    at: UserAddr,
    room: usize,
) -> Result<u32, Errno> {
    let bytes = address.to_bytes();
    c.memory.copy_out(at, &bytes[..bytes.len().min(room)]).await?;
    Ok(bytes.len() as u32)
}
