//! copy_file_range(2), and offsets that are given by address (sendfile(2), splice(2)).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::limits::WINDOW;
use wayfarer_proto::linux::fcntl::{MAX_RW_COUNT, OpenFlags};
use wayfarer_proto::linux::stat::FileType;

use super::buffers::kernel_buffer;
use super::names::structure;
use super::read::Position;
use super::wait::file;
use crate::executor::yield_now;
use crate::fs::OpenFile;
use crate::syscall::{Call, Caller, SysResult};

/// Where a transfer begins in a file: at the offset at an address, which is changed there, or
/// without one at the file's own.
pub(super) struct Offset {
    address: UserAddr,
    start: Option<u64>,
}

impl Offset {
    /// Reads the offset at `address`, if there is one.
    ///
    /// # Errors
    /// `ESPIPE` for an offset in a file without positions; `EINVAL` for one below zero; `EFAULT`.
    pub(super) async fn read(
        c: &Caller,
        address: UserAddr,
        file: &OpenFile,
    ) -> Result<Self, Errno> {
        if address.is_null() {
            return Ok(Self { address, start: None });
        }
        file.require_positions()?;
        let offset = i64::from_le_bytes(structure(c, address).await?);
        let start = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        Ok(Self { address, start: Some(start) })
    }

    /// The position after `done` bytes.
    pub(super) fn position(&self, done: usize) -> Position {
        self.start.map_or(Position::Current, |start| Position::At(start).after(done))
    }

    /// Where it begins, in a file with positions.
    fn start(&self, file: &OpenFile) -> u64 {
        self.start.unwrap_or_else(|| file.offset())
    }

    /// Says that `done` bytes were transferred.
    ///
    /// # Errors
    /// `EFAULT`.
    pub(super) async fn write_back(&self, c: &Caller, done: usize) -> Result<(), Errno> {
        if let Some(start) = self.start {
            let end = start.saturating_add(done as u64);
            c.memory.copy_out(self.address, &end.to_le_bytes()).await?;
        }
        Ok(())
    }
}

/// copy_file_range(2).
pub(super) async fn copy_file_range(c: &Caller, call: &Call) -> SysResult {
    let (input, output) = (file(c, call.int(0))?, file(c, call.int(2))?);
    if call.args[5] != 0 {
        return Err(Errno::EINVAL);
    }
    let from = Offset::read(c, call.addr(1), &input).await?;
    let to = Offset::read(c, call.addr(3), &output).await?;
    for file in [&input, &output] {
        match file.inode().file_type() {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
    }
    input.require_reads()?;
    output.require_writes()?;
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EBADF);
    }
    let length = call.args[4].min(MAX_RW_COUNT);
    let (start, target) = (from.start(&input), to.start(&output));
    input.inode().refresh()?;
    let length = length.min(input.metadata().size.saturating_sub(start));
    let same = alloc::rc::Rc::ptr_eq(input.inode(), output.inode());
    if same && start < target.saturating_add(length) && target < start.saturating_add(length) {
        return Err(Errno::EINVAL);
    }
    let done = copy(c, (&input, start), (&output, target), length as usize).await?;
    if call.addr(1).is_null() {
        input.set_offset(start + done as u64);
    }
    if call.addr(3).is_null() {
        output.set_offset(target + done as u64);
    }
    from.write_back(c, done).await?;
    to.write_back(c, done).await?;
    Ok(done as u64)
}

/// Copies by windows; how much was copied. An error after the first ends the copy.
async fn copy(
    c: &Caller,
    (input, start): (&OpenFile, u64),
    (output, target): (&OpenFile, u64),
    length: usize,
) -> Result<usize, Errno> {
    let mut done = 0;
    while done < length {
        let mut data = kernel_buffer((length - done).min(WINDOW))?;
        let asker = c.asker();
        let step = c.kernel.fetches.settle(|| {
            let count = input.read_at(start + done as u64, &mut data, &input.io(&asker))?;
            output.write_at(target + done as u64, &data[..count], &output.io(&asker))
        });
        let step = step.await;
        match step {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        yield_now().await;
        if c.is_interrupted() {
            break;
        }
    }
    Ok(done)
}
