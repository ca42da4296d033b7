//! close(2), dup(2), pipe(2), fcntl(2).

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::fcntl::{
    CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE, DN_MULTISHOT, F_ADD_SEALS, F_DUPFD, F_DUPFD_CLOEXEC,
    F_GET_SEALS, F_GETFD, F_GETFL, F_GETLEASE, F_GETLK, F_GETOWN, F_GETPIPE_SZ, F_GETSIG, F_NOTIFY,
    F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETFD, F_SETFL, F_SETLEASE, F_SETLK, F_SETLKW,
    F_SETOWN, F_SETPIPE_SZ, F_SETSIG, F_UNLCK, FD_CLOEXEC, OpenFlags,
};
use wayfarer_proto::table::Sysno;

use super::wait::{descriptor_limit, file};
use super::{lock, memory_file};
use crate::fs::pipe::PipeEnd;
use crate::fs::{Descriptor, OpenFile};
use crate::syscall::{Call, Caller, SysResult};

/// close(2).
#[inline]
pub(in crate::syscall::home) fn close(c: &Caller, call: &Call) -> SysResult {
    let file = c.home.files.table().remove(Fd(call.int(0)))?;
    c.home.closed(&file);
    Ok(0)
}

/// close_range(2).
pub(in crate::syscall::home) fn close_range(c: &Caller, call: &Call) -> SysResult {
    let (first, last, flags) = (call.args[0] as u32, call.args[1] as u32, call.args[2] as u32);
    if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        c.home.files.unshare_descriptors();
    }
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        c.home.files.descriptors().close_on_exec_range(first, last);
        return Ok(0);
    }
    for file in c.home.files.descriptors().remove_range(first, last) {
        c.home.closed(&file);
    }
    Ok(0)
}

/// dup(2).
pub(in crate::syscall::home) fn dup(c: &Caller, call: &Call) -> SysResult {
    duplicate(c, file(c, call.int(0))?, Fd(0), false)
}

fn duplicate(c: &Caller, file: Rc<OpenFile>, from: Fd, close_on_exec: bool) -> SysResult {
    let descriptor = Descriptor { file, close_on_exec };
    let fd = c.home.files.descriptors().insert(descriptor, from, descriptor_limit(c))?;
    Ok(fd.0 as u64)
}

/// dup2(2).
pub(in crate::syscall::home) fn dup2(c: &Caller, call: &Call) -> SysResult {
    let (old, new) = (call.int(0), call.int(1));
    let file = file(c, old)?;
    if old == new {
        return Ok(new as u64);
    }
    replace(c, file, Fd(new), false)
}

/// dup3(2).
pub(in crate::syscall::home) fn dup3(c: &Caller, call: &Call) -> SysResult {
    let (old, new) = (call.int(0), call.int(1));
    let flags = OpenFlags::from_bits_retain(call.args[2] as u32);
    if !OpenFlags::CLOSE_ON_EXEC.contains(flags) || old == new {
        return Err(Errno::EINVAL);
    }
    replace(c, file(c, old)?, Fd(new), flags.contains(OpenFlags::CLOSE_ON_EXEC))
}

fn replace(c: &Caller, file: Rc<OpenFile>, fd: Fd, close_on_exec: bool) -> SysResult {
    let descriptor = Descriptor { file, close_on_exec };
    let replaced = c.home.files.descriptors().replace(fd, descriptor, descriptor_limit(c))?;
    if let Some(file) = replaced {
        c.home.closed(&file);
    }
    Ok(fd.0 as u64)
}

/// pipe(2) and pipe2(2).
pub(super) async fn pipe(c: &Caller, call: &Call) -> SysResult {
    let flags = match call.sysno {
        Sysno::pipe => OpenFlags::empty(),
        _ => OpenFlags::from_bits_retain(call.args[1] as u32),
    };
    let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
    let (reader, writer) = c.kernel.vfs.make_pipe(flags)?;
    let descriptors = c.home.files.descriptors();
    let limit = descriptor_limit(c);
    let reader = descriptors.insert(Descriptor { file: reader, close_on_exec }, Fd(0), limit)?;
    let writer = descriptors.insert(Descriptor { file: writer, close_on_exec }, Fd(0), limit);
    let writer = match writer {
        Ok(writer) => writer,
        Err(error) => {
            drop(descriptors.remove(reader));
            return Err(error);
        }
    };
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&reader.0.to_le_bytes());
    bytes[4..].copy_from_slice(&writer.0.to_le_bytes());
    if let Err(error) = c.memory.copy_out(call.addr(0), &bytes).await {
        drop((descriptors.remove(reader), descriptors.remove(writer)));
        return Err(error.into());
    }
    Ok(0)
}

/// fcntl(2).
pub(super) async fn fcntl(c: &Caller, call: &Call) -> SysResult {
    let fd = Fd(call.int(0));
    let descriptors = c.home.files.descriptors();
    let Descriptor { file, close_on_exec } = descriptors.descriptor(fd)?;
    let (command, argument) = (call.args[1] as u32, call.args[2]);
    match command {
        F_GETFD => Ok(u64::from(close_on_exec) * FD_CLOEXEC),
        F_SETFD => {
            descriptors.set_close_on_exec(fd, argument & FD_CLOEXEC != 0)?;
            Ok(0)
        }
        F_GETFL if file.flags().contains(OpenFlags::PATH) => Ok(file.flags().bits().into()),
        F_GETFL => Ok((file.flags() | OpenFlags::LARGE_FILE).bits().into()),
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let from = argument as i32;
            if from < 0 || from as u64 >= descriptor_limit(c) {
                return Err(Errno::EINVAL);
            }
            duplicate(c, file, Fd(from), command == F_DUPFD_CLOEXEC)
        }
        _ => {
            file.require_not_path()?;
            fcntl_file(c, call, &file).await
        }
    }
}

/// The commands that concern what the descriptor refers to.
async fn fcntl_file(c: &Caller, call: &Call, file: &OpenFile) -> SysResult {
    let argument = call.args[2];
    let pipe = || PipeEnd::of(&**file.object()).ok_or(Errno::EBADF);
    match call.args[1] as u32 {
        F_SETFL => {
            file.set_flags(OpenFlags::from_bits_truncate(argument as u32));
            Ok(0)
        }
        // Signal-driven input and output has no receiver.
        F_GETOWN | F_SETOWN => Ok(0),
        F_GETSIG | F_SETSIG => Ok(0),
        // Nobody holds a lease, and nobody gets one.
        F_GETLEASE => Ok(F_UNLCK as u64),
        F_SETLEASE => Err(Errno::EINVAL),
        // Nobody can ask for notices, so there are none to give up.
        F_NOTIFY if argument as u32 & !DN_MULTISHOT == 0 => Ok(0),
        F_GET_SEALS => memory_file::seals(file),
        F_ADD_SEALS => memory_file::add_seals(c, file, argument),
        F_GETPIPE_SZ => Ok(pipe()?.capacity() as u64),
        F_SETPIPE_SZ => Ok(pipe()?.set_capacity(argument as u32 as usize)? as u64),
        F_GETLK | F_OFD_GETLK => lock::get(c, call, file).await,
        F_SETLK | F_OFD_SETLK | F_SETLKW | F_OFD_SETLKW => lock::set(c, call, file).await,
        _ => Err(Errno::EINVAL),
    }
}
