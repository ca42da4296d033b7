//! The outside as sockets see it: an [`Uplink`] over one smoltcp interface.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, IpEndpoint, Ipv4Address};
use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::sorted::{SortedMap, SortedSet};
use wayfarer_proto::time::Instant;

use super::card::Card;
use super::links::{CONNECT_SECONDS, Fate, Link, Phase, Ready, inet};
use super::segments::opened_port;
use crate::net::clock;
use crate::net::port::Port;
use crate::socket::inet::{Accept, Deliver, Uplink};
use crate::socket::{Endpoint, Flight, InetAddress, Manners};

/// The addresses that QEMU's user networking gives out: the node's, and its gateway's.
const ADDRESS: [u8; 4] = [10, 0, 2, 15];
const GATEWAY: [u8; 4] = [10, 0, 2, 2];
const PREFIX_LEN: u8 = 24;

/// Bytes of a connection's buffers in smoltcp, each way.
const BUFFER: usize = 64 * 1024;
/// Datagrams that wait in smoltcp, each way, and their bytes.
const DATAGRAMS: usize = 16;
const DATAGRAM_BUFFER: usize = 24 * 1024;
/// How many connections to the outside a node may have.
const MAX_LINKS: usize = 1024;
/// IPv4's and UDP's headers, in bytes.
const UDP_HEADERS: usize = 28;
/// The part of its time that a node has for other things than the outside: smoltcp looks at every
/// socket in every poll, so that polls of many connections have to have much to do.
const OTHER_WORK: u32 = 3;
/// The longest that the outside waits for it.
const REST_MAX: Duration = Duration::from_millis(2);
/// How soon to look again for room in a full card.
const FULL_RETRY: Duration = Duration::from_micros(50);

/// The way to the outside.
pub struct Outside {
    inner: RefCell<Inner>,
    /// Connections whose wires have changed since they were last pumped.
    ready: Ready,
    pool: FramePool,
    flight: Rc<Flight>,
    /// When the next poll is, at the earliest.
    rested: Cell<Instant>,
}

struct Inner {
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    links: SortedMap<SocketHandle, Link>,
    listeners: SortedMap<u16, Accept>,
    bound: SortedMap<u16, (SocketHandle, Deliver)>,
    now: Instant,
    /// When smoltcp has something to do by itself.
    due: Option<Instant>,
    /// Whether something was written that smoltcp has not looked at.
    dirty: bool,
}

impl Outside {
    /// The outside behind this card. `pool` keeps bytes that wait, `seed` makes sequence numbers.
    pub fn new(port: Box<dyn Port>, pool: &FramePool, seed: u64, now: Instant) -> Rc<Self> {
        let mut card = Card::new(port);
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(card.mac())));
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut card, clock::to_tcp(now));
        interface.update_ip_addrs(|addresses| {
            // Room for two, and this is the first.
            let _ = addresses.push(IpCidr::new(Ipv4Address::from(ADDRESS).into(), PREFIX_LEN));
        });
        // Room for two here, too.
        let _ = interface.routes_mut().add_default_ipv4_route(Ipv4Address::from(GATEWAY));
        let inner = Inner {
            card,
            interface,
            sockets: SocketSet::new(Vec::new()),
            links: SortedMap::new(),
            listeners: SortedMap::new(),
            bound: SortedMap::new(),
            now,
            due: None,
            dirty: true,
        };
        let flight = Rc::default();
        Rc::new(Self {
            inner: RefCell::new(inner),
            ready: Ready::default(),
            pool: pool.clone(),
            flight,
            rested: Cell::new(now),
        })
    }

    fn wire(&self) -> Rc<Endpoint> {
        Endpoint::new(&self.pool, Manners::Tcp, &self.flight)
    }

    /// Moves frames and bytes; whether there was something to do.
    pub fn poll(&self, now: Instant) -> bool {
        if now < self.rested.get() {
            return false;
        }
        let inner = &mut *self.inner.borrow_mut();
        inner.now = now;
        let mut opened = Vec::new();
        let arrived = inner.card.fetch(&mut |frame| opened.extend(opened_port(frame)));
        for port in opened {
            self.open(inner, port);
        }
        let due = inner.poll_at().is_some_and(|at| at <= now);
        let ready = core::mem::take(&mut *self.ready.borrow_mut());
        if !arrived && !due && ready.is_empty() {
            return false;
        }
        inner.dirty = false;
        for handle in ready {
            inner.pump(handle);
        }
        let time = clock::to_tcp(now);
        let changed = inner.interface.poll(time, &mut inner.card, &mut inner.sockets);
        if changed == PollResult::SocketStateChanged || arrived || due {
            inner.pump_all();
            inner.interface.poll(time, &mut inner.card, &mut inner.sockets);
        }
        inner.due = inner.interface.poll_at(time, &inner.sockets).map(clock::from_tcp);
        true
    }

    /// Lets what comes and what is written gather for a while after a poll: some times as long as
    /// it took.
    pub fn rest(&self, began: Instant, ended: Instant) {
        self.rested.set(ended + (ended.since(began) * OTHER_WORK).min(REST_MAX));
    }

    /// When to poll next if no frame comes and no program writes first.
    pub fn poll_at(&self) -> Option<Instant> {
        let inner = self.inner.borrow();
        let at = if self.ready.borrow().is_empty() { inner.poll_at()? } else { inner.now };
        Some(at.max(self.rested.get()))
    }

    /// A socket for a connection that somebody outside is about to make, if a program listens: one
    /// for each, so that the backlog is the program's and not smoltcp's.
    fn open(&self, inner: &mut Inner, port: u16) {
        let Some(accept) = inner.listeners.get(&port).cloned() else { return };
        if inner.links.len() >= MAX_LINKS {
            return;
        }
        let Some(mut socket) = tcp_socket() else { return };
        if socket.listen(port).is_err() {
            return;
        }
        let handle = inner.sockets.add(socket);
        let link = Link::new(Phase::Opening { accept }, self.wire(), handle, &self.ready);
        inner.links.insert(handle, link);
    }
}

impl Inner {
    fn poll_at(&self) -> Option<Instant> {
        if self.dirty {
            return Some(self.now);
        }
        if self.card.is_full() {
            return Some(self.now + FULL_RETRY);
        }
        self.due
    }

    fn pump(&mut self, handle: SocketHandle) {
        let Some(link) = self.links.get_mut(&handle) else { return };
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        if link.pump(socket, self.now) == Fate::Over {
            self.links.remove(&handle);
            // The reset of an aborted connection has to leave first.
            let time = clock::to_tcp(self.now);
            self.interface.poll_egress(time, &mut self.card, &mut self.sockets);
            self.sockets.remove(handle);
        }
    }

    fn pump_all(&mut self) {
        let handles: SortedSet<_> = self.links.keys().copied().collect();
        for handle in handles {
            self.pump(handle);
        }
        for (port, (handle, deliver)) in self.bound.iter() {
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(*handle);
            while let Ok((data, from)) = socket.recv() {
                let to = InetAddress { ip: ADDRESS, port: *port };
                deliver(inet(from.endpoint), to, data);
            }
        }
    }
}

impl Uplink for Outside {
    fn address(&self) -> [u8; 4] {
        ADDRESS
    }

    fn connect(
        &self,
        endpoint: &Rc<Endpoint>,
        local: InetAddress,
        peer: InetAddress,
    ) -> Result<(), Errno> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.links.len() >= MAX_LINKS {
            return Err(Errno::ENOBUFS);
        }
        let mut socket = tcp_socket().ok_or(Errno::ENOBUFS)?;
        socket.set_timeout(Some(clock::duration(Duration::from_secs(CONNECT_SECONDS))));
        let remote = IpEndpoint::new(Ipv4Address::from(peer.ip).into(), peer.port);
        let context = inner.interface.context();
        socket.connect(context, remote, local.port).map_err(|_| Errno::EINVAL)?;
        let handle = inner.sockets.add(socket);
        let phase = Phase::Dialing { user: Rc::downgrade(endpoint), since: inner.now };
        inner.links.insert(handle, Link::new(phase, self.wire(), handle, &self.ready));
        inner.dirty = true;
        Ok(())
    }

    fn is_connected(&self, endpoint: &Endpoint) -> bool {
        endpoint.peer().is_some()
    }

    fn listen(&self, port: u16, accept: Accept) {
        self.inner.borrow_mut().listeners.insert(port, accept);
    }

    fn stop_listening(&self, port: u16) {
        self.inner.borrow_mut().listeners.remove(&port);
    }

    fn send(&self, local: InetAddress, peer: InetAddress, data: &[u8]) -> Result<(), Errno> {
        let inner = &mut *self.inner.borrow_mut();
        if data.len() > inner.card.mtu() - UDP_HEADERS {
            return Err(Errno::EMSGSIZE);
        }
        let (handle, _) = inner.bound.get(&local.port).ok_or(Errno::ENETUNREACH)?;
        let socket = inner.sockets.get_mut::<udp::Socket<'_>>(*handle);
        let remote = IpEndpoint::new(Ipv4Address::from(peer.ip).into(), peer.port);
        // A full buffer is emptied in the next round; what does not fit is lost, as datagrams
        // may be.
        let _ = socket.send_slice(data, remote);
        inner.dirty = true;
        Ok(())
    }

    fn bind(&self, port: u16, deliver: Deliver) {
        let inner = &mut *self.inner.borrow_mut();
        if inner.bound.contains_key(&port) {
            return;
        }
        let buffer = || {
            udp::PacketBuffer::new(
                vec![udp::PacketMetadata::EMPTY; DATAGRAMS],
                vec![0; DATAGRAM_BUFFER],
            )
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        if socket.bind(port).is_ok() {
            let handle = inner.sockets.add(socket);
            inner.bound.insert(port, (handle, deliver));
        }
    }

    fn unbind(&self, port: u16) {
        let inner = &mut *self.inner.borrow_mut();
        if let Some((handle, _)) = inner.bound.remove(&port) {
            inner.sockets.remove(handle);
        }
    }
}

/// A TCP socket with its buffers, or `None` if there is no memory for them.
fn tcp_socket() -> Option<tcp::Socket<'static>> {
    let buffer = || {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(BUFFER).ok()?;
        bytes.resize(BUFFER, 0);
        Some(tcp::SocketBuffer::new(bytes))
    };
    let mut socket = tcp::Socket::new(buffer()?, buffer()?);
    socket.set_nagle_enabled(false);
    Some(socket)
}
