//! setsockopt(2) and getsockopt(2).

use alloc::vec::Vec;
use core::cell::Cell;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::socket::{IPPROTO_IP, IPPROTO_TCP, Linger, SOL_SOCKET, so, tcp};
use wayfarer_proto::linux::time::Timeval;

use super::super::files::buffers::kernel_buffer;
use super::super::files::names::structure;
use super::{socket_file, socket_of};
use crate::socket::{Family, Kind, Options, Socket};
use crate::syscall::{Call, Caller, SysResult};

/// The longest value of an option that is looked at.
const LONGEST: usize = 256;
/// The least and the most that `SO_SNDBUF` and `SO_RCVBUF` make of what they are given, in bytes.
const LEAST_SEND: usize = 4608;
const LEAST_RECEIVE: usize = 2304;
const MOST: usize = 425_984;

/// setsockopt(2).
pub(super) async fn set(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    let length = usize::try_from(call.int(4)).map_err(|_| Errno::EINVAL)?;
    let mut bytes = kernel_buffer(length.min(LONGEST))?;
    c.memory.copy_in(call.addr(3), &mut bytes).await?;
    let (level, name) = (call.args[1] as u32, call.args[2] as u32);
    match level {
        SOL_SOCKET => set_socket(&socket.options, name, &bytes)?,
        IPPROTO_TCP if is_tcp(socket) => set_tcp(&socket.options, name, integer(&bytes)?)?,
        // What concerns packets (type of service, time to live, path MTU) changes nothing here.
        IPPROTO_IP if socket.family == Family::Inet => {}
        _ if socket.family == Family::Unix => return Err(Errno::ENOTSUP),
        _ => return Err(Errno::ENOPROTOOPT),
    }
    socket.protocol().apply(&socket.options);
    Ok(0)
}

fn is_tcp(socket: &Socket) -> bool {
    socket.family == Family::Inet && socket.kind == Kind::Stream
}

fn integer(bytes: &[u8]) -> Result<i32, Errno> {
    bytes.first_chunk().map(|bytes| i32::from_le_bytes(*bytes)).ok_or(Errno::EINVAL)
}

fn set_socket(options: &Options, name: u32, bytes: &[u8]) -> Result<(), Errno> {
    let value = integer(bytes)?;
    if let Some(flag) = socket_flag(options, name) {
        flag.set(value != 0);
        return Ok(());
    }
    let doubled = usize::try_from(value).unwrap_or(MOST).min(MOST / 2) * 2;
    match name {
        so::SNDBUF | so::SNDBUFFORCE => options.send_buffer.set(doubled.max(LEAST_SEND)),
        so::RCVBUF | so::RCVBUFFORCE => options.receive_buffer.set(doubled.max(LEAST_RECEIVE)),
        so::PRIORITY => options.priority.set(value),
        so::RCVLOWAT => options.low_water.set(value.max(1)),
        so::LINGER => {
            let bytes = bytes.get(..Linger::SIZE).ok_or(Errno::EINVAL)?;
            let Linger { on, seconds } = Linger::from_bytes(bytes);
            options.linger.set((on != 0, seconds));
        }
        so::RCVTIMEO => options.receive_timeout.set(timeout(bytes)?),
        so::SNDTIMEO => options.send_timeout.set(timeout(bytes)?),
        so::TYPE | so::ERROR | so::PEERCRED | so::ACCEPTCONN | so::PROTOCOL | so::DOMAIN => {
            return Err(Errno::ENOPROTOOPT);
        }
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

/// A timeout: below zero it is none, like zero (socket(7)).
fn timeout(bytes: &[u8]) -> Result<Duration, Errno> {
    let bytes = bytes.get(..Timeval::SIZE).ok_or(Errno::EINVAL)?;
    let value = Timeval::from_bytes(bytes);
    if !(0..1_000_000).contains(&value.microseconds) {
        return Err(Errno::EDOM);
    }
    Ok(value.to_duration().unwrap_or(Duration::ZERO))
}

fn socket_flag(options: &Options, name: u32) -> Option<&Cell<bool>> {
    Some(match name {
        so::REUSEADDR => &options.reuse_address,
        so::REUSEPORT => &options.reuse_port,
        so::KEEPALIVE => &options.keep_alive,
        so::BROADCAST => &options.broadcast,
        so::OOBINLINE => &options.out_of_band_inline,
        so::DONTROUTE => &options.dont_route,
        so::PASSCRED => &options.pass_credentials,
        _ => return None,
    })
}

fn set_tcp(options: &Options, name: u32, value: i32) -> Result<(), Errno> {
    let positive = || if value > 0 { Ok(value) } else { Err(Errno::EINVAL) };
    match name {
        tcp::NODELAY => options.no_delay.set(value != 0),
        tcp::CORK => options.cork.set(value != 0),
        tcp::KEEPIDLE => options.keep_idle.set(positive()?),
        tcp::KEEPINTVL => options.keep_interval.set(positive()?),
        tcp::KEEPCNT => options.keep_count.set(positive()?),
        tcp::USER_TIMEOUT => options.user_timeout.set(value),
        tcp::DEFER_ACCEPT => options.defer_accept.set(value),
        tcp::QUICKACK | tcp::MAXSEG => {}
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

/// getsockopt(2).
pub(super) async fn get(c: &Caller, call: &Call) -> SysResult {
    let file = socket_file(c, call.int(0))?;
    let socket = socket_of(&file)?;
    let room = i32::from_le_bytes(structure::<4>(c, call.addr(4)).await?);
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let (level, name) = (call.args[1] as u32, call.args[2] as u32);
    let value = match level {
        SOL_SOCKET => get_socket(socket, name)?,
        IPPROTO_TCP if is_tcp(socket) => get_tcp(&socket.options, name)?.to_le_bytes().to_vec(),
        IPPROTO_IP if socket.family == Family::Inet => 0_i32.to_le_bytes().to_vec(),
        _ if socket.family == Family::Unix => return Err(Errno::ENOTSUP),
        _ => return Err(Errno::ENOPROTOOPT),
    };
    let length = value.len().min(room);
    c.memory.copy_out(call.addr(3), &value[..length]).await?;
    c.memory.copy_out(call.addr(4), &(length as u32).to_le_bytes()).await?;
    Ok(0)
}

fn get_socket(socket: &Socket, name: u32) -> Result<Vec<u8>, Errno> {
    let (options, protocol) = (&socket.options, socket.protocol());
    if let Some(flag) = socket_flag(options, name) {
        return Ok(i32::from(flag.get()).to_le_bytes().to_vec());
    }
    let time = |span| Timeval::from_duration(span).to_bytes();
    let number = match name {
        so::TYPE => socket.kind.number(),
        so::DOMAIN => socket.family.number().into(),
        so::PROTOCOL => socket.protocol_number,
        so::ERROR => protocol.take_error().map_or(0, |error| error.0.into()),
        so::ACCEPTCONN => protocol.is_listening().into(),
        so::SNDBUF => options.send_buffer.get() as u32,
        so::RCVBUF => options.receive_buffer.get() as u32,
        so::PRIORITY => options.priority.get().cast_unsigned(),
        so::RCVLOWAT => options.low_water.get().cast_unsigned(),
        so::SNDLOWAT => 1,
        so::RCVTIMEO => return Ok(time(options.receive_timeout.get())),
        so::SNDTIMEO => return Ok(time(options.send_timeout.get())),
        so::PEERCRED => return Ok(protocol.peer_credentials().to_bytes()),
        so::LINGER => {
            let (on, seconds) = options.linger.get();
            return Ok(Linger { on: on.into(), seconds }.to_bytes());
        }
        _ => return Err(Errno::ENOPROTOOPT),
    };
    Ok(number.to_le_bytes().to_vec())
}

fn get_tcp(options: &Options, name: u32) -> Result<i32, Errno> {
    Ok(match name {
        tcp::NODELAY => options.no_delay.get().into(),
        tcp::CORK => options.cork.get().into(),
        tcp::KEEPIDLE => options.keep_idle.get(),
        tcp::KEEPINTVL => options.keep_interval.get(),
        tcp::KEEPCNT => options.keep_count.get(),
        tcp::USER_TIMEOUT => options.user_timeout.get(),
        tcp::DEFER_ACCEPT => options.defer_accept.get(),
        tcp::QUICKACK => 1,
        tcp::MAXSEG => 1460,
        _ => return Err(Errno::ENOPROTOOPT),
    })
}
