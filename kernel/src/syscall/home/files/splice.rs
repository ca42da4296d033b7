//! splice(2), tee(2), vmsplice(2): transfers in which a pipe takes part.

use core::future::pending;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::WINDOW;
use wayfarer_proto::linux::fcntl::{MAX_RW_COUNT, OpenFlags, SPLICE_FLAGS, SPLICE_NONBLOCK};
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::table::Sysno;

use super::buffers::kernel_buffer;
use super::read::Position;
use super::transfer::Offset;
use super::wait::file;
use super::{read, write};
use crate::executor::{select, yield_now};
use crate::fs::pipe::PipeEnd;
use crate::fs::{Io, OpenFile};
use crate::syscall::{Call, Caller, SysResult};

/// A transfer between two open files.
struct Transfer<'a> {
    input: &'a OpenFile,
    output: &'a OpenFile,
    length: usize,
    nonblock: bool,
}

/// splice(2).
pub(super) async fn splice(c: &Caller, call: &Call) -> SysResult {
    let flags = flags(call, 5)?;
    let length = call.args[4].min(MAX_RW_COUNT) as usize;
    if length == 0 {
        return Ok(0);
    }
    let (input, output) = (file(c, call.int(0))?, file(c, call.int(2))?);
    input.require_reads()?;
    output.require_writes()?;
    let (from, to) = (PipeEnd::of(&**input.object()), PipeEnd::of(&**output.object()));
    match (from, to) {
        (None, None) => return Err(Errno::EINVAL),
        (Some(from), Some(to)) if from.is_same_pipe(to) => return Err(Errno::EINVAL),
        _ if output.flags().contains(OpenFlags::APPEND) => return Err(Errno::EINVAL),
        _ => {}
    }
    let read_at = Offset::read(c, call.addr(1), &input).await?;
    let write_at = Offset::read(c, call.addr(3), &output).await?;
    let nonblock = flags & SPLICE_NONBLOCK != 0;
    let transfer = Transfer { input: &input, output: &output, length, nonblock };
    let done = match from {
        Some(pipe) => {
            transfer
                .run(c, |io, done, most| {
                    let mut data = kernel_buffer(most)?;
                    let count = pipe.peek(&mut data)?;
                    let written = put(&output, write_at.position(done), &data[..count], io)?;
                    pipe.skip(written);
                    Ok(written)
                })
                .await?
        }
        None => {
            let pipe = to.ok_or(Errno::EINVAL)?;
            transfer
                .run(c, |io, done, most| {
                    let mut data = kernel_buffer(pipe.room()?.min(most))?;
                    let count = get(&input, read_at.position(done), &mut data, io)?;
                    put(&output, Position::Current, &data[..count], io)
                })
                .await?
        }
    };
    read_at.write_back(c, done).await?;
    write_at.write_back(c, done).await?;
    Ok(done as u64)
}

/// tee(2).
pub(super) async fn tee(c: &Caller, call: &Call) -> SysResult {
    let flags = flags(call, 3)?;
    let length = call.args[2].min(MAX_RW_COUNT) as usize;
    if length == 0 {
        return Ok(0);
    }
    let (input, output) = (file(c, call.int(0))?, file(c, call.int(1))?);
    input.require_reads()?;
    output.require_writes()?;
    let (from, to) = (PipeEnd::of(&**input.object()), PipeEnd::of(&**output.object()));
    let (from, to) = (from.ok_or(Errno::EINVAL)?, to.ok_or(Errno::EINVAL)?);
    if from.is_same_pipe(to) {
        return Err(Errno::EINVAL);
    }
    // What was copied stays where it is, so there is no second window.
    let length = length.min(WINDOW);
    let nonblock = flags & SPLICE_NONBLOCK != 0;
    let transfer = Transfer { input: &input, output: &output, length, nonblock };
    let mut copied = false;
    let done = transfer.run(c, |io, _, most| {
        if core::mem::replace(&mut copied, true) {
            return Ok(0);
        }
        copied = false;
        let mut data = kernel_buffer(to.room()?.min(most))?;
        let count = from.peek(&mut data)?;
        let written = put(&output, Position::Current, &data[..count], io)?;
        copied = true;
        Ok(written)
    });
    Ok(done.await? as u64)
}

/// vmsplice(2): memory into a pipe or out of one, by copying.
pub(super) async fn vmsplice(c: &Caller, call: &Call) -> SysResult {
    flags(call, 3)?;
    let file = file(c, call.int(0))?;
    PipeEnd::of(&**file.object()).ok_or(Errno::EBADF)?;
    let mut call = *call;
    if file.flags().access().writes() {
        call.sysno = Sysno::writev;
        write::write(c, &call).await
    } else {
        call.sysno = Sysno::readv;
        read::read(c, &call).await
    }
}

fn flags(call: &Call, index: usize) -> Result<u64, Errno> {
    let flags = call.args[index];
    if flags & !SPLICE_FLAGS != 0 { Err(Errno::EINVAL) } else { Ok(flags) }
}

fn get(file: &OpenFile, at: Position, data: &mut [u8], io: &Io<'_>) -> Result<usize, Errno> {
    match at {
        Position::Current => file.read(data, io),
        Position::At(position) => file.read_at(position, data, io),
    }
}

fn put(file: &OpenFile, at: Position, data: &[u8], io: &Io<'_>) -> Result<usize, Errno> {
    match at {
        _ if data.is_empty() => Ok(0),
        Position::Current => file.write(data, io),
        Position::At(position) => file.write_at(position, data, io),
    }
}

impl Transfer<'_> {
    /// Repeats `step`, which moves up to so many bytes at once, until all is moved or no more can
    /// be. Waits only as long as nothing was.
    async fn run(
        &self,
        c: &Caller,
        mut step: impl FnMut(&Io<'_>, usize, usize) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let asker = c.asker();
        let waits = !(self.nonblock || self.input.is_nonblocking() || self.output.is_nonblocking());
        let io = Io { asker: &asker, nonblock: !waits, timed_out: false };
        let mut done = 0;
        while done < self.length {
            let most = (self.length - done).min(WINDOW);
            match c.kernel.fetches.settle(|| step(&io, done, most)).await {
                Ok(0) => break,
                Ok(count) => {
                    done += count;
                    yield_now().await;
                    if c.is_interrupted() {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(Errno::EAGAIN) if waits => c.interruptible(self.changed()).await?,
                Err(error) => {
                    if error == Errno::EPIPE {
                        c.raise(Signal::SIGPIPE);
                    }
                    return Err(error);
                }
            }
        }
        Ok(done)
    }

    /// Waits until something changes at either end.
    async fn changed(&self) {
        let change = async |file: &OpenFile| match file.object().changes() {
            Some(changes) => changes.wait().await,
            None => pending().await,
        };
        select(change(self.input), change(self.output)).await;
    }
}
