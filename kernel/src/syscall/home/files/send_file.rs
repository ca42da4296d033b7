//! sendfile(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::limits::WINDOW;
use wayfarer_proto::linux::fcntl::{MAX_RW_COUNT, OpenFlags};

use super::buffers::kernel_buffer;
use super::read::Position;
use super::wait::file;
use super::write::write_all;
use crate::executor::yield_now;
use crate::fs::OpenFile;
use crate::syscall::{Call, Caller, SysResult};

/// sendfile(2).
pub(super) async fn sendfile(c: &Caller, call: &Call) -> SysResult {
    let (output, input) = (file(c, call.int(0))?, file(c, call.int(1))?);
    input.require_reads()?;
    output.require_writes()?;
    if !input.object().has_position() || output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EINVAL);
    }
    let start = if call.addr(2).is_null() {
        input.offset()
    } else {
        let mut bytes = [0; 8];
        c.memory.copy_in(call.addr(2), &mut bytes).await?;
        u64::try_from(i64::from_le_bytes(bytes)).map_err(|_| Errno::EINVAL)?
    };
    let length = call.args[3].min(MAX_RW_COUNT) as usize;
    let (done, outcome) = copy(c, &input, &output, start, length).await;
    let end = start.saturating_add(done as u64);
    if call.addr(2).is_null() {
        input.set_offset(end);
    } else {
        c.memory.copy_out(call.addr(2), &end.to_le_bytes()).await?;
    }
    match outcome {
        Err(error) if done == 0 => Err(error),
        _ => Ok(done as u64),
    }
}

/// Copies up to `length` bytes from `start` on; how many, and why not more.
async fn copy(
    c: &Caller,
    input: &OpenFile,
    output: &OpenFile,
    start: u64,
    length: usize,
) -> (usize, Result<(), Errno>) {
    let mut done = 0;
    while done < length {
        let mut data = match kernel_buffer((length - done).min(WINDOW)) {
            Ok(data) => data,
            Err(error) => return (done, Err(error)),
        };
        let asker = c.asker();
        let at = start.saturating_add(done as u64);
        let read = c.kernel.fetches.settle(|| input.read_at(at, &mut data, &input.io(&asker)));
        let count = match read.await {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return (done, Err(error)),
        };
        let (written, outcome) = write_all(c, output, Position::Current, &data[..count]).await;
        done += written;
        if outcome.is_err() {
            return (done, outcome);
        }
        // A copy from memory to memory never waits by itself.
        yield_now().await;
        if c.is_interrupted() {
            break;
        }
    }
    (done, Ok(()))
}
