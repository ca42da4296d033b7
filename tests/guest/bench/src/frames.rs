//! Bare Ethernet frames between two Linux guests, from program to program: the wire with nothing
//! but packet(7) at its ends.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, netdevice, socket_with};

/// What kind of frame it is: the first that IEEE 802 leaves to experiments.
const KIND: u16 = 0x88b5;

const DEVICE: &str = "eth0";

/// Addresses and kind.
const HEADER: usize = 14;

/// How long an answer may take. Frames are not lost on a wire that is a stream.
const PATIENCE: Duration = Duration::from_secs(10);

/// The device, for frames of that kind.
pub(crate) struct Frames(OwnedFd);

impl Frames {
    pub(crate) fn open() -> io::Result<Self> {
        let protocol = NonZeroU32::new(KIND.to_be().into()).map(Protocol::from_raw);
        let raw = SocketType::RAW;
        let socket = socket_with(AddressFamily::PACKET, raw, SocketFlags::CLOEXEC, protocol)?;
        bind(&socket, netdevice::name_to_index(&socket, DEVICE)?)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// A frame with this many bytes behind its header, to everyone.
    pub(crate) fn frame(size: usize) -> Vec<u8> {
        let mut frame = vec![0; HEADER + size];
        frame[..6].fill(0xff);
        frame[12..HEADER].copy_from_slice(&KIND.to_be_bytes());
        frame
    }

    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        rustix::io::write(&self.0, frame)?;
        Ok(())
    }

    /// Waits for a frame, whose first bytes go where there is room for them.
    pub(crate) fn receive(&self, room: &mut [u8]) -> io::Result<()> {
        rustix::io::read(&self.0, room)?;
        Ok(())
    }
}

/// To one device, which is what it then sends by.
fn bind(socket: &OwnedFd, device: u32) -> io::Result<()> {
    let index = i32::try_from(device).map_err(io::Error::other)?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: KIND.to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address outlives the call, which reads `length` bytes of it.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
