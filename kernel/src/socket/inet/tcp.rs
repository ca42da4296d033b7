//! TCP sockets (tcp(7)).

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::socket::{Credentials, SOMAXCONN};

use super::ports::Bound;
use super::{Accept, Binding, InetWorld};
use crate::executor::WaitQueue;
use crate::socket::{
    Address, Backlog, Endpoint, Incoming, InetAddress, Manners, Options, Origin, Outgoing,
    Protocol, Receive, Shutdown,
};

/// A TCP socket.
pub struct TcpSocket {
    me: Weak<Self>,
    world: Rc<InetWorld>,
    endpoint: Rc<Endpoint>,
    binding: Binding,
    state: RefCell<State>,
    /// Whether a connect(2) has begun and none has been told that it is done.
    untold: Cell<bool>,
}

#[derive(Clone)]
enum State {
    Fresh,
    Listening(Rc<Backlog<TcpSocket>>),
    /// To this peer; until it is done nothing can be sent.
    Connecting(InetAddress),
    Connected(InetAddress),
    /// It could not be connected.
    Failed,
}

impl TcpSocket {
    /// A socket without address and peer.
    pub fn new(world: &Rc<InetWorld>) -> Rc<Self> {
        let endpoint = Endpoint::new(&world.pool, Manners::Tcp, &world.flight);
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            world: Rc::clone(world),
            endpoint,
            binding: Binding::default(),
            state: RefCell::new(State::Fresh),
            untold: Cell::new(false),
        })
    }

    fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Gives the socket a port if it has none.
    fn ensure_port(&self) -> Result<(), Errno> {
        match (self.binding.local.get(), self.me.upgrade()) {
            (local, Some(me)) if local.port == 0 => self.world.tcp.bind(&me, local),
            _ => Ok(()),
        }
    }

    fn begin_connect(&self, address: &Address) -> Result<(), Errno> {
        let Address::Inet(peer) = *address else { return Err(Errno::EAFNOSUPPORT) };
        let peer = self.binding.face(&self.world, peer, || self.ensure_port())?;
        self.state.replace(State::Connecting(peer));
        self.untold.set(true);
        if self.world.is_local(peer) {
            self.go_on(peer);
        } else if let Some(uplink) = self.world.uplink() {
            uplink.connect(&self.endpoint, self.binding.local.get(), peer)?;
        }
        Err(Errno::EINPROGRESS)
    }

    /// Goes on with a connection that is being made.
    fn go_on(&self, peer: InetAddress) {
        let done = if self.world.is_local(peer) {
            self.reach_listener(peer)
        } else {
            let uplink = self.world.uplink();
            uplink.is_some_and(|uplink| uplink.is_connected(&self.endpoint))
        };
        if done {
            self.state.replace(State::Connected(peer));
        } else if self.endpoint.error.get().is_some() {
            self.endpoint.receive_shut.set(true);
            self.endpoint.send_shut.set(true);
            self.state.replace(State::Failed);
        }
    }

    /// Connects to a socket of this node; false while its backlog is full, or if nobody listens.
    fn reach_listener(&self, peer: InetAddress) -> bool {
        let listeners = self.world.tcp.at(peer.port);
        let fits = |socket: &&Rc<Self>| {
            let local = socket.binding.local.get();
            socket.is_listening() && (local.is_any() || local.ip == peer.ip)
        };
        let Some((listener, State::Listening(backlog))) =
            listeners.iter().find(fits).map(|listener| (listener, listener.state()))
        else {
            self.endpoint.error.set(Some(Errno::ECONNREFUSED));
            return false;
        };
        if backlog.is_full() {
            backlog.tell_when_room(&self.endpoint);
            return false;
        }
        let accepted = Self::new(&self.world);
        Endpoint::join(&self.endpoint, &accepted.endpoint);
        accepted.binding.local.set(peer);
        accepted.state.replace(State::Connected(self.binding.local.get()));
        backlog.push(accepted);
        listener.endpoint.changes.wake(PollEvents::READABLE);
        true
    }

    /// Takes connections from the outside, too.
    fn listen_outside(&self) {
        let local = self.binding.local.get();
        let Some(uplink) = self.world.uplink().filter(|_| !local.is_loopback()) else { return };
        let me = self.me.clone();
        let accept: Accept = Rc::new(move |peer, local, wire| {
            me.upgrade().is_some_and(|me| me.take_in(peer, local, wire))
        });
        uplink.listen(local.port, accept);
    }

    fn take_in(&self, peer: InetAddress, local: InetAddress, wire: &Rc<Endpoint>) -> bool {
        let State::Listening(backlog) = self.state() else { return false };
        if backlog.is_full() {
            return false;
        }
        let accepted = Self::new(&self.world);
        Endpoint::join(&accepted.endpoint, wire);
        accepted.binding.local.set(local);
        accepted.state.replace(State::Connected(peer));
        backlog.push(accepted);
        self.endpoint.changes.wake(PollEvents::READABLE);
        true
    }

    /// Looks again at a connection that is being made.
    fn refresh(&self) -> State {
        if let State::Connecting(peer) = self.state() {
            self.go_on(peer);
        }
        self.state()
    }

    fn stop_listening(&self, backlog: &Backlog<Self>) {
        self.state.replace(State::Fresh);
        if let Some(uplink) = self.world.uplink() {
            uplink.stop_listening(self.binding.local.get().port);
        }
        while let Some(socket) = backlog.pop() {
            socket.endpoint.close(true);
        }
        backlog.tell_room();
        self.endpoint.changes.wake_all();
    }
}

impl Bound for TcpSocket {
    fn binding(&self) -> &Binding {
        &self.binding
    }

    fn shares_address(&self) -> bool {
        !self.is_listening()
    }
}

impl Protocol for TcpSocket {
    fn bind(&self, address: &Address) -> Result<(), Errno> {
        let Address::Inet(address) = *address else { return Err(Errno::EAFNOSUPPORT) };
        let me = self.me.upgrade().ok_or(Errno::EINVAL)?;
        if self.binding.local.get().port != 0 || !matches!(self.state(), State::Fresh) {
            return Err(Errno::EINVAL);
        }
        self.world.check_local(address)?;
        self.world.tcp.bind(&me, address)
    }

    fn listen(&self, backlog: usize, owner: Credentials) -> Result<(), Errno> {
        let limit = backlog.min(SOMAXCONN);
        match self.state() {
            State::Listening(backlog) => backlog.set(limit, owner),
            State::Fresh => {
                self.ensure_port()?;
                self.check_listeners()?;
                self.state.replace(State::Listening(Backlog::new(limit, owner)));
                self.listen_outside();
                self.endpoint.changes.wake_all();
            }
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn connect(&self, address: &Address, _owner: Credentials) -> Result<(), Errno> {
        if matches!(address, Address::Unspecified) {
            self.endpoint.close(true);
            return Ok(());
        }
        match self.state() {
            State::Fresh => return self.begin_connect(address),
            State::Connected(_) if !self.untold.get() => return Err(Errno::EISCONN),
            State::Listening(_) => return Err(Errno::EISCONN),
            _ => {}
        }
        match self.refresh() {
            State::Connected(_) => {
                self.untold.set(false);
                Ok(())
            }
            State::Connecting(_) => Err(Errno::EALREADY),
            _ => Err(self.retire()),
        }
    }

    fn accept(&self) -> Result<Rc<dyn Protocol>, Errno> {
        let State::Listening(backlog) = self.state() else { return Err(Errno::EINVAL) };
        match backlog.pop() {
            Some(socket) => Ok(socket),
            None => Err(Errno::EAGAIN),
        }
    }

    fn send(&self, message: &Outgoing<'_>) -> Result<usize, Errno> {
        match self.refresh() {
            State::Connected(peer) => {
                let source = Address::Inet(peer);
                let origin =
                    Origin { credentials: Credentials::NONE, ..Origin::from_address(source) };
                self.endpoint.send(message.data, origin)
            }
            State::Connecting(_) => Err(Errno::EAGAIN),
            _ => Err(self.endpoint.take_error().unwrap_or(Errno::EPIPE)),
        }
    }

    fn receive(&self, how: &Receive) -> Result<Incoming, Errno> {
        match self.refresh() {
            State::Connected(_) => self.endpoint.receive(how, true),
            State::Connecting(_) => Err(Errno::EAGAIN),
            State::Failed => self.endpoint.take_error().map_or(Ok(Incoming::END), Err),
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        match self.refresh() {
            State::Connected(_) => self.endpoint.shut(how),
            State::Listening(backlog) if how.receive => self.stop_listening(&backlog),
            State::Listening(_) => {}
            _ => return Err(Errno::ENOTCONN),
        }
        Ok(())
    }

    fn close(&self, linger: Option<Duration>) {
        if let State::Listening(backlog) = self.state() {
            self.stop_listening(&backlog);
        }
        self.world.tcp.release(&self.me, self.binding.local.get().port);
        self.endpoint.close(linger == Some(Duration::ZERO));
    }

    fn local(&self) -> Address {
        Address::Inet(self.binding.local.get())
    }

    fn peer(&self) -> Result<Address, Errno> {
        match self.refresh() {
            State::Connected(peer) if !self.is_over() => Ok(Address::Inet(peer)),
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn is_listening(&self) -> bool {
        matches!(self.state(), State::Listening(_))
    }

    fn unaccepted(&self) -> Vec<Rc<dyn Protocol>> {
        let State::Listening(backlog) = self.state() else { return Vec::new() };
        backlog.waiting().into_iter().map(|socket| socket as Rc<dyn Protocol>).collect()
    }

    fn take_error(&self) -> Option<Errno> {
        self.refresh();
        self.endpoint.take_error()
    }

    fn poll(&self) -> PollEvents {
        match self.refresh() {
            State::Fresh => PollEvents::WRITABLE | PollEvents::HUP,
            State::Connecting(_) => PollEvents::empty(),
            State::Listening(backlog) if backlog.is_empty() => PollEvents::empty(),
            State::Listening(_) => PollEvents::READABLE,
            State::Connected(_) | State::Failed => self.endpoint.poll(),
        }
    }

    fn changes(&self) -> &WaitQueue {
        &self.endpoint.changes
    }

    fn bytes_readable(&self) -> usize {
        self.endpoint.inbox.borrow().length()
    }

    fn apply(&self, options: &Options) {
        self.binding.reuse_address.set(options.reuse_address.get());
        self.binding.reuse_port.set(options.reuse_port.get());
        self.endpoint.send_limit.set(options.send_buffer.get());
    }
}

impl TcpSocket {
    /// Fails if another socket listens at the same address and does not share it.
    fn check_listeners(&self) -> Result<(), Errno> {
        let local = self.binding.local.get();
        let conflicts = |other: &Rc<Self>| {
            let there = other.binding.local.get();
            let same = there.ip == local.ip || there.is_any() || local.is_any();
            let shared = other.binding.reuse_port.get() && self.binding.reuse_port.get();
            same && other.is_listening() && !shared
        };
        let taken = self.world.tcp.at(local.port).iter().any(conflicts);
        if taken { Err(Errno::EADDRINUSE) } else { Ok(()) }
    }

    /// Forgets a connection that could not be made, so that another can be tried; why it could not.
    fn retire(&self) -> Errno {
        self.state.replace(State::Fresh);
        self.endpoint.receive_shut.set(false);
        self.endpoint.send_shut.set(false);
        self.endpoint.take_error().unwrap_or(Errno::ECONNABORTED)
    }

    /// Whether both directions have ended, and the peer is gone.
    fn is_over(&self) -> bool {
        let endpoint = &self.endpoint;
        endpoint.receive_shut.get() && endpoint.send_shut.get() && endpoint.peer().is_none()
    }
}
