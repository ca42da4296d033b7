//! Socket addresses: in the kernel, and as bytes of `struct sockaddr` (unix(7), ip(7)).

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::socket::{AF_INET, AF_UNIX, AF_UNSPEC, UNIX_PATH_MAX};

use crate::fs::Dentry;

/// An IPv4 address and a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct InetAddress {
    /// The address; all zero for any.
    pub ip: [u8; 4],
    /// The port; 0 for none.
    pub port: u16,
}

impl InetAddress {
    /// Bytes of `struct sockaddr_in`.
    const SIZE: usize = 16;

    /// Whether the address is any (`INADDR_ANY`).
    pub fn is_any(&self) -> bool {
        self.ip == [0; 4]
    }

    /// Whether the address is this node's alone (127.0.0.0/8).
    pub fn is_loopback(&self) -> bool {
        self.ip[0] == 127
    }
}

impl fmt::Display for InetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.ip;
        write!(f, "{a}.{b}.{c}.{d}:{}", self.port)
    }
}

/// The name of an `AF_UNIX` socket.
#[derive(Clone)]
pub enum UnixName {
    /// It has none.
    Unnamed,
    /// A name that is in no file system.
    Abstract(Vec<u8>),
    /// A path, and what it named when it was looked up.
    Path(Vec<u8>, Option<Rc<Dentry>>),
}

/// A socket address.
#[derive(Clone)]
pub enum Address {
    /// `AF_UNSPEC`: nobody.
    Unspecified,
    /// `AF_UNIX`.
    Unix(UnixName),
    /// `AF_INET`.
    Inet(InetAddress),
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// `EINVAL` for one that is too short or too long, `EAFNOSUPPORT` for another family.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Errno> {
        let family = u16::from_le_bytes(*bytes.first_chunk::<2>().ok_or(Errno::EINVAL)?);
        match family {
            AF_UNSPEC => Ok(Self::Unspecified),
            AF_UNIX => unix_name(&bytes[2..]).map(Self::Unix),
            AF_INET => inet_address(bytes).map(Self::Inet),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// The bytes of its structure.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Unspecified => bytes.extend(AF_UNSPEC.to_le_bytes()),
            Self::Unix(name) => {
                bytes.extend(AF_UNIX.to_le_bytes());
                match name {
                    UnixName::Unnamed => {}
                    UnixName::Abstract(name) => {
                        bytes.push(0);
                        bytes.extend(name);
                    }
                    UnixName::Path(path, _) => {
                        bytes.extend(path);
                        bytes.push(0);
                    }
                }
            }
            Self::Inet(address) => {
                bytes.extend(AF_INET.to_le_bytes());
                bytes.extend(address.port.to_be_bytes());
                bytes.extend(address.ip);
                bytes.resize(InetAddress::SIZE, 0);
            }
        }
        bytes
    }
}

fn unix_name(path: &[u8]) -> Result<UnixName, Errno> {
    if path.len() > UNIX_PATH_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(match path {
        [] => UnixName::Unnamed,
        [0, name @ ..] => UnixName::Abstract(name.to_vec()),
        path => {
            let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
            UnixName::Path(path[..end].to_vec(), None)
        }
    })
}

fn inet_address(bytes: &[u8]) -> Result<InetAddress, Errno> {
    if bytes.len() < InetAddress::SIZE {
        return Err(Errno::EINVAL);
    }
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    Ok(InetAddress { ip: [bytes[4], bytes[5], bytes[6], bytes[7]], port })
}
