//! The way of node 1 to the outside: a card on QEMU's user networking, and the ports of this host
//! that lead to its programs.

use std::fmt::Write as _;
use std::str::FromStr;

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

#[cfg(test)]
mod tests {
    use super::*;

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
