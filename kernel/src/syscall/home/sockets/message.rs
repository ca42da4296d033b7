//! The calls that send and receive: send(2), sendmmsg(2), recv(2), recvmmsg(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::fcntl::IOV_MAX;
use wayfarer_proto::linux::socket::{MessageFlags, MessageHeader};
use wayfarer_proto::linux::time::Timespec;

use super::super::files::buffers::Buffers;
use super::super::files::names::structure;
use super::receive::{self, Received};
use super::send::{self, Sending};
use super::{address, control, socket_file, socket_of};
use crate::fs::OpenFile;
use crate::syscall::{Call, Caller, SysResult};

/// Bytes of `struct mmsghdr`.
const COUNTED_MESSAGE: u64 = 64;
/// Where a `struct mmsghdr` counts the bytes.
const COUNT_AT: u64 = 56;

fn flags_of(raw: u64) -> MessageFlags {
    MessageFlags::from_bits_truncate(raw as u32)
}

/// sendto(2), which is send(2) as well.
pub(super) async fn sendto(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    let buffers = Buffers::one(call)?;
    let mut sending = Sending { flags: flags_of(call.args[3]), ..Sending::plain(c) };
    if !call.addr(4).is_null() {
        let target = address::read(c, call.addr(4), call.args[5]).await?;
        sending.target = Some(address::look_up(c, target)?);
    }
    send::send(c, &file, socket, &buffers, &sending).await
}

/// sendmsg(2).
pub(super) async fn sendmsg(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    send_one(c, &file, call.addr(1), flags_of(call.args[2])).await
}

async fn send_one(c: &Caller, file: &OpenFile, at: UserAddr, flags: MessageFlags) -> SysResult {
    let socket = socket_of(file)?;
    let header = read_header(c, at).await?;
    let mut sending = Sending { flags, ..Sending::plain(c) };
    if header.name != 0 && header.name_length != 0 {
        let (name, length) = (UserAddr(header.name), u64::from(header.name_length));
        let target = address::read(c, name, length).await?;
        sending.target = Some(address::look_up(c, target)?);
    }
    control::read(c, &header, &mut sending).await?;
    let buffers = buffers_of(c, &header).await?;
    send::send(c, file, socket, &buffers, &sending).await
}

/// sendmmsg(2): how many messages were sent. The error of a later one is told by the next call.
pub(super) async fn sendmmsg(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let count = u64::from(call.args[2] as u32).min(IOV_MAX);
    let mut done = 0;
    while done < count {
        let at = call.addr(1).offset(done * COUNTED_MESSAGE);
        match send_one(c, &file, at, flags_of(call.args[3])).await {
            Ok(sent) => {
                let sent = (sent as u32).to_le_bytes();
                c.memory.copy_out(at.offset(COUNT_AT), &sent).await?;
                done += 1;
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// recvfrom(2), which is recv(2) as well.
pub(super) async fn recvfrom(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    let buffers = Buffers::one(call)?;
    let flags = flags_of(call.args[3]);
    let received = receive::receive(c, &file, socket, &buffers, flags).await?;
    if !call.addr(4).is_null() {
        match socket.source(received.origin.as_ref()) {
            Some(source) => address::write(c, source, call.addr(4), call.addr(5)).await?,
            None => c.memory.copy_out(call.addr(5), &[0; 4]).await?,
        }
    }
    Ok(received.count as u64)
}

/// recvmsg(2).
pub(super) async fn recvmsg(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    receive_one(c, &file, call.addr(1), flags_of(call.args[2])).await
}

async fn receive_one(c: &Caller, file: &OpenFile, at: UserAddr, flags: MessageFlags) -> SysResult {
    let socket = socket_of(file)?;
    let header = read_header(c, at).await?;
    let buffers = buffers_of(c, &header).await?;
    let received = receive::receive(c, file, socket, &buffers, flags).await?;
    let Received { count, flags: mut told, origin } = received;
    let mut name_length = 0;
    if header.name != 0
        && let Some(source) = socket.source(origin.as_ref())
    {
        let (name, room) = (UserAddr(header.name), header.name_length as usize);
        name_length = address::write_bytes(c, source, name, room).await?;
    }
    let (control_length, truncated) = control::write(c, socket, &header, origin, flags).await?;
    told |= truncated | (flags & MessageFlags::CMSG_CLOEXEC);
    let answer = MessageHeader { name_length, control_length, flags: told.bits(), ..header };
    let bytes = answer.to_bytes();
    if header.name != 0 {
        c.memory.copy_out(at.offset(8), &bytes[8..12]).await?;
    }
    c.memory.copy_out(at.offset(40), &bytes[40..52]).await?;
    Ok(count as u64)
}

/// recvmmsg(2). The timeout is looked at after each message only, as on Linux.
pub(super) async fn recvmmsg(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let count = u64::from(call.args[2] as u32).min(IOV_MAX);
    let mut flags = flags_of(call.args[3]);
    let mut deadline = None;
    if !call.addr(4).is_null() {
        let bytes = structure::<{ Timespec::SIZE }>(c, call.addr(4)).await?;
        deadline = Some(c.kernel.now() + Timespec::from_bytes(&bytes).to_duration()?);
    }
    let mut done = 0;
    while done < count {
        let at = call.addr(1).offset(done * COUNTED_MESSAGE);
        match receive_one(c, &file, at, flags - MessageFlags::WAITFORONE).await {
            Ok(received) => {
                let received = (received as u32).to_le_bytes();
                c.memory.copy_out(at.offset(COUNT_AT), &received).await?;
                done += 1;
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        if flags.contains(MessageFlags::WAITFORONE) {
            flags |= MessageFlags::DONTWAIT;
        }
        if deadline.is_some_and(|deadline| deadline <= c.kernel.now()) {
            break;
        }
    }
    if let Some(deadline) = deadline {
        let left = Timespec::from_duration(deadline.since(c.kernel.now()));
        c.memory.copy_out(call.addr(4), &left.to_bytes()).await?;
    }
    Ok(done)
}

async fn read_header(c: &Caller, at: UserAddr) -> Result<MessageHeader, Errno> {
    let bytes = structure::<{ MessageHeader::SIZE }>(c, at).await?;
    let header = MessageHeader::from_bytes(&bytes);
    if i32::try_from(header.name_length).is_err() {
        return Err(Errno::EINVAL);
    }
    Ok(header)
}

async fn buffers_of(c: &Caller, header: &MessageHeader) -> Result<Buffers, Errno> {
    if header.vector_count > IOV_MAX {
        return Err(Errno::EMSGSIZE);
    }
    Buffers::vector_at(c, UserAddr(header.vector), header.vector_count).await
}
