//! Control messages: files and credentials that travel with bytes (cmsg(3), unix(7)).

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, Pid, UserAddr};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::capability::CAP_SYS_ADMIN;
use wayfarer_proto::linux::socket::{
    ControlHeader, Credentials, MessageFlags, MessageHeader, SCM_CREDENTIALS, SCM_MAX_FD,
    SCM_RIGHTS, SOL_SOCKET,
};

use super::super::files::buffers::kernel_buffer;
use super::super::files::wait::descriptor_limit;
use super::send::Sending;
use crate::fs::{Descriptor, OpenFile};
use crate::socket::{Origin, Socket};
use crate::syscall::Caller;

/// The most bytes of control messages that are read (`net.core.optmem_max` is of this order).
const LONGEST: u64 = 16 * 1024;

/// Control messages begin at multiples of this.
const ALIGNMENT: usize = 8;

/// Reads the control messages of a message that is to be sent.
///
/// # Errors
/// `EINVAL` for malformed ones, `EBADF`, `ENOBUFS`; `EPERM`, `ESRCH` for false credentials.
pub(super) async fn read(
    c: &Caller,
    header: &MessageHeader,
    sending: &mut Sending,
) -> Result<(), Errno> {
    if header.control == 0 || header.control_length == 0 {
        return Ok(());
    }
    if header.control_length > LONGEST {
        return Err(Errno::ENOBUFS);
    }
    let mut bytes = kernel_buffer(header.control_length as usize)?;
    c.memory.copy_in(UserAddr(header.control), &mut bytes).await?;
    let mut rest = &bytes[..];
    while rest.len() >= ControlHeader::SIZE {
        let ControlHeader { length, level, kind } = ControlHeader::from_bytes(rest);
        let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
        let data = rest.get(ControlHeader::SIZE..length).ok_or(Errno::EINVAL)?;
        if level == SOL_SOCKET {
            take(c, kind, data, sending)?;
        }
        rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or(&[]);
    }
    Ok(())
}

fn take(c: &Caller, kind: u32, data: &[u8], sending: &mut Sending) -> Result<(), Errno> {
    match kind {
        SCM_RIGHTS => {
            for number in data.as_chunks::<4>().0 {
                let file = c.home.files.descriptors().get(Fd(i32::from_le_bytes(*number)))?;
                file.require_not_path()?;
                sending.files.push(file);
            }
            if sending.files.len() > SCM_MAX_FD { Err(Errno::EINVAL) } else { Ok(()) }
        }
        SCM_CREDENTIALS if data.len() == Credentials::SIZE => {
            let given = Credentials::from_bytes(data);
            let own = c.home.credentials.borrow();
            let names_itself = given.pid == c.home.pid.0 || own.has(CAP_SYS_ADMIN);
            if !names_itself || !own.may_claim(given.uid, given.gid) {
                return Err(Errno::EPERM);
            }
            c.kernel.processes.home(Pid(given.pid)).ok_or(Errno::ESRCH)?;
            sending.credentials = given;
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Control messages as they are put together for a program.
struct Writer {
    bytes: Vec<u8>,
    room: usize,
    truncated: bool,
}

impl Writer {
    /// Room for the data of one more message.
    fn data_room(&self) -> usize {
        self.room.saturating_sub(self.bytes.len() + ControlHeader::SIZE)
    }

    /// Adds a message, or the beginning of one.
    fn push(&mut self, kind: u32, data: &[u8]) {
        if self.room < self.bytes.len() + ControlHeader::SIZE {
            self.truncated = true;
            return;
        }
        let fits = data.len().min(self.data_room());
        self.truncated |= fits < data.len();
        let length = (ControlHeader::SIZE + fits) as u64;
        let header = ControlHeader { length, level: SOL_SOCKET, kind };
        self.bytes.extend(header.to_bytes());
        self.bytes.extend(&data[..fits]);
        let padded = self.bytes.len().next_multiple_of(ALIGNMENT).min(self.room);
        self.bytes.resize(padded, 0);
    }
}

/// Writes what came along with a message; how many bytes of control messages there are, and the
/// flag that says whether some were left out.
///
/// # Errors
/// `EFAULT`.
pub(super) async fn write(
    c: &Caller,
    socket: &Socket,
    header: &MessageHeader,
    origin: Option<Origin>,
    flags: MessageFlags,
) -> Result<(u64, MessageFlags), Errno> {
    let room = match header.control {
        0 => 0,
        _ => usize::try_from(header.control_length.min(LONGEST)).unwrap_or(0),
    };
    let mut writer = Writer { bytes: Vec::new(), room, truncated: false };
    if let Some(origin) = origin {
        if socket.options.pass_credentials.get() {
            writer.push(SCM_CREDENTIALS, &origin.credentials.to_bytes());
        }
        if !origin.files.is_empty() {
            push_files(c, &mut writer, origin.files, flags);
        }
    }
    if !writer.bytes.is_empty() {
        c.memory.copy_out(UserAddr(header.control), &writer.bytes).await?;
    }
    let truncated = if writer.truncated { MessageFlags::CTRUNC } else { MessageFlags::empty() };
    Ok((writer.bytes.len() as u64, truncated))
}

/// Gives the caller descriptors of as many files as there is room for; the others are closed.
fn push_files(c: &Caller, writer: &mut Writer, files: Vec<Rc<OpenFile>>, flags: MessageFlags) {
    let fits = writer.data_room() / 4;
    writer.truncated |= fits < files.len();
    let close_on_exec = flags.contains(MessageFlags::CMSG_CLOEXEC);
    let mut numbers = Vec::new();
    for file in files.into_iter().take(fits) {
        let descriptor = Descriptor { file, close_on_exec };
        match c.home.files.descriptors().insert(descriptor, Fd(0), descriptor_limit(c)) {
            Ok(fd) => numbers.extend(fd.0.to_le_bytes()),
            Err(_) => {
                writer.truncated = true;
                break;
            }
        }
    }
    if !numbers.is_empty() {
        writer.push(SCM_RIGHTS, &numbers);
    }
}
