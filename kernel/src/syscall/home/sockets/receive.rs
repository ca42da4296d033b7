//! Receiving, whatever call asked for it.

use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::WINDOW;
use wayfarer_proto::linux::socket::MessageFlags;

use super::super::files::buffers::Buffers;
use super::until;
use crate::executor::yield_now;
use crate::fs::OpenFile;
use crate::socket::{Incoming, Origin, Receive, Socket};
use crate::syscall::Caller;

/// What was received, its bytes copied out already.
pub(super) struct Received {
    /// What the call returns.
    pub(super) count: usize,
    /// `MSG_*` of the message.
    pub(super) flags: MessageFlags,
    /// What came along.
    pub(super) origin: Option<Origin>,
}

/// Receives into `buffers`.
///
/// # Errors
/// As recv(2).
pub(super) async fn receive(
    c: &Caller,
    file: &OpenFile,
    socket: &Socket,
    buffers: &Buffers,
    flags: MessageFlags,
) -> Result<Received, Errno> {
    if flags.contains(MessageFlags::ERRQUEUE) {
        return Err(Errno::EAGAIN);
    }
    if flags.contains(MessageFlags::OOB) {
        return Err(Errno::EINVAL);
    }
    let nonblock = file.is_nonblocking() || flags.contains(MessageFlags::DONTWAIT);
    if socket.keeps_boundaries() {
        let room = if buffers.length() == 0 { 0 } else { buffers.prepare(c, 0).await? };
        let message = wait(c, socket, room, flags, nonblock).await?;
        let length = message.data.len();
        buffers.scatter(c, 0, message.data).await?;
        let truncated = message.full_length > length;
        let wants_length = flags.contains(MessageFlags::TRUNC);
        return Ok(Received {
            count: if wants_length { message.full_length } else { length },
            flags: if truncated { MessageFlags::TRUNC } else { MessageFlags::empty() },
            origin: message.origin,
        });
    }
    receive_stream(c, socket, buffers, flags, nonblock).await
}

/// Receives from a stream: what there is, or with `MSG_WAITALL` all that was asked for.
async fn receive_stream(
    c: &Caller,
    socket: &Socket,
    buffers: &Buffers,
    flags: MessageFlags,
    nonblock: bool,
) -> Result<Received, Errno> {
    let mut received = Received { count: 0, flags: MessageFlags::empty(), origin: None };
    let all = flags.contains(MessageFlags::WAITALL) && !flags.contains(MessageFlags::PEEK);
    loop {
        let left = buffers.length() - received.count;
        let room = match left {
            0 => 0,
            _ => match buffers.prepare(c, received.count).await {
                Err(_) if received.count > 0 => break,
                room => room?,
            },
        };
        // What there is already is not waited for again.
        let nonblock = nonblock || (received.count > 0 && !all);
        let incoming = match wait(c, socket, room, flags, nonblock).await {
            Err(_) if received.count > 0 => break,
            incoming => incoming?,
        };
        let length = incoming.data.len();
        if !flags.contains(MessageFlags::TRUNC) {
            buffers.scatter(c, received.count, incoming.data).await?;
        }
        received.count += length;
        let ended = incoming.origin.is_none();
        let has_files = incoming.origin.as_ref().is_some_and(|origin| !origin.files.is_empty());
        let keeps = received.origin.is_some() && !has_files;
        received.origin = if keeps { received.origin } else { incoming.origin };
        let full = length == WINDOW && !flags.contains(MessageFlags::PEEK);
        if ended || has_files || received.count == buffers.length() || !(all || full) {
            break;
        }
        yield_now().await;
    }
    Ok(received)
}

async fn wait(
    c: &Caller,
    socket: &Socket,
    max: usize,
    flags: MessageFlags,
    nonblock: bool,
) -> Result<Incoming, Errno> {
    let how = Receive { max, peek: flags.contains(MessageFlags::PEEK) };
    let timeout: Duration = socket.options.receive_timeout.get();
    until(c, socket, nonblock, timeout, || socket.protocol().receive(&how)).await
}
