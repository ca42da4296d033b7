//! Sockets of programs (socket(7)): `AF_UNIX`, `AF_INET`, and what mq_notify(3) needs of
//! `AF_NETLINK`.
//!
//! ```text
//! Socket                 what a descriptor refers to: a protocol and its options
//! Protocol               what a family and type do: unix, inet
//! Endpoint, Inbox        bytes and messages between two sockets of this node
//! Flight                 files that are on their way in a message
//! ```
//!
//! A socket stays on its process's home node. Like every file object it does nothing but try:
//! handlers wait. User memory is never seen here.

mod address;
mod backlog;
mod endpoint;
mod flight;
mod inbox;
pub mod inet;
pub mod netlink;
mod options;
#[cfg(test)]
mod tests;
pub mod unix;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::time::Duration;

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::socket::{
    AF_INET, AF_NETLINK, AF_UNIX, Credentials, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM,
    SOCK_SEQPACKET, SOCK_STREAM,
};

pub use address::{Address, InetAddress, UnixName};
pub use backlog::Backlog;
pub use endpoint::{Endpoint, Manners};
pub use flight::Flight;
pub use inbox::{Inbox, Incoming, Origin};
pub use options::Options;

use crate::executor::WaitQueue;
use crate::fs::{FileObject, Io, OpenFile};
use inet::InetWorld;
use unix::UnixWorld;

/// What the sockets of a node share.
pub struct Sockets {
    /// Those of `AF_UNIX`.
    pub unix: UnixWorld,
    /// Those of `AF_INET`.
    pub inet: Rc<InetWorld>,
    /// Files on their way.
    pub flight: Rc<Flight>,
}

impl Sockets {
    /// A node without sockets, whose messages take frames from `pool`.
    pub fn new(pool: &FramePool) -> Self {
        let flight = Rc::<Flight>::default();
        let names = Rc::default();
        Self {
            unix: UnixWorld { pool: pool.clone(), names, flight: flight.clone() },
            inet: InetWorld::new(pool, &flight),
            flight,
        }
    }
}

/// The protocol family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// `AF_UNIX`.
    Unix,
    /// `AF_INET`.
    Inet,
    /// `AF_NETLINK`.
    Netlink,
}

impl Family {
    /// Its number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Unix => AF_UNIX,
            Self::Inet => AF_INET,
            Self::Netlink => AF_NETLINK,
        }
    }
}

/// The type of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A stream of bytes.
    Stream,
    /// Messages without connection.
    Datagram,
    /// Messages over a connection.
    SeqPacket,
}

impl Kind {
    /// Its number (`SOCK_*`).
    pub const fn number(self) -> u32 {
        match self {
            Self::Stream => SOCK_STREAM,
            Self::Datagram => SOCK_DGRAM,
            Self::SeqPacket => SOCK_SEQPACKET,
        }
    }
}

/// How to receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receive {
    /// Bytes, at most.
    pub max: usize,
    /// Leave what was received (`MSG_PEEK`).
    pub peek: bool,
}

/// Which directions shutdown(2) ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shutdown {
    /// Nothing more is received.
    pub receive: bool,
    /// Nothing more is sent.
    pub send: bool,
}

impl Shutdown {
    /// The argument of shutdown(2).
    ///
    /// # Errors
    /// `EINVAL`.
    pub const fn from_argument(how: i32) -> Result<Self, Errno> {
        match how {
            SHUT_RD => Ok(Self { receive: true, send: false }),
            SHUT_WR => Ok(Self { receive: false, send: true }),
            SHUT_RDWR => Ok(Self { receive: true, send: true }),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// What is sent.
pub struct Outgoing<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Where to, if the call says it.
    pub target: Option<&'a Address>,
    /// As which process.
    pub credentials: Credentials,
    /// Files that go with it.
    pub files: &'a [Rc<OpenFile>],
}

/// What a family and a type do. Operations are tries: `EAGAIN` says that [`Protocol::changes`]
/// wakes when that may be different.
pub trait Protocol {
    /// bind(2).
    ///
    /// # Errors
    /// `EINVAL` if it is bound, `EADDRINUSE`, `EADDRNOTAVAIL`.
    fn bind(&self, address: &Address) -> Result<(), Errno>;

    /// listen(2).
    ///
    /// # Errors
    /// `ENOTSUP`, `EINVAL`.
    fn listen(&self, _backlog: usize, _owner: Credentials) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }

    /// connect(2): begins, or looks whether what was begun is done.
    ///
    /// # Errors
    /// `EINPROGRESS` when it has begun, `EALREADY` while it goes on, `EAGAIN` if the listener's
    /// backlog is full; `ECONNREFUSED` and others as connect(2) says.
    fn connect(&self, address: &Address, owner: Credentials) -> Result<(), Errno>;

    /// accept(2): a connection from the backlog.
    ///
    /// # Errors
    /// `EAGAIN`; `EINVAL` if it does not listen, `ENOTSUP`.
    fn accept(&self) -> Result<Rc<dyn Protocol>, Errno> {
        Err(Errno::ENOTSUP)
    }

    /// Sends; how many bytes.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, `ENOTCONN`, `EMSGSIZE` and others as send(2) says.
    fn send(&self, message: &Outgoing<'_>) -> Result<usize, Errno>;

    /// Puts a message of the kernel where it is received.
    ///
    /// # Errors
    /// `ENOTSUP` for a socket that takes none, `ENOBUFS`.
    fn tell(&self, _message: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }

    /// Receives.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN` and others as recv(2) says.
    fn receive(&self, how: &Receive) -> Result<Incoming, Errno>;

    /// shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    fn shutdown(&self, how: Shutdown) -> Result<(), Errno>;

    /// The descriptor is closed for good; `linger` of zero resets the connection.
    fn close(&self, linger: Option<Duration>);

    /// getsockname(2).
    fn local(&self) -> Address;

    /// getpeername(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    fn peer(&self) -> Result<Address, Errno>;

    /// Who connected, or listened (`SO_PEERCRED`).
    fn peer_credentials(&self) -> Credentials {
        Credentials::NONE
    }

    /// Whether it listens (`SO_ACCEPTCONN`).
    fn is_listening(&self) -> bool {
        false
    }

    /// Connections that it has and nobody has accepted, as far as `/proc/net` tells of them.
    fn unaccepted(&self) -> Vec<Rc<dyn Protocol>> {
        Vec::new()
    }

    /// The pending error (`SO_ERROR`), which is none afterwards.
    fn take_error(&self) -> Option<Errno>;

    /// What it is ready for.
    fn poll(&self) -> PollEvents;

    /// Wakes when any of this may be different.
    fn changes(&self) -> &WaitQueue;

    /// Bytes that can be received now; of a datagram socket those of the next message.
    fn bytes_readable(&self) -> usize;

    /// Takes over options that concern the protocol.
    fn apply(&self, _options: &Options) {}

    /// Files that are on their way to this socket.
    fn files(&self) -> Vec<Rc<OpenFile>> {
        Vec::new()
    }

    /// Throws away what was sent to this socket; the files on their way, for the caller to drop.
    fn discard(&self) -> Vec<Rc<OpenFile>> {
        Vec::new()
    }
}

/// What a socket descriptor refers to.
pub struct Socket {
    /// The family.
    pub family: Family,
    /// The type.
    pub kind: Kind,
    /// The protocol's number (`SO_PROTOCOL`).
    pub protocol_number: u32,
    /// What setsockopt(2) sets.
    pub options: Options,
    protocol: Rc<dyn Protocol>,
    flight: Rc<Flight>,
}

impl Socket {
    /// A socket that does what `protocol` does.
    pub fn new(
        family: Family,
        kind: Kind,
        protocol_number: u32,
        protocol: Rc<dyn Protocol>,
        flight: &Rc<Flight>,
    ) -> Rc<Self> {
        let (options, flight) = (Options::default(), Rc::clone(flight));
        Rc::new(Self { family, kind, protocol_number, options, protocol, flight })
    }

    /// A socket like this one, for a connection that it has accepted.
    pub fn accepted(&self, protocol: Rc<dyn Protocol>) -> Rc<Self> {
        let (options, flight) = (self.options.clone(), Rc::clone(&self.flight));
        protocol.apply(&options);
        let Self { family, kind, protocol_number, .. } = *self;
        Rc::new(Self { family, kind, protocol_number, options, protocol, flight })
    }

    /// The socket behind an open file, if it is one.
    pub fn of(object: &dyn FileObject) -> Option<&Self> {
        let any: &dyn Any = object;
        any.downcast_ref()
    }

    /// What it does.
    pub fn protocol(&self) -> &dyn Protocol {
        &*self.protocol
    }

    /// The same, for who goes on without the descriptor.
    pub fn share_protocol(&self) -> Rc<dyn Protocol> {
        Rc::clone(&self.protocol)
    }

    /// Where a message came from, as recvfrom(2) tells. A TCP connection does not tell, and an
    /// `AF_UNIX` socket without a name has nothing to tell.
    pub fn source<'a>(&self, origin: Option<&'a Origin>) -> Option<&'a Address> {
        let source = &origin?.source;
        let named = !matches!(source, Address::Unix(UnixName::Unnamed));
        let tells = self.family == Family::Unix || self.kind == Kind::Datagram;
        (named && tells).then_some(source)
    }

    /// Whether messages keep their boundaries.
    pub const fn keeps_boundaries(&self) -> bool {
        !matches!(self.kind, Kind::Stream)
    }
}

impl FileObject for Socket {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let incoming = self.protocol.receive(&Receive { max: buffer.len(), peek: false })?;
        buffer[..incoming.data.len()].copy_from_slice(&incoming.data);
        Ok(incoming.data.len())
    }

    fn write(&self, _offset: u64, data: &[u8], io: &Io<'_>) -> Result<usize, Errno> {
        let credentials = Credentials { pid: io.asker.pid().0, uid: 0, gid: 0 };
        self.protocol.send(&Outgoing { data, target: None, credentials, files: &[] })
    }

    fn poll(&self) -> PollEvents {
        self.protocol.poll()
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(self.protocol.changes())
    }

    fn bytes_readable(&self) -> Option<usize> {
        Some(self.protocol.bytes_readable())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.protocol.close(self.options.linger());
        self.flight.collect();
    }
}
