//! Calls on sockets: the home handlers over [`crate::socket`].

mod address;
mod connect;
mod control;
mod create;
mod message;
mod options;
mod receive;
mod send;

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::socket::{Credentials, MessageFlags};
use wayfarer_proto::table::Sysno;

use super::files::buffers::Buffers;
use super::files::wait;
use crate::fs::OpenFile;
use crate::socket::Socket;
use crate::syscall::{Call, Caller, SysResult};

/// Executes a call on sockets.
///
/// # Errors
/// What the call's manual page says; `ENOSYS` for a call that is none of these.
pub(super) async fn dispatch(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::socket => create::socket(c, call),
        Sysno::socketpair => create::socketpair(c, call).await,
        Sysno::bind => connect::bind(c, call).await,
        Sysno::listen => connect::listen(c, call),
        Sysno::connect => connect::connect(c, call).await,
        Sysno::accept | Sysno::accept4 => connect::accept(c, call).await,
        Sysno::getsockname => connect::local_name(c, call).await,
        Sysno::getpeername => connect::peer_name(c, call).await,
        Sysno::shutdown => connect::shutdown(c, call),
        Sysno::setsockopt => options::set(c, call).await,
        Sysno::getsockopt => options::get(c, call).await,
        Sysno::sendto => Box::pin(message::sendto(c, call)).await,
        Sysno::sendmsg => Box::pin(message::sendmsg(c, call)).await,
        Sysno::sendmmsg => Box::pin(message::sendmmsg(c, call)).await,
        Sysno::recvfrom => Box::pin(message::recvfrom(c, call)).await,
        Sysno::recvmsg => Box::pin(message::recvmsg(c, call)).await,
        Sysno::recvmmsg => Box::pin(message::recvmmsg(c, call)).await,
        _ => Err(Errno::ENOSYS),
    }
}

/// read(2) on a socket: recv(2) without flags.
///
/// # Errors
/// As recv(2).
pub(super) async fn read(
    c: &Caller,
    file: &OpenFile,
    socket: &Socket,
    buffers: &Buffers,
) -> SysResult {
    let received = receive::receive(c, file, socket, buffers, MessageFlags::empty()).await?;
    Ok(received.count as u64)
}

/// write(2) on a socket: send(2) without flags.
///
/// # Errors
/// As send(2).
pub(super) async fn write(
    c: &Caller,
    file: &OpenFile,
    socket: &Socket,
    buffers: &Buffers,
) -> SysResult {
    send::send(c, file, socket, buffers, &send::Sending::plain(c)).await
}

/// The open file of a descriptor that is a socket.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`.
fn socket_file(c: &Caller, fd: i32) -> Result<Rc<OpenFile>, Errno> {
    let file = wait::file(c, fd)?;
    file.require_not_path()?;
    match Socket::of(&**file.object()) {
        Some(_) => Ok(file),
        None => Err(Errno::ENOTSOCK),
    }
}

/// The socket of such a file.
///
/// # Errors
/// `ENOTSOCK`.
fn socket_of(file: &OpenFile) -> Result<&Socket, Errno> {
    Socket::of(&**file.object()).ok_or(Errno::ENOTSOCK)
}

/// The caller, as its peers learn of it (`SO_PEERCRED`): by the ids that count.
fn credentials(c: &Caller) -> Credentials {
    let own = c.home.credentials.borrow();
    Credentials { pid: c.home.pid.0, uid: own.user.effective, gid: own.group.effective }
}

/// The caller as the sender of a message that does not say who sends it (`SCM_CREDENTIALS`): by
/// the real ids.
fn sender(c: &Caller) -> Credentials {
    let own = c.home.credentials.borrow();
    Credentials { pid: c.home.pid.0, uid: own.user.real, gid: own.group.real }
}

/// Repeats `attempt` until it answers anything but `EAGAIN`; only once if `nonblock`. A `timeout`
/// of zero is none.
///
/// # Errors
/// The attempt's; `EAGAIN` when the timeout has passed; `ERESTARTSYS` if a signal came while it
/// waited, `EINTR` if there was a timeout besides (signal(7)).
async fn until<T>(
    c: &Caller,
    socket: &Socket,
    nonblock: bool,
    timeout: Duration,
    mut attempt: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let deadline = (!timeout.is_zero()).then(|| c.kernel.now() + timeout);
    loop {
        match attempt() {
            Err(Errno::EAGAIN) if !nonblock => {}
            outcome => return outcome,
        }
        let changes = socket.protocol().changes();
        match c.interruptible_until(deadline, changes.wait()).await {
            Ok(Some(())) => {}
            Ok(None) => return Err(Errno::EAGAIN),
            Err(_) if deadline.is_some() => return Err(Errno::EINTR),
            Err(error) => return Err(error),
        }
    }
}
