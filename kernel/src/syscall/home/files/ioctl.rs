//! ioctl(2).

use alloc::format;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::termios::{
    FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, TIOCGPTN, TIOCGPTPEER,
};

use super::buffers::kernel_buffer;
use super::wait::{descriptor_limit, file, repeat};
use crate::fs::ioctl::{Ioctl, bytes_read};
use crate::fs::{Descriptor, OpenFile};
use crate::syscall::{Call, Caller, SysResult};

/// ioctl(2): requests common to all files here, others by the file.
pub(super) async fn ioctl(c: &Caller, call: &Call) -> SysResult {
    let file = file(c, call.int(0))?;
    file.require_not_path()?;
    let number = call.args[1] as u32;
    let descriptors = c.home.files.descriptors();
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
    if number == TIOCGPTPEER {
        return open_peer(c, &file, call.args[2]);
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

/// `TIOCGPTPEER`: opens the terminal of a master, whatever directories its caller can see.
///
/// # Errors
/// `EIO` if this is none, or the terminal is locked.
fn open_peer(c: &Caller, master: &OpenFile, flags: u64) -> SysResult {
    let (asker, number) = (c.asker(), Ioctl { number: TIOCGPTN, argument: 0, data: &[] });
    let number = master.object().ioctl(&number, &asker).map_err(|_| Errno::EIO)?;
    let number = u32::from_le_bytes(number.try_into().map_err(|_| Errno::EIO)?);
    let (path, flags) = (format!("dev/pts/{number}"), OpenFlags::from_bits_truncate(flags as u32));
    let file = c.kernel.vfs.open(c.kernel.vfs.root(), path.as_bytes(), flags, 0, &asker)?;
    let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
    let descriptor = Descriptor { file, close_on_exec };
    Ok(c.home.files.descriptors().insert(descriptor, Fd(0), descriptor_limit(c))?.0 as u64)
}
