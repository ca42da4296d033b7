//! write(2), pwrite(2), writev(2), pwritev(2).

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::{PAGE, WINDOW};
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::table::Sysno;

use super::buffers::Buffers;
use super::read::Position;
use super::wait::{file, until_done};
use crate::executor::yield_now;
use crate::fs::OpenFile;
use crate::fs::pipe::PipeEnd;
use crate::socket::Socket;
use crate::syscall::home::sockets;
use crate::syscall::{Call, Caller, SysResult};

/// The four writes.
pub(super) async fn write(c: &Caller, call: &Call) -> SysResult {
    let position = Position::of(call)?;
    let file = file(c, call.int(0))?;
    file.require_writes()?;
    if position != Position::Current {
        file.require_positions()?;
    }
    let buffers = match call.sysno {
        Sysno::writev | Sysno::pwritev => Buffers::vector(c, call).await?,
        _ => Buffers::one(call)?,
    };
    if let Some(socket) = Socket::of(&**file.object()) {
        return sockets::write(c, &file, socket, &buffers).await;
    }
    let mut done = 0;
    while done < buffers.length() {
        let data = match gather(c, &file, &buffers, done).await {
            Ok(data) => data,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        };
        let (count, outcome) = write_all(c, &file, position.after(done), &data).await;
        done += count;
        match outcome {
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
            Ok(()) if done < buffers.length() => yield_now().await,
            Ok(()) => {}
        }
    }
    Ok(done as u64)
}

/// Copies one window in. A pipe takes memory by whole pages, so what comes before a fault in the
/// first one is not written either.
async fn gather(
    c: &Caller,
    file: &OpenFile,
    buffers: &Buffers,
    done: usize,
) -> Result<Vec<u8>, Errno> {
    let mut data = buffers.gather(c, done).await?;
    let faulted = data.len() < (buffers.length() - done).min(WINDOW);
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
    let mut done = 0;
    while done < data.len() {
        let outcome = until_done(c, file, |io| match position.after(done) {
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
