//! UDP sockets (udp(7)).

use alloc::rc::{Rc, Weak};
use core::cell::Cell;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::socket::Credentials;

use super::ports::Bound;
use super::{Binding, Deliver, InetWorld};
use crate::executor::WaitQueue;
use crate::socket::{
    Address, Endpoint, Incoming, InetAddress, Manners, Options, Origin, Outgoing, Protocol,
    Receive, Shutdown,
};

/// The most bytes of a datagram (udp(7)).
const MAX_DATAGRAM: usize = 65507;

/// A UDP socket.
pub struct UdpSocket {
    me: Weak<Self>,
    world: Rc<InetWorld>,
    endpoint: Rc<Endpoint>,
    binding: Binding,
    peer: Cell<Option<InetAddress>>,
    /// Bytes that may wait (`SO_RCVBUF`); what comes then is lost.
    receive_limit: Cell<usize>,
}

impl UdpSocket {
    /// A socket without address and peer.
    pub fn new(world: &Rc<InetWorld>) -> Rc<Self> {
        let endpoint = Endpoint::new(&world.pool, Manners::Tcp, &world.flight);
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            world: Rc::clone(world),
            receive_limit: Cell::new(endpoint.send_limit.get()),
            endpoint,
            binding: Binding::default(),
            peer: Cell::new(None),
        })
    }

    /// Both addresses, for `/proc/net/udp`.
    pub fn addresses(&self) -> (InetAddress, InetAddress) {
        (self.binding.local.get(), self.peer.get().unwrap_or_default())
    }

    fn bind_to(&self, address: InetAddress) -> Result<(), Errno> {
        let me = self.me.upgrade().ok_or(Errno::EINVAL)?;
        self.world.udp.bind(&me, address)?;
        let local = self.binding.local.get();
        if let Some(uplink) = self.world.uplink().filter(|_| !local.is_loopback()) {
            let world = Rc::downgrade(&self.world);
            let deliver: Deliver = Rc::new(move |peer, local, data| {
                if let Some(world) = world.upgrade() {
                    Self::deliver(&world, peer, local, data);
                }
            });
            uplink.bind(local.port, deliver);
        }
        Ok(())
    }

    fn ensure_port(&self) -> Result<(), Errno> {
        match self.binding.local.get() {
            local if local.port == 0 => self.bind_to(local),
            _ => Ok(()),
        }
    }

    /// Gives a datagram to the socket it is for; false if there is none.
    fn deliver(world: &InetWorld, from: InetAddress, to: InetAddress, data: &[u8]) -> bool {
        let sockets = world.udp.at(to.port);
        let fits = |socket: &&Rc<Self>| {
            let local = socket.binding.local.get();
            let named = local.is_any() || local.ip == to.ip;
            named && socket.peer.get().is_none_or(|peer| peer == from)
        };
        // One that is connected to the sender comes before one that takes from everybody.
        let connected = sockets.iter().filter(fits).find(|socket| socket.peer.get().is_some());
        let Some(target) = connected.or_else(|| sockets.iter().find(fits)) else { return false };
        let waiting = target.endpoint.inbox.borrow().length();
        if waiting + data.len() <= target.receive_limit.get() {
            // One that there is no room for is lost, as datagrams may be.
            let _ = target.endpoint.deliver(data, Origin::from_address(Address::Inet(from)));
        }
        true
    }

    fn send_to(&self, mut peer: InetAddress, data: &[u8]) -> Result<usize, Errno> {
        if peer.port == 0 {
            return Err(Errno::EINVAL);
        }
        if data.len() > MAX_DATAGRAM {
            return Err(Errno::EMSGSIZE);
        }
        if peer.is_any() {
            peer.ip = super::LOCALHOST;
        }
        let mut local = self.binding.local.get();
        if local.is_any() {
            local.ip = self.world.source_for(peer)?;
        }
        if !self.world.is_local(peer) {
            let uplink = self.world.uplink().ok_or(Errno::ENETUNREACH)?;
            return uplink.send(local, peer, data).map(|()| data.len());
        }
        let delivered = Self::deliver(&self.world, local, peer, data);
        if !delivered && self.peer.get().is_some() {
            self.endpoint.error.set(Some(Errno::ECONNREFUSED));
            self.endpoint.changes.wake_all();
        }
        Ok(data.len())
    }
}

impl Bound for UdpSocket {
    fn binding(&self) -> &Binding {
        &self.binding
    }

    fn shares_address(&self) -> bool {
        true
    }
}

impl Protocol for UdpSocket {
    fn bind(&self, address: &Address) -> Result<(), Errno> {
        let Address::Inet(address) = *address else { return Err(Errno::EAFNOSUPPORT) };
        if self.binding.local.get().port != 0 {
            return Err(Errno::EINVAL);
        }
        self.world.check_local(address)?;
        self.bind_to(address)
    }

    fn connect(&self, address: &Address, _owner: Credentials) -> Result<(), Errno> {
        let Address::Inet(peer) = *address else {
            self.peer.set(None);
            return Ok(());
        };
        let peer = self.binding.face(&self.world, peer, || self.ensure_port())?;
        self.peer.set(Some(peer));
        Ok(())
    }

    fn send(&self, message: &Outgoing<'_>) -> Result<usize, Errno> {
        if self.endpoint.send_shut.get() {
            return Err(Errno::EPIPE);
        }
        if let Some(error) = self.endpoint.take_error() {
            return Err(error);
        }
        let peer = match message.target {
            Some(Address::Inet(peer)) => *peer,
            Some(_) => return Err(Errno::EAFNOSUPPORT),
            None => self.peer.get().ok_or(Errno::EDESTADDRREQ)?,
        };
        self.ensure_port()?;
        self.send_to(peer, message.data)
    }

    fn receive(&self, how: &Receive) -> Result<Incoming, Errno> {
        if let Some(error) = self.endpoint.take_error() {
            return Err(error);
        }
        self.endpoint.receive(how, false)
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        self.peer.get().ok_or(Errno::ENOTCONN)?;
        self.endpoint.shut(how);
        Ok(())
    }

    fn close(&self, _linger: Option<Duration>) {
        let port = self.binding.local.get().port;
        self.world.udp.release(&self.me, port);
        if let Some(uplink) = self.world.uplink().filter(|_| self.world.udp.at(port).is_empty()) {
            uplink.unbind(port);
        }
    }

    fn local(&self) -> Address {
        Address::Inet(self.binding.local.get())
    }

    fn peer(&self) -> Result<Address, Errno> {
        self.peer.get().map(Address::Inet).ok_or(Errno::ENOTCONN)
    }

    fn take_error(&self) -> Option<Errno> {
        self.endpoint.take_error()
    }

    fn poll(&self) -> PollEvents {
        self.endpoint.poll()
    }

    fn changes(&self) -> &WaitQueue {
        &self.endpoint.changes
    }

    fn bytes_readable(&self) -> usize {
        self.endpoint.inbox.borrow().next_length().unwrap_or(0)
    }

    fn apply(&self, options: &Options) {
        self.binding.reuse_address.set(options.reuse_address.get());
        self.binding.reuse_port.set(options.reuse_port.get());
        self.receive_limit.set(options.receive_buffer.get());
    }
}
