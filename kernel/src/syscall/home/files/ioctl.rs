//! ioctl(2).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::termios::{FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD};

use super::buffers::kernel_buffer;
use super::wait::{file, repeat};
use crate::fs::ioctl::{Ioctl, bytes_read};
use crate::syscall::{Call, Caller, SysResult};

/// ioctl(2): requests common to all files here, others by the file.
pub(super) async fn ioctl(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    file.require_not_path()?;
    let number = call.args[1] as u32;
    let descriptors = &c.home.files.descriptors;
    match number {
        FIOCLEX | FIONCLEX => {
            descriptors.set_close_on_exec(Fd(call.int(0)), number == FIOCLEX)?;
            return Ok(0);
        }
        FIONBIO => {
            let mut value = [0; 4];
            c.memory.copy_in(call.addr(2), &mut value).await?;
            let on = value != [0; 4];
            let flags = file.flags() - OpenFlags::NONBLOCK;
            file.set_flags(if on { flags | OpenFlags::NONBLOCK } else { flags });
            return Ok(0);
        }
        FIOASYNC => return Ok(0),
        FIONREAD => {
            let count = file.bytes_readable().ok_or(Errno::ENOTTY)?;
            let count = i32::try_from(count).unwrap_or(i32::MAX);
            c.memory.copy_out(call.addr(2), &count.to_le_bytes()).await?;
            return Ok(0);
        }
        _ => {}
    }
    if !file.object().is_terminal() {
        return Err(Errno::ENOTTY);
    }
    let mut data = kernel_buffer(bytes_read(number))?;
    c.memory.copy_in(call.addr(2), &mut data).await?;
    let request = Ioctl { number, argument: call.args[2], data: &data };
    // Requests that wait for output do so whatever the file's flags.
    let answer = repeat(c, &file, false, |io| file.object().ioctl(&request, io.asker)).await?;
    if !answer.is_empty() {
        c.memory.copy_out(call.addr(2), &answer).await?;
    }
    Ok(0)
}
