//! `AF_UNIX` sockets (unix(7)).

mod names;
mod protocol;

use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::socket::Credentials;

use super::Backlog;
use super::{Address, Endpoint, Flight, Incoming, Kind, Manners, Origin, Outgoing, UnixName};
pub use names::UnixNames;

/// How many messages may wait at a datagram socket (`net.unix.max_dgram_qlen`, and one more as
/// Linux counts).
const MAX_DATAGRAMS: usize = 11;

/// What all `AF_UNIX` sockets of a node share.
#[derive(Clone)]
pub struct UnixWorld {
    /// Where messages are kept.
    pub pool: FramePool,
    /// Who is called what.
    pub names: Rc<UnixNames>,
    /// Files on their way.
    pub flight: Rc<Flight>,
}

/// An `AF_UNIX` socket of any type.
pub struct UnixSocket {
    me: Weak<Self>,
    kind: Kind,
    world: UnixWorld,
    endpoint: Rc<Endpoint>,
    name: RefCell<UnixName>,
    state: RefCell<State>,
    peer_credentials: Cell<Credentials>,
}

#[derive(Clone)]
enum State {
    Fresh,
    Listening(Rc<Backlog<UnixSocket>>),
    /// Connected to the socket with this name.
    Connected(UnixName),
}

impl UnixSocket {
    /// A socket without name and peer.
    pub fn new(world: &UnixWorld, kind: Kind) -> Rc<Self> {
        let endpoint = Endpoint::new(&world.pool, Manners::Unix, &world.flight);
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            kind,
            world: world.clone(),
            endpoint,
            name: RefCell::new(UnixName::Unnamed),
            state: RefCell::new(State::Fresh),
            peer_credentials: Cell::new(Credentials::NONE),
        })
    }

    /// Two sockets connected to each other (socketpair(2)).
    pub fn pair(world: &UnixWorld, kind: Kind, owner: Credentials) -> (Rc<Self>, Rc<Self>) {
        let (one, other) = (Self::new(world, kind), Self::new(world, kind));
        Endpoint::join(&one.endpoint, &other.endpoint);
        for socket in [&one, &other] {
            socket.state.replace(State::Connected(UnixName::Unnamed));
            socket.peer_credentials.set(owner);
        }
        (one, other)
    }

    fn state(&self) -> State {
        self.state.borrow().clone()
    }

    fn name(&self) -> UnixName {
        self.name.borrow().clone()
    }

    /// The socket that an address names.
    fn find(&self, address: &Address) -> Result<Rc<Self>, Errno> {
        let Address::Unix(name) = address else { return Err(Errno::EINVAL) };
        let key = UnixNames::key(name, self.kind).ok_or(match name {
            UnixName::Unnamed => Errno::EINVAL,
            _ => Errno::ECONNREFUSED,
        })?;
        let found = self.world.names.find(&key).ok_or(Errno::ECONNREFUSED)?;
        if found.kind == self.kind { Ok(found) } else { Err(Errno::EPROTOTYPE) }
    }

    /// Connects a datagram socket: it sends to `address` and receives from it alone.
    fn connect_datagram(&self, address: &Address) -> Result<(), Errno> {
        if matches!(address, Address::Unspecified) {
            self.endpoint.set_peer(None);
            self.state.replace(State::Fresh);
            return Ok(());
        }
        let target = self.find(address)?;
        if !target.accepts(&self.endpoint) {
            return Err(Errno::EPERM);
        }
        self.endpoint.set_peer(Some(&target.endpoint));
        self.state.replace(State::Connected(target.name()));
        Ok(())
    }

    /// Whether a datagram socket takes what this one sends.
    fn accepts(&self, sender: &Rc<Endpoint>) -> bool {
        match self.state() {
            State::Connected(_) => {
                self.endpoint.peer().is_some_and(|peer| Rc::ptr_eq(&peer, sender))
            }
            _ => true,
        }
    }

    /// Connects to a socket that listens.
    fn connect_stream(&self, address: &Address, owner: Credentials) -> Result<(), Errno> {
        match self.state() {
            State::Connected(_) => return Err(Errno::EISCONN),
            State::Listening(_) => return Err(Errno::EINVAL),
            State::Fresh => {}
        }
        let listener = self.find(address)?;
        let State::Listening(backlog) = listener.state() else {
            return Err(Errno::ECONNREFUSED);
        };
        if listener.endpoint.receive_shut.get() {
            return Err(Errno::ECONNREFUSED);
        }
        if backlog.is_full() {
            backlog.tell_when_room(&self.endpoint);
            return Err(Errno::EAGAIN);
        }
        let accepted = Self::new(&self.world, self.kind);
        accepted.name.replace(listener.name());
        accepted.state.replace(State::Connected(self.name()));
        accepted.peer_credentials.set(owner);
        Endpoint::join(&self.endpoint, &accepted.endpoint);
        self.state.replace(State::Connected(listener.name()));
        self.peer_credentials.set(backlog.owner());
        backlog.push(accepted);
        listener.endpoint.changes.wake_all();
        self.endpoint.changes.wake_all();
        Ok(())
    }

    fn send_datagram(&self, message: &Outgoing<'_>, origin: Origin) -> Result<usize, Errno> {
        if self.endpoint.send_shut.get() {
            return Err(Errno::EPIPE);
        }
        if let Some(error) = self.endpoint.take_error() {
            return Err(error);
        }
        let target = match message.target {
            Some(address) => {
                let target = self.find(address)?;
                if !target.accepts(&self.endpoint) {
                    return Err(Errno::EPERM);
                }
                target.endpoint.clone()
            }
            None => self.datagram_peer()?,
        };
        if target.receive_shut.get() {
            return Err(Errno::EPIPE);
        }
        if message.data.len() > self.endpoint.send_limit.get() - 32 {
            return Err(Errno::EMSGSIZE);
        }
        if target.inbox.borrow().messages() >= MAX_DATAGRAMS && !Rc::ptr_eq(&target, &self.endpoint)
        {
            target.tell_when_room(&self.endpoint);
            return Err(Errno::EAGAIN);
        }
        target.deliver(message.data, origin)
    }

    /// Whom a connected datagram socket sends to. One that is gone is forgotten.
    fn datagram_peer(&self) -> Result<Rc<Endpoint>, Errno> {
        match (self.state(), self.endpoint.peer()) {
            (State::Connected(_), Some(peer)) => Ok(peer),
            (State::Connected(_), None) => {
                self.state.replace(State::Fresh);
                Err(Errno::ECONNREFUSED)
            }
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Receives from a connection, or any message.
    fn receive_any(&self, how: &super::Receive) -> Result<Incoming, Errno> {
        match (self.kind, self.state()) {
            (Kind::Datagram, _) => self.endpoint.receive(how, false),
            (_, State::Connected(_)) => self.endpoint.receive(how, self.kind == Kind::Stream),
            (Kind::Stream, _) => Err(Errno::EINVAL),
            _ => Err(Errno::ENOTCONN),
        }
    }
}
