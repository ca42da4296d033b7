//! A connection to the outside: bytes between its wire and its TCP socket.

use alloc::rc::{Rc, Weak};
use core::cell::RefCell;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::{IpAddress, IpEndpoint};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::sorted::SortedSet;
use wayfarer_proto::time::Instant;

use crate::executor::Listener;
use crate::socket::inet::Accept;
use crate::socket::{Address, Endpoint, InetAddress, Origin, Receive};

/// How long an attempt to connect is made, in seconds; shorter than Linux's two minutes.
pub(super) const CONNECT_SECONDS: u64 = 60;

/// How a connection stands.
pub(super) enum Phase {
    /// The program has asked for it; this is its end.
    Dialing { user: Weak<Endpoint>, since: Instant },
    /// Somebody outside has asked for it.
    Opening { accept: Accept },
    /// Bytes flow.
    Open,
}

/// A connection.
pub(super) struct Link {
    pub(super) phase: Phase,
    wire: Rc<Endpoint>,
    _note: Rc<dyn Listener>,
}

/// The sockets whose wires have changed.
pub(super) type Ready = Rc<RefCell<SortedSet<SocketHandle>>>;

/// Notes that a wire has changed.
struct Note {
    handle: SocketHandle,
    ready: Ready,
}

impl Listener for Note {
    fn woken(&self, _events: PollEvents) {
        self.ready.borrow_mut().insert(self.handle);
    }
}

/// What is to become of a connection after its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Lives,
    Over,
}

impl Link {
    pub(super) fn new(
        phase: Phase,
        wire: Rc<Endpoint>,
        handle: SocketHandle,
        ready: &Ready,
    ) -> Self {
        let note: Rc<dyn Listener> = Rc::new(Note { handle, ready: Rc::clone(ready) });
        wire.changes.listen(&note);
        Self { phase, wire, _note: note }
    }

    /// Moves what can be moved.
    pub(super) fn pump(&mut self, socket: &mut Socket<'_>, now: Instant) -> Fate {
        match &self.phase {
            Phase::Dialing { user, since } => {
                let waited = now.since(*since).as_secs();
                match (user.upgrade(), socket.state()) {
                    (None, _) => socket.abort(),
                    (Some(_), State::SynSent | State::SynReceived) => return Fate::Lives,
                    (Some(user), State::Closed) => {
                        let late = waited >= CONNECT_SECONDS - 1;
                        let error = if late { Errno::ETIMEDOUT } else { Errno::ECONNREFUSED };
                        user.error.set(Some(error));
                        user.changes.wake_all();
                        return Fate::Over;
                    }
                    (Some(user), _) => {
                        Endpoint::join(&user, &self.wire);
                        user.changes.wake_all();
                        self.phase = Phase::Open;
                    }
                }
            }
            Phase::Opening { accept } => match socket.state() {
                State::Listen | State::SynReceived => return Fate::Lives,
                State::Closed => return Fate::Over,
                _ => {
                    let ends = (socket.remote_endpoint(), socket.local_endpoint());
                    let (Some(peer), Some(local)) = ends else { return Fate::Over };
                    if !accept(inet(peer), inet(local), &self.wire) {
                        socket.abort();
                    }
                    self.phase = Phase::Open;
                }
            },
            Phase::Open => {}
        }
        self.flow(socket)
    }

    fn flow(&self, socket: &mut Socket<'_>) -> Fate {
        let abandoned = self.wire.peer().is_none();
        if abandoned && (self.wire.error.get().is_some() || socket.can_recv()) {
            // Closed with bytes unread, or told to reset; or bytes come for nobody.
            socket.abort();
        }
        self.receive(socket);
        self.send(socket);
        if socket.state() == State::Closed || socket.state() == State::TimeWait {
            let reset = !self.wire.send_shut.get();
            self.wire.close(reset);
            return Fate::Over;
        }
        if !socket.may_recv() && socket.recv_queue() == 0 && !self.wire.send_shut.get() {
            let how = crate::socket::Shutdown { receive: false, send: true };
            self.wire.shut(how);
        }
        Fate::Lives
    }

    /// From the network to the program, as far as it has room.
    fn receive(&self, socket: &mut Socket<'_>) {
        let source =
            socket.remote_endpoint().map_or(Address::Unspecified, |peer| Address::Inet(inet(peer)));
        while socket.can_recv() {
            let taken = socket.recv(|bytes| {
                let sent = self.wire.send(bytes, Origin::from_address(source.clone()));
                let count = sent.unwrap_or(0);
                (count, count)
            });
            if !matches!(taken, Ok(1..)) {
                break;
            }
        }
    }

    /// From the program to the network, and the end of what it sends.
    fn send(&self, socket: &mut Socket<'_>) {
        while socket.can_send() {
            let room = socket.send_capacity() - socket.send_queue();
            let how = Receive { max: room, peek: false };
            if room == 0 || self.wire.inbox.borrow().length() == 0 {
                break;
            }
            let Ok(incoming) = self.wire.receive(&how, true) else { break };
            if socket.send_slice(&incoming.data).is_err() {
                break;
            }
        }
        let drained = self.wire.inbox.borrow().length() == 0;
        if drained && self.wire.receive_shut.get() && socket.may_send() {
            socket.close();
        }
    }
}

/// An address of smoltcp as sockets have it.
pub(super) fn inet(endpoint: IpEndpoint) -> InetAddress {
    let IpAddress::Ipv4(ip) = endpoint.addr;
    InetAddress { ip: ip.octets(), port: endpoint.port }
}
