//! write(2), pwrite(2), writev(2), pwritev(2).

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::PAGE;
use wayfarer_proto::linux::fcntl::{RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC};
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::table::Sysno;

use super::buffers::Buffers;
use super::read::{Position, at_once_file, flags};
use super::wait::{file, repeat};
use crate::executor::yield_now;
use crate::fs::OpenFile;
use crate::fs::pipe::PipeEnd;
use crate::socket::Socket;
use crate::syscall::home::sockets;
use crate::syscall::{Call, Caller, SysResult};

/// write(2) and pwrite(2) of at most one window, from memory that is here or came with the call, to
/// a file or to what has room for all of it: nothing is left to wait for.
pub(in crate::syscall::home) fn write_at_once(c: &Caller, call: &Call) -> Option<SysResult> {
    let position = Position::of(call).ok()?;
    let (address, length) = (call.addr(1), usize::try_from(call.args[2]).ok()?);
    let file = at_once_file(c, call, length)?;
    let room = || PipeEnd::of(&**file.object()).map_or(0, |end| end.room().unwrap_or(0));
    if !file.object().has_position() && room() < length {
        return None;
    }
    let memory = c.memory.at_once()?;
    let data = memory.take(address, length)?;
    let asker = c.asker();
    let io = file.io(&asker);
    let written = match position {
        Position::Current => file.write(&data, &io),
        Position::At(position) => file.write_at(position, &data, &io),
    };
    match written {
        Err(Errno::EAGAIN | Errno::ELENT | Errno::EPIPE) => {
            memory.put_back(address, data);
            None
        }
        written => Some(written.map(|count| count as u64)),
    }
}

/// The five writes.
pub(super) async fn write(c: &Caller, call: &Call) -> SysResult {
    let mut position = Position::of(call)?;
    let file = file(c, call.int(0))?;
    let known = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;
    let flags = flags(call, known)?;
    let moves = position == Position::Current;
    if flags & RWF_APPEND != 0 && file.object().has_position() {
        position = Position::At(file.object().size());
    }
    file.require_writes()?;
    if position != Position::Current {
        file.require_positions()?;
    }
    let mut buffers = match call.sysno {
        Sysno::writev | Sysno::pwritev | Sysno::pwritev2 => Buffers::vector(c, call).await?,
        _ => Buffers::one(call)?,
    };
    if let Some(socket) = Socket::of(&**file.object()) {
        return sockets::write(c, &file, socket, &buffers).await;
    }
    buffers.suit(&file);
    let mut done = 0;
    while done < buffers.length() {
        let data = match gather(c, &file, &buffers, done).await {
            Ok(data) => data,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        };
        let nowait = flags & RWF_NOWAIT != 0;
        let (count, outcome) = write_stretch(c, &file, position.after(done), &data, nowait).await;
        done += count;
        match outcome {
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
            Ok(()) if c.home.exiting().is_some() => break,
            Ok(()) if done < buffers.length() => yield_now().await,
            Ok(()) => {}
        }
    }
    if let Position::At(end) = position.after(done)
        && moves
    {
        file.set_offset(end);
    }
    Ok(done as u64)
}

/// Copies one stretch in. A pipe takes memory by whole pages, so what comes before a fault in the
/// first one is not written either.
async fn gather(
    c: &Caller,
    file: &OpenFile,
    buffers: &Buffers,
    done: usize,
) -> Result<Vec<u8>, Errno> {
    let mut data = buffers.gather(c, done).await?;
    let faulted = data.len() < buffers.stretch(done);
    if faulted && PipeEnd::of(&**file.object()).is_some() {
        data.truncate(data.len() / PAGE * PAGE);
        if data.is_empty() {
            return Err(Errno::EFAULT);
        }
    }
    Ok(data)
}

/// Writes all of `data`, waiting as often as it must; how much was written, and why not more. A
/// broken pipe also raises SIGPIPE.
pub(super) async fn write_all(
    c: &Caller,
    file: &OpenFile,
    position: Position,
    data: &[u8],
) -> (usize, Result<(), Errno>) {
    write_stretch(c, file, position, data, false).await
}

async fn write_stretch(
    c: &Caller,
    file: &OpenFile,
    position: Position,
    data: &[u8],
    nowait: bool,
) -> (usize, Result<(), Errno>) {
    let mut done = 0;
    while done < data.len() {
        let nonblock = nowait || file.is_nonblocking();
        let outcome = repeat(c, file, nonblock, |io| match position.after(done) {
            Position::Current => file.write(&data[done..], io),
            Position::At(position) => file.write_at(position, &data[done..], io),
        })
        .await;
        match outcome {
            Ok(count) => done += count,
            Err(error) => {
                if error == Errno::EPIPE {
                    c.raise(Signal::SIGPIPE);
                }
                return (done, Err(error));
            }
        }
    }
    (done, Ok(()))
}
