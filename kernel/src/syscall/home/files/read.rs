//! read(2), pread(2), readv(2), preadv(2).

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::WINDOW;
use wayfarer_proto::linux::fcntl::{RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC};
use wayfarer_proto::table::Sysno;

use super::buffers::{Buffers, kernel_buffer};
use super::wait::{file, repeat};
use crate::executor::yield_now;
use crate::fs::OpenFile;
use crate::socket::Socket;
use crate::syscall::home::sockets;
use crate::syscall::{Call, Caller, SysResult};

/// Where a transfer begins in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Position {
    /// At the offset of the open file, which moves.
    Current,
    /// Here; the offset stays.
    At(u64),
}

impl Position {
    /// The position that argument 3 of a call with positions gives, the current one for others and
    /// for -1 of those with flags.
    ///
    /// # Errors
    /// `EINVAL` for one below zero.
    pub(super) fn of(call: &Call) -> Result<Self, Errno> {
        match call.sysno {
            Sysno::preadv2 | Sysno::pwritev2 if call.args[3] == u64::MAX => Ok(Self::Current),
            Sysno::pread64
            | Sysno::pwrite64
            | Sysno::preadv
            | Sysno::pwritev
            | Sysno::preadv2
            | Sysno::pwritev2 => {
                let position = i64::try_from(call.args[3]).map_err(|_| Errno::EINVAL)?;
                Ok(Self::At(position.unsigned_abs()))
            }
            _ => Ok(Self::Current),
        }
    }

    /// The position `count` bytes further.
    pub(super) const fn after(self, count: usize) -> Self {
        match self {
            Self::Current => Self::Current,
            Self::At(position) => Self::At(position.saturating_add(count as u64)),
        }
    }
}

/// The flags of preadv2(2) and pwritev2(2); none for the other calls.
///
/// # Errors
/// `ENOTSUP` for flags that are not known.
pub(super) fn flags(call: &Call, known: u64) -> Result<u64, Errno> {
    match call.sysno {
        Sysno::preadv2 | Sysno::pwritev2 if call.args[5] & !known != 0 => Err(Errno::ENOTSUP),
        Sysno::preadv2 | Sysno::pwritev2 => Ok(call.args[5]),
        _ => Ok(0),
    }
}

/// read(2) and pread(2) of at most one window that is there now, into memory that is here or that
/// the reply brings.
pub(in crate::syscall::home) fn read_at_once(c: &Caller, call: &Call) -> Option<SysResult> {
    let position = Position::of(call).ok()?;
    let (address, length) = (call.addr(1), usize::try_from(call.args[2]).ok()?);
    let file = at_once_file(c, call, length)?;
    if file.object().is_dry() {
        return None;
    }
    let memory = c.memory.at_once()?;
    if !memory.takes(address, length) {
        return None;
    }
    let asker = c.asker();
    let io = file.io(&asker);
    let mut data = kernel_buffer(length).ok()?;
    let read = match position {
        Position::Current => file.read(&mut data, &io),
        Position::At(position) => file.read_at(position, &mut data, &io),
    };
    let count = match read {
        Err(Errno::EAGAIN | Errno::ELENT) => return None,
        Err(error) => return Some(Err(error)),
        Ok(count) => count,
    };
    data.truncate(count);
    // It was found writable, and nothing has run since.
    let is_written = count == 0 || memory.give(address, data);
    Some(if is_written { Ok(count as u64) } else { Err(Errno::EFAULT) })
}

/// The file of a read or a write of `length` bytes, if both may end at once: a socket's may not,
/// nor that of a file whose content has to be asked for.
pub(super) fn at_once_file(c: &Caller, call: &Call, length: usize) -> Option<Rc<OpenFile>> {
    let file = file(c, call.int(0)).ok()?;
    let is_other = Socket::of(&**file.object()).is_some() || file.inode().fetches().is_some();
    (!is_other && (1..=WINDOW).contains(&length)).then_some(file)
}

/// The five reads.
pub(super) async fn read(c: &Caller, call: &Call) -> SysResult {
    let position = Position::of(call)?;
    let file = file(c, call.int(0))?;
    let nowait = flags(call, RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT)? & RWF_NOWAIT != 0;
    file.require_reads()?;
    if position != Position::Current {
        file.require_positions()?;
    }
    let mut buffers = match call.sysno {
        Sysno::readv | Sysno::preadv | Sysno::preadv2 => Buffers::vector(c, call).await?,
        _ => Buffers::one(call)?,
    };
    if let Some(socket) = Socket::of(&**file.object()) {
        return sockets::read(c, &file, socket, &buffers).await;
    }
    buffers.suit(&file);
    let mut done = 0;
    while done < buffers.length() {
        let at = position.after(done);
        match read_stretch(c, &file, (&buffers, done), at, nowait || done > 0).await {
            Ok(count) => {
                let whole = buffers.stretch(done);
                done += count;
                // A short read is an end, or all that a pipe or a terminal had.
                if count < whole || done == buffers.length() {
                    break;
                }
                yield_now().await;
                if c.home.exiting().is_some() {
                    break;
                }
            }
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done as u64)
}

/// Reads one stretch, that at `done`. Only the first waits: after that there is something to
/// return.
async fn read_stretch(
    c: &Caller,
    file: &OpenFile,
    (buffers, done): (&Buffers, usize),
    position: Position,
    nowait: bool,
) -> Result<usize, Errno> {
    let room = buffers.prepare(c, done).await?;
    let mut data = Vec::new();
    let count = repeat(c, file, nowait || file.is_nonblocking(), |io| {
        if file.object().is_dry() {
            return if done > 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        // Made for each try: a call that waits holds no memory, however many wait.
        let mut stretch = kernel_buffer(room)?;
        let outcome = match position {
            Position::Current => file.read(&mut stretch, io),
            Position::At(position) => file.read_at(position, &mut stretch, io),
        };
        match outcome {
            // What would wait after the first stretch is the end of this read.
            Err(Errno::EAGAIN) if done > 0 => Ok(0),
            Err(error) => Err(error),
            Ok(count) => {
                data = stretch;
                Ok(count)
            }
        }
    })
    .await?;
    data.truncate(count);
    buffers.scatter(c, done, data).await?;
    Ok(count)
}
