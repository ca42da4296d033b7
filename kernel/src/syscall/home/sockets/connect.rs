//! bind(2), listen(2), connect(2), accept(2), shutdown(2), and names.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::table::Sysno;

use super::{address, create, credentials, socket_file, socket_of, until};
use crate::socket::{Address, Family, Kind, Shutdown, Socket};
use crate::syscall::{Call, Caller, SysResult};

/// Fails unless an address is of the socket's family; `AF_UNSPEC` is of every one.
fn check_family(socket: &Socket, address: &Address) -> Result<(), Errno> {
    match (socket.family, address) {
        (_, Address::Unspecified)
        | (Family::Unix, Address::Unix(_))
        | (Family::Inet, Address::Inet(_)) => Ok(()),
        (Family::Unix | Family::Netlink, _) => Err(Errno::EINVAL),
        (Family::Inet, _) => Err(Errno::EAFNOSUPPORT),
    }
}

/// bind(2).
pub(super) async fn bind(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    let given = address::read(c, call.addr(1), call.args[2]).await?;
    check_family(socket, &given)?;
    if socket.family == Family::Unix && is_named(socket) {
        return Err(Errno::EINVAL);
    }
    socket.protocol().apply(&socket.options);
    socket.protocol().bind(&address::make(c, given)?)?;
    Ok(0)
}

/// Whether an `AF_UNIX` socket has a name: then no file is made for another.
fn is_named(socket: &Socket) -> bool {
    let local = socket.protocol().local();
    !matches!(local, Address::Unix(crate::socket::UnixName::Unnamed))
}

/// listen(2).
pub(super) fn listen(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    // A backlog below zero is as large as it can be.
    let backlog = usize::try_from(call.args[1] as u32).unwrap_or(usize::MAX);
    socket.protocol().apply(&socket.options);
    socket.protocol().listen(backlog, credentials(c))?;
    Ok(0)
}

/// connect(2).
pub(super) async fn connect(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    let given = address::read(c, call.addr(1), call.args[2]).await?;
    check_family(socket, &given)?;
    let target = address::look_up(c, given)?;
    let (protocol, owner) = (socket.protocol(), credentials(c));
    protocol.apply(&socket.options);
    let nonblock = file.is_nonblocking();
    let mut begun = false;
    // Whoever waits sees the beginning and the going on as one.
    let attempt = || {
        let mut outcome = protocol.connect(&target, owner);
        if outcome == Err(Errno::EINPROGRESS) && !nonblock {
            begun = true;
            outcome = protocol.connect(&target, owner);
        }
        if outcome == Err(Errno::EALREADY) && !nonblock { Err(Errno::EAGAIN) } else { outcome }
    };
    let timeout = socket.options.send_timeout.get();
    let outcome = until(c, socket, nonblock, timeout, attempt).await;
    match outcome {
        Err(Errno::EAGAIN) if begun => Err(Errno::EINPROGRESS),
        outcome => outcome.map(|()| 0),
    }
}

/// accept(2) and accept4(2).
pub(super) async fn accept(c: &Caller, call: &Call) -> SysResult {
    let flags = match call.sysno {
        Sysno::accept => create::flags(0)?,
        _ => create::flags(call.args[3] & 0xffff_ffff)?,
    };
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    let timeout = socket.options.receive_timeout.get();
    let attempt = || socket.protocol().accept();
    let accepted = until(c, socket, file.is_nonblocking(), timeout, attempt).await?;
    let peer = accepted.peer().unwrap_or(Address::Unspecified);
    let fd = create::install(c, socket.accepted(accepted), flags)?;
    if !call.addr(1).is_null()
        && let Err(error) = address::write(c, &peer, call.addr(1), call.addr(2)).await
    {
        drop(c.home.files.descriptors().remove(wayfarer_proto::id::Fd(fd as i32)));
        return Err(error);
    }
    Ok(fd)
}

/// getsockname(2).
pub(super) async fn local_name(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let name = socket_of(&file)?.protocol().local();
    address::write(c, &name, call.addr(1), call.addr(2)).await?;
    Ok(0)
}

/// getpeername(2).
pub(super) async fn peer_name(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let name = socket_of(&file)?.protocol().peer()?;
    address::write(c, &name, call.addr(1), call.addr(2)).await?;
    Ok(0)
}

/// shutdown(2).
pub(super) fn shutdown(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    let how = Shutdown::from_argument(call.int(1))?;
    debug_assert!(socket.kind != Kind::SeqPacket || socket.family == Family::Unix);
    socket.protocol().shutdown(how)?;
    Ok(0)
}
