//! The way of node 1 to the outside: a card on QEMU's user networking, and the ports of this host
//! that lead to its programs.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{OwnedFd, RawFd};
use std::str::FromStr;

use rustix::net::{getsockname, listen, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// The address of the node on QEMU's user networking, as the kernel has it.
const GUEST: &str = "10.0.2.15";

/// A TCP port of this host that leads to one of node 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// The port on this host's loopback address.
    pub host: u16,
    /// The port that a program of node 1 listens at.
    pub guest: u16,
}

/// A text that is not `HOST:GUEST`, two port numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected HOST:GUEST, two TCP ports from 1 to 65535")]
pub struct BadPorts;

impl FromStr for Published {
    type Err = BadPorts;

    fn from_str(text: &str) -> Result<Self, BadPorts> {
        let (host, guest) = text.split_once(':').ok_or(BadPorts)?;
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0).ok_or(BadPorts);
        Ok(Self { host: port(host)?, guest: port(guest)? })
    }
}

/// QEMU's `-netdev` for a card with this id.
pub(crate) fn netdev(id: &str, published: &[Published]) -> String {
    let mut netdev = format!("user,id={id}");
    for Published { host, guest } in published {
        // Writing to a string cannot fail.
        let _ = write!(netdev, ",hostfwd=tcp:127.0.0.1:{host}-{GUEST}:{guest}");
    }
    netdev
}

/// How many clients may wait for QEMU to look at a published port; the host's own limit is lower
/// where it is (`somaxconn`).
const BACKLOG: i32 = 4096;

/// Lets many clients come to published ports at once. QEMU lets one wait at each, and the host
/// drops the others, which try again after a second, and then after two and four. So the backlog
/// of its sockets is raised from here.
///
/// # Errors
/// If the host does not let its children's descriptors be shared; the ports work all the same.
pub(crate) fn widen(process: u32, published: &[Published]) -> io::Result<()> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    for entry in std::fs::read_dir(format!("/proc/{process}/fd"))? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        // It may be closed meanwhile.
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        if let (Some(number), true) = (number, target.to_string_lossy().starts_with("socket:")) {
            let socket = pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty())?;
            if is_one_of(&socket, published) {
                listen(&socket, BACKLOG)?;
            }
        }
    }
    Ok(())
}

/// Whether a socket listens at one of these ports.
fn is_one_of(socket: &OwnedFd, published: &[Published]) -> bool {
    let address = getsockname(socket).ok().and_then(|address| SocketAddrV4::try_from(address).ok());
    let known = address.is_some_and(|own| published.iter().any(|port| port.host == own.port()));
    known && sockopt::socket_acceptconn(socket).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_widened_port_lets_many_wait() {
        let narrow = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listen(&narrow, 1).unwrap();
        let address = narrow.local_addr().unwrap();
        let connect = |limit| TcpStream::connect_timeout(&address, limit).ok();
        let short = Duration::from_millis(500);
        let few: Vec<_> = std::iter::from_fn(|| connect(short)).take(20).collect();
        assert!(few.len() < 20, "nothing is dropped: this shows nothing");
        widen(std::process::id(), &[Published { host: address.port(), guest: 1 }]).unwrap();
        let long = Duration::from_secs(60);
        let many: Vec<_> = std::iter::from_fn(|| connect(long)).take(20).collect();
        assert_eq!(many.len(), 20);
    }

    #[test]
    fn ports_are_read_and_handed_to_qemu() {
        let ports: Published = "6379:80".parse().unwrap();
        assert_eq!(ports, Published { host: 6379, guest: 80 });
        let netdev = netdev("up", &[ports]);
        assert_eq!(netdev, "user,id=up,hostfwd=tcp:127.0.0.1:6379-10.0.2.15:80");
        for wrong in ["6379", "0:1", "1:65536", "a:b", ":"] {
            assert_eq!(wrong.parse::<Published>(), Err(BadPorts), "{wrong}");
        }
    }
}
