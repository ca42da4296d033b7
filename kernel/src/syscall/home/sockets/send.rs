//! Sending, whatever call asked for it.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::linux::socket::{Credentials, MessageFlags};

use super::super::files::buffers::Buffers;
use super::{sender, until};
use crate::executor::yield_now;
use crate::fs::OpenFile;
use crate::socket::{Address, Kind, Outgoing, Socket};
use crate::syscall::{Caller, SysResult};

/// The longest message that is looked at; protocols permit less.
const LONGEST_MESSAGE: usize = 1 << 20;

/// How and what besides the bytes is sent.
pub(super) struct Sending {
    /// How.
    pub(super) flags: MessageFlags,
    /// Where to.
    pub(super) target: Option<Address>,
    /// As whom.
    pub(super) credentials: Credentials,
    /// Files that go along.
    pub(super) files: Vec<Rc<OpenFile>>,
}

impl Sending {
    /// Bytes alone.
    pub(super) fn plain(c: &Caller) -> Self {
        let (flags, credentials) = (MessageFlags::empty(), sender(c));
        Self { flags, target: None, credentials, files: Vec::new() }
    }
}

/// Sends what `buffers` hold: how many bytes.
///
/// # Errors
/// As send(2). `EPIPE` raises SIGPIPE besides, if the socket is a stream and the flags permit it.
pub(super) async fn send(
    c: &Caller,
    file: &OpenFile,
    socket: &Socket,
    buffers: &Buffers,
    sending: &Sending,
) -> SysResult {
    if sending.flags.contains(MessageFlags::OOB) {
        return Err(Errno::ENOTSUP);
    }
    if socket.keeps_boundaries() {
        let data = whole_message(c, buffers).await?;
        let sent = send_part(c, file, socket, sending, &data, true).await?;
        return Ok(sent as u64);
    }
    let mut done = 0;
    loop {
        let data = match buffers.length() - done {
            0 => Vec::new(),
            _ => match buffers.gather(c, done).await {
                Err(_) if done > 0 => break,
                data => data?,
            },
        };
        let (sent, outcome) = send_all(c, file, socket, sending, &data, done == 0).await;
        done += sent;
        match outcome {
            Err(error) if done == 0 => {
                if error == Errno::EPIPE && !sending.flags.contains(MessageFlags::NOSIGNAL) {
                    c.raise(Signal::SIGPIPE);
                }
                return Err(error);
            }
            Ok(()) if done < buffers.length() && !data.is_empty() => yield_now().await,
            _ => break,
        }
    }
    Ok(done as u64)
}

/// Sends a window of a stream: how many bytes, and why not more.
async fn send_all(
    c: &Caller,
    file: &OpenFile,
    socket: &Socket,
    sending: &Sending,
    data: &[u8],
    first: bool,
) -> (usize, Result<(), Errno>) {
    let mut sent = 0;
    loop {
        let part = &data[sent..];
        match send_part(c, file, socket, sending, part, first && sent == 0).await {
            Ok(count) => sent += count,
            Err(error) => return (sent, Err(error)),
        }
        if sent == data.len() {
            return (sent, Ok(()));
        }
    }
}

async fn send_part(
    c: &Caller,
    file: &OpenFile,
    socket: &Socket,
    sending: &Sending,
    data: &[u8],
    first: bool,
) -> Result<usize, Errno> {
    let nonblock = file.is_nonblocking() || sending.flags.contains(MessageFlags::DONTWAIT);
    let files = if first { &sending.files[..] } else { &[] };
    let (target, credentials) = (sending.target.as_ref(), sending.credentials);
    debug_assert!(socket.kind == Kind::Stream || first, "a message is sent at once");
    let message = Outgoing { data, target, credentials, files };
    let attempt = || socket.protocol().send(&message);
    until(c, socket, nonblock, socket.options.send_timeout.get(), attempt).await
}

/// Copies a message in, all of it.
async fn whole_message(c: &Caller, buffers: &Buffers) -> Result<Vec<u8>, Errno> {
    if buffers.length() > LONGEST_MESSAGE {
        return Err(Errno::EMSGSIZE);
    }
    let mut data = Vec::new();
    while data.len() < buffers.length() {
        let part = buffers.gather(c, data.len()).await?;
        let expected = (buffers.length() - data.len()).min(wayfarer_proto::limits::WINDOW);
        if part.len() < expected {
            return Err(Errno::EFAULT);
        }
        data.extend(part);
    }
    Ok(data)
}
