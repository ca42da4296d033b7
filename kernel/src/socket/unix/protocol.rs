//! An `AF_UNIX` socket as a [`Protocol`].

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::socket::{Credentials, SOMAXCONN};

use super::{State, UnixNames, UnixSocket};
use crate::executor::WaitQueue;
use crate::fs::OpenFile;
use crate::socket::{
    Address, Backlog, Incoming, Kind, Options, Origin, Outgoing, Protocol, Receive, Shutdown,
    UnixName,
};

impl Protocol for UnixSocket {
    fn bind(&self, address: &Address) -> Result<(), Errno> {
        let Address::Unix(name) = address else { return Err(Errno::EINVAL) };
        if !matches!(self.name(), UnixName::Unnamed) {
            return Err(Errno::EINVAL);
        }
        let name = match name {
            UnixName::Unnamed => self.world.names.free_name(self.kind)?,
            name => name.clone(),
        };
        let key = UnixNames::key(&name, self.kind).ok_or(Errno::EINVAL)?;
        self.world.names.insert(key, self.me.clone())?;
        self.name.replace(name);
        Ok(())
    }

    fn listen(&self, backlog: usize, owner: Credentials) -> Result<(), Errno> {
        if self.kind == Kind::Datagram {
            return Err(Errno::ENOTSUP);
        }
        let limit = backlog.min(SOMAXCONN);
        match self.state() {
            State::Connected(_) => return Err(Errno::EINVAL),
            _ if matches!(self.name(), UnixName::Unnamed) => return Err(Errno::EINVAL),
            State::Listening(backlog) => backlog.set(limit, owner),
            State::Fresh => {
                self.state.replace(State::Listening(Backlog::new(limit, owner)));
                self.endpoint.changes.wake_all();
            }
        }
        Ok(())
    }

    fn connect(&self, address: &Address, owner: Credentials) -> Result<(), Errno> {
        match self.kind {
            Kind::Datagram => self.connect_datagram(address),
            _ => self.connect_stream(address, owner),
        }
    }

    fn accept(&self) -> Result<Rc<dyn Protocol>, Errno> {
        if self.kind == Kind::Datagram {
            return Err(Errno::ENOTSUP);
        }
        let State::Listening(backlog) = self.state() else { return Err(Errno::EINVAL) };
        match backlog.pop() {
            Some(socket) => Ok(socket),
            None if self.endpoint.receive_shut.get() => Err(Errno::EINVAL),
            None => Err(Errno::EAGAIN),
        }
    }

    fn send(&self, message: &Outgoing<'_>) -> Result<usize, Errno> {
        let origin = Origin {
            source: Address::Unix(self.name()),
            credentials: message.credentials,
            files: message.files.to_vec(),
        };
        if self.kind == Kind::Datagram {
            return self.send_datagram(message, origin);
        }
        let connected = matches!(self.state(), State::Connected(_));
        if self.kind == Kind::Stream && message.target.is_some() {
            return Err(if connected { Errno::EISCONN } else { Errno::ENOTSUP });
        }
        match self.kind {
            _ if !connected && self.endpoint.send_shut.get() => Err(Errno::EPIPE),
            _ if !connected => Err(Errno::ENOTCONN),
            Kind::Stream => self.endpoint.send(message.data, origin),
            _ => self.endpoint.send_record(message.data, origin),
        }
    }

    fn receive(&self, how: &Receive) -> Result<Incoming, Errno> {
        self.receive_any(how)
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        self.endpoint.shut(how);
        if let State::Listening(backlog) = self.state() {
            backlog.tell_room();
        }
        Ok(())
    }

    fn close(&self, _linger: Option<Duration>) {
        if let Some(key) = UnixNames::key(&self.name(), self.kind) {
            self.world.names.remove(&key, &self.me);
        }
        let state = self.state.replace(State::Fresh);
        if let State::Listening(backlog) = &state {
            self.endpoint.close(false);
            while let Some(socket) = backlog.pop() {
                socket.endpoint.close(true);
            }
            backlog.tell_room();
        } else if self.kind == Kind::Datagram {
            // Its peer may send to others, but those who send to it find nobody.
            self.close_datagram();
        } else {
            self.endpoint.close(false);
        }
    }

    fn local(&self) -> Address {
        Address::Unix(self.name())
    }

    fn peer(&self) -> Result<Address, Errno> {
        match self.state() {
            State::Connected(name) => Ok(Address::Unix(name)),
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn peer_credentials(&self) -> Credentials {
        match self.state() {
            State::Listening(backlog) => backlog.owner(),
            _ => self.peer_credentials.get(),
        }
    }

    fn is_listening(&self) -> bool {
        matches!(self.state(), State::Listening(_))
    }

    fn take_error(&self) -> Option<Errno> {
        self.endpoint.take_error()
    }

    fn poll(&self) -> PollEvents {
        match self.state() {
            State::Listening(backlog) => {
                let shut = self.endpoint.receive_shut.get();
                let mut events = PollEvents::empty();
                events.set(PollEvents::READABLE, !backlog.is_empty() || shut);
                events.set(PollEvents::RDHUP | PollEvents::HUP, shut);
                events
            }
            State::Fresh if self.kind != Kind::Datagram => self.endpoint.poll() | PollEvents::HUP,
            _ => self.endpoint.poll() - self.full_peer(),
        }
    }

    fn changes(&self) -> &WaitQueue {
        &self.endpoint.changes
    }

    fn bytes_readable(&self) -> usize {
        let inbox = self.endpoint.inbox.borrow();
        match self.kind {
            Kind::Stream => inbox.length(),
            _ => inbox.next_length().unwrap_or(0),
        }
    }

    fn apply(&self, options: &Options) {
        self.endpoint.send_limit.set(options.send_buffer.get());
    }

    fn files(&self) -> Vec<Rc<OpenFile>> {
        let mut files: Vec<_> = self.endpoint.inbox.borrow().files().cloned().collect();
        if let State::Listening(backlog) = self.state() {
            files.extend(backlog.waiting().iter().flat_map(|socket| socket.files()));
        }
        files
    }

    fn discard(&self) -> Vec<Rc<OpenFile>> {
        let mut files = self.endpoint.inbox.borrow_mut().clear();
        if let State::Listening(backlog) = self.state() {
            files.extend(backlog.waiting().iter().flat_map(|socket| socket.discard()));
        }
        files
    }
}

impl UnixSocket {
    fn close_datagram(&self) {
        let paired = self
            .endpoint
            .peer()
            .filter(|peer| peer.peer().is_some_and(|back| Rc::ptr_eq(&back, &self.endpoint)));
        match paired {
            // Only the other of a pair hears of it.
            Some(peer) => {
                peer.set_peer(None);
                peer.changes.wake_all();
                self.endpoint.set_peer(None);
            }
            None => self.endpoint.set_peer(None),
        }
        self.endpoint.close(false);
    }

    /// A datagram socket whose peer takes no more cannot be written to.
    fn full_peer(&self) -> PollEvents {
        let peer = self.endpoint.peer().filter(|_| self.kind == Kind::Datagram);
        match peer {
            Some(peer) if peer.inbox.borrow().messages() >= super::MAX_DATAGRAMS => {
                peer.tell_when_room(&self.endpoint);
                PollEvents::WRITABLE | PollEvents::WRBAND
            }
            _ => PollEvents::empty(),
        }
    }
}
