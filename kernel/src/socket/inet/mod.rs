//! `AF_INET` sockets (ip(7)): TCP and UDP between processes of this node, and to the outside.
//!
//! Two sockets of one node are joined by an [`Endpoint`] each, without packets. A
//! connection to the outside is joined to an endpoint, too, which the network drains and fills: so
//! a socket need not know where its peer is.

mod ports;
mod tcp;
mod udp;

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;

use super::{Endpoint, Flight, InetAddress};
use ports::Ports;
pub use tcp::TcpSocket;
pub use udp::UdpSocket;

/// The address of this node that every node has.
pub const LOCALHOST: [u8; 4] = [127, 0, 0, 1];

/// The way to other machines.
pub trait Uplink {
    /// The address that others know this node by.
    fn address(&self) -> [u8; 4];

    /// Begins a connection; what the peer sends comes to `endpoint`, whose peer it becomes. When it
    /// is made or has failed, `endpoint` is woken.
    ///
    /// # Errors
    /// `ENETUNREACH`, `ENOBUFS`, `EADDRINUSE`.
    fn connect(
        &self,
        endpoint: &Rc<Endpoint>,
        local: InetAddress,
        peer: InetAddress,
    ) -> Result<(), Errno>;

    /// Whether the connection that `endpoint` was given for is made.
    fn is_connected(&self, endpoint: &Endpoint) -> bool;

    /// Takes connections to `port` from now on; `accept` is called for each that is made.
    fn listen(&self, port: u16, accept: Accept);

    /// Takes no more.
    fn stop_listening(&self, port: u16);

    /// Sends a datagram.
    ///
    /// # Errors
    /// `ENETUNREACH`, `EMSGSIZE`; `EAGAIN` while there is no room.
    fn send(&self, local: InetAddress, peer: InetAddress, data: &[u8]) -> Result<(), Errno>;

    /// Takes datagrams to `port` from now on.
    fn bind(&self, port: u16, deliver: Deliver);

    /// Takes no more.
    fn unbind(&self, port: u16);
}

/// Takes a connection from this peer to this local address, over this endpoint of the network's;
/// says no if there is no room for it.
pub type Accept = Rc<dyn Fn(InetAddress, InetAddress, &Rc<Endpoint>) -> bool>;
/// Takes a datagram from this peer to this local address.
pub type Deliver = Rc<dyn Fn(InetAddress, InetAddress, &[u8])>;

/// What all `AF_INET` sockets of a node share.
pub struct InetWorld {
    /// Where bytes are kept that wait.
    pub pool: FramePool,
    /// Files of messages, of which there are none here.
    pub flight: Rc<Flight>,
    /// Who has which TCP port.
    tcp: Ports<TcpSocket>,
    /// Who has which UDP port.
    udp: Ports<UdpSocket>,
    uplink: RefCell<Option<Rc<dyn Uplink>>>,
}

impl InetWorld {
    /// A node without sockets that has no uplink yet.
    pub fn new(pool: &FramePool, flight: &Rc<Flight>) -> Rc<Self> {
        Rc::new(Self {
            pool: pool.clone(),
            flight: Rc::clone(flight),
            tcp: Ports::default(),
            udp: Ports::default(),
            uplink: RefCell::default(),
        })
    }

    /// Connects the node with others.
    pub fn set_uplink(&self, uplink: Rc<dyn Uplink>) {
        self.uplink.replace(Some(uplink));
    }

    /// The way to others, if there is one.
    fn uplink(&self) -> Option<Rc<dyn Uplink>> {
        self.uplink.borrow().clone()
    }

    /// The address that others know this node by, if there is a way to others.
    pub fn outside(&self) -> Option<[u8; 4]> {
        self.uplink().map(|uplink| uplink.address())
    }

    /// Whether an address is this node's.
    fn is_local(&self, address: InetAddress) -> bool {
        let own = self.uplink().is_some_and(|uplink| uplink.address() == address.ip);
        address.is_loopback() || address.is_any() || own
    }

    /// Fails for an address that no socket here can have.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`.
    fn check_local(&self, address: InetAddress) -> Result<(), Errno> {
        if self.is_local(address) { Ok(()) } else { Err(Errno::EADDRNOTAVAIL) }
    }

    /// The address that something sent to `peer` comes from.
    ///
    /// # Errors
    /// `ENETUNREACH`.
    fn source_for(&self, peer: InetAddress) -> Result<[u8; 4], Errno> {
        if peer.is_loopback() || peer.is_any() {
            return Ok(LOCALHOST);
        }
        self.uplink().map(|uplink| uplink.address()).ok_or(Errno::ENETUNREACH)
    }

    /// Every TCP and then every UDP socket, for `/proc/net`.
    pub fn list(&self) -> (alloc::vec::Vec<Rc<TcpSocket>>, alloc::vec::Vec<Rc<UdpSocket>>) {
        (self.tcp.all(), self.udp.all())
    }
}

/// The part of a socket that says which port it has.
pub(super) struct Binding {
    pub(super) local: Cell<InetAddress>,
    pub(super) reuse_address: Cell<bool>,
    pub(super) reuse_port: Cell<bool>,
}

impl Binding {
    /// Fixes the address that packets to `peer` come from, unless the program has, and gives the
    /// peer they really go to: one without an address is this machine.
    ///
    /// # Errors
    /// `ENETUNREACH` if there is no way to it; what `ensure_port` says.
    pub(super) fn face(
        &self,
        world: &InetWorld,
        peer: InetAddress,
        ensure_port: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<InetAddress, Errno> {
        let peer = if peer.is_any() { InetAddress { ip: LOCALHOST, ..peer } } else { peer };
        let source = world.source_for(peer)?;
        ensure_port()?;
        let local = self.local.get();
        if local.is_any() {
            self.local.set(InetAddress { ip: source, ..local });
        }
        Ok(peer)
    }
}

impl Default for Binding {
    fn default() -> Self {
        let local = Cell::new(InetAddress::default());
        Self { local, reuse_address: Cell::new(false), reuse_port: Cell::new(false) }
    }
}
