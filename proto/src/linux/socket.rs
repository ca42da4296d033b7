//! `sys/socket.h`, `sys/un.h`, `netinet/in.h`, `netinet/tcp.h`: sockets.

use bitflags::bitflags;

/// `AF_UNSPEC`.
pub const AF_UNSPEC: u16 = 0;
/// `AF_UNIX`.
pub const AF_UNIX: u16 = 1;
/// `AF_INET`.
pub const AF_INET: u16 = 2;
/// `AF_NETLINK`.
pub const AF_NETLINK: u16 = 16;

/// `SOCK_STREAM`.
pub const SOCK_STREAM: u32 = 1;
/// `SOCK_DGRAM`.
pub const SOCK_DGRAM: u32 = 2;
/// `SOCK_RAW`, which on `AF_UNIX` is a datagram socket.
pub const SOCK_RAW: u32 = 3;
/// `SOCK_SEQPACKET`.
pub const SOCK_SEQPACKET: u32 = 5;
/// The bits of a type argument that hold the type.
pub const SOCK_TYPE_MASK: u32 = 0xf;

/// `IPPROTO_IP`, and `SOL_IP`.
pub const IPPROTO_IP: u32 = 0;
/// `IPPROTO_TCP`.
pub const IPPROTO_TCP: u32 = 6;
/// `IPPROTO_UDP`.
pub const IPPROTO_UDP: u32 = 17;

/// `SOL_SOCKET`.
pub const SOL_SOCKET: u32 = 1;

/// `SHUT_RD`.
pub const SHUT_RD: i32 = 0;
/// `SHUT_WR`.
pub const SHUT_WR: i32 = 1;
/// `SHUT_RDWR`.
pub const SHUT_RDWR: i32 = 2;

/// `SOMAXCONN`.
pub const SOMAXCONN: usize = 4096;

/// Bytes of `sun_path`.
pub const UNIX_PATH_MAX: usize = 108;

/// `SCM_RIGHTS`.
pub const SCM_RIGHTS: u32 = 1;
/// `SCM_CREDENTIALS`.
pub const SCM_CREDENTIALS: u32 = 2;
/// `SCM_MAX_FD`: descriptors of one message.
pub const SCM_MAX_FD: usize = 253;

bitflags! {
    /// `MSG_*`: how to send or to receive.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MessageFlags: u32 {
        /// `MSG_OOB`.
        const OOB = 0x1;
        /// `MSG_PEEK`.
        const PEEK = 0x2;
        /// `MSG_DONTROUTE`: there is one route to everything.
        const DONTROUTE = 0x4;
        /// `MSG_CTRUNC`.
        const CTRUNC = 0x8;
        /// `MSG_TRUNC`.
        const TRUNC = 0x20;
        /// `MSG_DONTWAIT`.
        const DONTWAIT = 0x40;
        /// `MSG_EOR`.
        const EOR = 0x80;
        /// `MSG_WAITALL`.
        const WAITALL = 0x100;
        /// `MSG_CONFIRM`.
        const CONFIRM = 0x800;
        /// `MSG_ERRQUEUE`.
        const ERRQUEUE = 0x2000;
        /// `MSG_NOSIGNAL`.
        const NOSIGNAL = 0x4000;
        /// `MSG_MORE`.
        const MORE = 0x8000;
        /// `MSG_WAITFORONE`.
        const WAITFORONE = 0x1_0000;
        /// `MSG_CMSG_CLOEXEC`.
        const CMSG_CLOEXEC = 0x4000_0000;
    }
}

/// Options of the level `SOL_SOCKET`.
pub mod so {
    /// `SO_REUSEADDR`.
    pub const REUSEADDR: u32 = 2;
    /// `SO_TYPE`.
    pub const TYPE: u32 = 3;
    /// `SO_ERROR`.
    pub const ERROR: u32 = 4;
    /// `SO_DONTROUTE`.
    pub const DONTROUTE: u32 = 5;
    /// `SO_BROADCAST`.
    pub const BROADCAST: u32 = 6;
    /// `SO_SNDBUF`.
    pub const SNDBUF: u32 = 7;
    /// `SO_RCVBUF`.
    pub const RCVBUF: u32 = 8;
    /// `SO_KEEPALIVE`.
    pub const KEEPALIVE: u32 = 9;
    /// `SO_OOBINLINE`.
    pub const OOBINLINE: u32 = 10;
    /// `SO_PRIORITY`.
    pub const PRIORITY: u32 = 12;
    /// `SO_LINGER`.
    pub const LINGER: u32 = 13;
    /// `SO_REUSEPORT`.
    pub const REUSEPORT: u32 = 15;
    /// `SO_PASSCRED`.
    pub const PASSCRED: u32 = 16;
    /// `SO_PEERCRED`.
    pub const PEERCRED: u32 = 17;
    /// `SO_RCVLOWAT`.
    pub const RCVLOWAT: u32 = 18;
    /// `SO_SNDLOWAT`.
    pub const SNDLOWAT: u32 = 19;
    /// `SO_RCVTIMEO`.
    pub const RCVTIMEO: u32 = 20;
    /// `SO_SNDTIMEO`.
    pub const SNDTIMEO: u32 = 21;
    /// `SO_ACCEPTCONN`.
    pub const ACCEPTCONN: u32 = 30;
    /// `SO_SNDBUFFORCE`.
    pub const SNDBUFFORCE: u32 = 32;
    /// `SO_RCVBUFFORCE`.
    pub const RCVBUFFORCE: u32 = 33;
    /// `SO_PROTOCOL`.
    pub const PROTOCOL: u32 = 38;
    /// `SO_DOMAIN`.
    pub const DOMAIN: u32 = 39;
}

/// Options of the level `IPPROTO_TCP`.
pub mod tcp {
    /// `TCP_NODELAY`.
    pub const NODELAY: u32 = 1;
    /// `TCP_MAXSEG`.
    pub const MAXSEG: u32 = 2;
    /// `TCP_CORK`.
    pub const CORK: u32 = 3;
    /// `TCP_KEEPIDLE`.
    pub const KEEPIDLE: u32 = 4;
    /// `TCP_KEEPINTVL`.
    pub const KEEPINTVL: u32 = 5;
    /// `TCP_KEEPCNT`.
    pub const KEEPCNT: u32 = 6;
    /// `TCP_DEFER_ACCEPT`.
    pub const DEFER_ACCEPT: u32 = 9;
    /// `TCP_QUICKACK`.
    pub const QUICKACK: u32 = 12;
    /// `TCP_USER_TIMEOUT`.
    pub const USER_TIMEOUT: u32 = 18;
    /// `TCP_FASTOPEN`.
    pub const FASTOPEN: u32 = 23;
}

layout! {
    /// `struct msghdr`.
    MessageHeader {
        /// Where the address is.
        name: u64,
        /// Bytes of the address.
        name_length: u32,
        /// Padding of the ABI.
        padding: u32,
        /// The array of buffers.
        vector: u64,
        /// Its elements.
        vector_count: u64,
        /// Where the control messages are.
        control: u64,
        /// Bytes of them.
        control_length: u64,
        /// `MSG_*` of the received message.
        flags: u32,
        /// Padding of the ABI.
        end: u32,
    }
    /// `struct cmsghdr`.
    ControlHeader {
        /// Bytes, this header included.
        length: u64,
        /// The protocol.
        level: u32,
        /// `SCM_*`.
        kind: u32,
    }
    /// `struct ucred`.
    Credentials {
        /// The process.
        pid: i32,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
    }
    /// `struct linger`.
    Linger {
        /// Whether a close waits.
        on: i32,
        /// For how many seconds.
        seconds: i32,
    }
}

impl Credentials {
    /// Nobody's: what a socket without a peer tells.
    pub const NONE: Self = Self { pid: 0, uid: u32::MAX, gid: u32::MAX };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::Layout;

    #[test]
    fn structures_have_the_sizes_of_the_abi() {
        assert_eq!(MessageHeader::SIZE, 56);
        assert_eq!(ControlHeader::SIZE, 16);
        assert_eq!(Credentials::SIZE, 12);
        assert_eq!(Linger::SIZE, 8);
    }
}
