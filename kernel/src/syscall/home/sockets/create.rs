//! socket(2) and socketpair(2).

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::socket::{
    AF_INET, AF_NETLINK, AF_UNIX, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET,
    SOCK_STREAM, SOCK_TYPE_MASK,
};

use super::super::files::wait::descriptor_limit;
use super::credentials;
use crate::fs::Descriptor;
use crate::socket::inet::{TcpSocket, UdpSocket};
use crate::socket::netlink::NetlinkSocket;
use crate::socket::unix::UnixSocket;
use crate::socket::{Family, Kind, Protocol, Socket};
use crate::syscall::{Call, Caller, SysResult};

/// The family, type and flags that a call asks for.
fn requested(call: &Call) -> Result<(Family, Kind, OpenFlags), Errno> {
    let flags = flags(call.args[1] & !u64::from(SOCK_TYPE_MASK))?;
    let family = match call.int(0) {
        family if family == i32::from(AF_UNIX) => Family::Unix,
        family if family == i32::from(AF_INET) => Family::Inet,
        family if family == i32::from(AF_NETLINK) => Family::Netlink,
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    let kind = match (call.args[1] as u32 & SOCK_TYPE_MASK, family) {
        (SOCK_STREAM, Family::Unix | Family::Inet) => Kind::Stream,
        (SOCK_DGRAM, _) | (SOCK_RAW, Family::Unix | Family::Netlink) => Kind::Datagram,
        (SOCK_SEQPACKET, Family::Unix) => Kind::SeqPacket,
        (0 | 6.., _) => return Err(Errno::EINVAL),
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok((family, kind, flags))
}

/// `SOCK_CLOEXEC` and `SOCK_NONBLOCK`, which are flags of open(2).
///
/// # Errors
/// `EINVAL` for others.
pub(super) fn flags(raw: u64) -> Result<OpenFlags, Errno> {
    let flags = OpenFlags::from_bits_retain(raw as u32);
    let known = OpenFlags::CLOSE_ON_EXEC | OpenFlags::NONBLOCK;
    if known.contains(flags) { Ok(flags) } else { Err(Errno::EINVAL) }
}

/// socket(2).
pub(super) fn socket(c: &Caller, call: &Call) -> SysResult {
    let (family, kind, flags) = requested(call)?;
    let sockets = &c.kernel.sockets;
    let (number, protocol): (u32, Rc<dyn Protocol>) = match family {
        Family::Unix => {
            check_unix_protocol(call)?;
            (0, UnixSocket::new(&sockets.unix, kind))
        }
        Family::Inet if kind == Kind::Stream => {
            (check_protocol(call, IPPROTO_TCP)?, TcpSocket::new(&sockets.inet))
        }
        Family::Inet => (check_protocol(call, IPPROTO_UDP)?, UdpSocket::new(&sockets.inet)),
        Family::Netlink => (check_protocol(call, 0)?, NetlinkSocket::new(&sockets.unix.pool)),
    };
    install(c, Socket::new(family, kind, number, protocol, &sockets.flight), flags)
}

/// Fails unless the protocol is the one of the socket's type, or left open.
fn check_protocol(call: &Call, number: u32) -> Result<u32, Errno> {
    match call.args[2] as u32 {
        given if given == 0 || given == number => Ok(number),
        _ => Err(Errno::EPROTONOSUPPORT),
    }
}

fn check_unix_protocol(call: &Call) -> Result<(), Errno> {
    match call.int(2) {
        protocol if protocol == 0 || protocol == i32::from(AF_UNIX) => Ok(()),
        _ => Err(Errno::EPROTONOSUPPORT),
    }
}

/// Gives the caller a descriptor of `socket`.
///
/// # Errors
/// `EMFILE`.
pub(super) fn install(c: &Caller, socket: Rc<Socket>, flags: OpenFlags) -> SysResult {
    let file = c.kernel.nameless.open_socket(socket, flags, c.kernel.vfs.open_files());
    let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
    let descriptor = Descriptor { file, close_on_exec };
    let fd = c.home.files.descriptors().insert(descriptor, Fd(0), descriptor_limit(c))?;
    Ok(fd.0 as u64)
}

/// socketpair(2).
pub(super) async fn socketpair(c: &Caller, call: &Call) -> SysResult {
    let (family, kind, flags) = requested(call)?;
    if family != Family::Unix {
        return Err(Errno::ENOTSUP);
    }
    check_unix_protocol(call)?;
    let sockets = &c.kernel.sockets;
    let (one, other) = UnixSocket::pair(&sockets.unix, kind, credentials(c));
    let socket = |protocol| Socket::new(family, kind, 0, protocol, &sockets.flight);
    let first = install(c, socket(one), flags)? as i32;
    let second = install(c, socket(other), flags);
    let descriptors = c.home.files.descriptors();
    let second = match second {
        Ok(second) => second as i32,
        Err(error) => {
            drop(descriptors.remove(Fd(first)));
            return Err(error);
        }
    };
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_le_bytes());
    bytes[4..].copy_from_slice(&second.to_le_bytes());
    if let Err(error) = c.memory.copy_out(call.addr(3), &bytes).await {
        drop((descriptors.remove(Fd(first)), descriptors.remove(Fd(second))));
        return Err(error.into());
    }
    Ok(0)
}
