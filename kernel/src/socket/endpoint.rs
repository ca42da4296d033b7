//! One end of a way between two sockets of a node: what both families and all types share.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;

use super::inbox::{Inbox, Incoming, Origin};
use super::{Flight, Receive, Shutdown};
use crate::executor::WaitQueue;

/// How the end of a connection shows, which differs between the families.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manners {
    /// `AF_UNIX`: a peer that closes ends both directions.
    Unix,
    /// TCP: a peer that closes ends its own direction; what is sent to it then is reset.
    Tcp,
}

/// An inbox with the state of the connection it belongs to.
pub struct Endpoint {
    /// What was received.
    pub inbox: RefCell<Inbox>,
    /// Wakes the socket's waiters.
    pub changes: WaitQueue,
    /// No more will be received than what is in the inbox.
    pub receive_shut: Cell<bool>,
    /// Nothing more can be sent.
    pub send_shut: Cell<bool>,
    /// What the next operation fails with, once (`SO_ERROR`).
    pub error: Cell<Option<Errno>>,
    /// How many bytes may wait at the peer (`SO_SNDBUF`).
    pub send_limit: Cell<usize>,
    manners: Manners,
    peer: RefCell<Weak<Self>>,
    /// Sockets that wait for room in this inbox.
    blocked: RefCell<Vec<Weak<Self>>>,
    /// Files of inboxes that are thrown away.
    flight: Rc<Flight>,
}

/// Bytes that wait at most, unless a program says otherwise (`net.core.wmem_default`).
pub(super) const DEFAULT_BUFFER: usize = 212_992;

impl Endpoint {
    /// One without a peer.
    pub fn new(pool: &FramePool, manners: Manners, flight: &Rc<Flight>) -> Rc<Self> {
        Rc::new(Self {
            inbox: RefCell::new(Inbox::new(pool.clone())),
            changes: WaitQueue::new(),
            receive_shut: Cell::new(false),
            send_shut: Cell::new(false),
            error: Cell::new(None),
            send_limit: Cell::new(DEFAULT_BUFFER),
            manners,
            peer: RefCell::default(),
            blocked: RefCell::default(),
            flight: Rc::clone(flight),
        })
    }

    /// Makes two endpoints each other's peers.
    pub fn join(one: &Rc<Self>, other: &Rc<Self>) {
        one.peer.replace(Rc::downgrade(other));
        other.peer.replace(Rc::downgrade(one));
    }

    /// The other end, if there is one still.
    pub fn peer(&self) -> Option<Rc<Self>> {
        self.peer.borrow().upgrade()
    }

    /// Sends to `peer` from now on, which need not know of it; `None` for nobody.
    pub fn set_peer(&self, peer: Option<&Rc<Self>>) {
        self.peer.replace(peer.map_or_else(Weak::new, Rc::downgrade));
    }

    /// Takes the error that is pending.
    pub fn take_error(&self) -> Option<Errno> {
        self.error.take()
    }

    /// Sends bytes over a connection: how many.
    ///
    /// # Errors
    /// `EAGAIN` while the peer's inbox is full, `EPIPE`, `ECONNRESET`, `ENOBUFS`.
    pub fn send(&self, data: &[u8], origin: Origin) -> Result<usize, Errno> {
        let Some(peer) = self.open_peer()? else { return Ok(self.meet_reset(data.len())) };
        let waiting = peer.inbox.borrow().length();
        let room = self.send_limit.get().saturating_sub(waiting);
        if room == 0 && !data.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let data = &data[..data.len().min(room)];
        if data.is_empty() {
            return Ok(0);
        }
        let files = origin.files.clone();
        peer.inbox.borrow_mut().extend(data, origin)?;
        self.flight.depart(&files);
        peer.changes.wake(PollEvents::READABLE);
        Ok(data.len())
    }

    /// Sends one message over a connection.
    ///
    /// # Errors
    /// As [`send`](Self::send); `EMSGSIZE`.
    pub fn send_record(&self, data: &[u8], origin: Origin) -> Result<usize, Errno> {
        let peer = self.open_peer()?.ok_or(Errno::EPIPE)?;
        if data.len() > self.send_limit.get() - 32 {
            return Err(Errno::EMSGSIZE);
        }
        let waiting = peer.inbox.borrow().length();
        if waiting > 0 && waiting + data.len() > self.send_limit.get() {
            return Err(Errno::EAGAIN);
        }
        peer.deliver(data, origin)
    }

    /// Puts a message into this inbox; how many bytes.
    ///
    /// # Errors
    /// `ENOBUFS`.
    pub fn deliver(&self, data: &[u8], origin: Origin) -> Result<usize, Errno> {
        let files = origin.files.clone();
        self.inbox.borrow_mut().push(data, origin)?;
        self.flight.depart(&files);
        self.changes.wake(PollEvents::READABLE);
        Ok(data.len())
    }

    /// The peer to send to; `None` if it is gone and the sender does not know yet.
    fn open_peer(&self) -> Result<Option<Rc<Self>>, Errno> {
        let is_tcp = self.manners == Manners::Tcp;
        if let Some(error) = is_tcp.then(|| self.take_error()).flatten() {
            return Err(error);
        }
        match self.peer() {
            _ if self.send_shut.get() => Err(Errno::EPIPE),
            None if !is_tcp => Err(Errno::EPIPE),
            peer => Ok(peer),
        }
    }

    /// What is sent to a peer that is gone comes back as a RST: this is the last send that seems to
    /// succeed.
    fn meet_reset(&self, length: usize) -> usize {
        self.send_shut.set(true);
        self.receive_shut.set(true);
        self.error.set(Some(Errno::EPIPE));
        self.changes.wake_all();
        length
    }

    /// Receives.
    ///
    /// # Errors
    /// `EAGAIN`; the pending error.
    pub fn receive(&self, how: &Receive, stream: bool) -> Result<Incoming, Errno> {
        let taken = match stream {
            true => self.inbox.borrow_mut().take_stream(how.max, how.peek),
            false => self.inbox.borrow_mut().take(how.max, how.peek),
        };
        if let Some(incoming) = taken {
            if !how.peek {
                self.flight.arrive(incoming.origin.as_ref().map_or(&[][..], |o| &o.files));
                self.tell_room();
            }
            return Ok(incoming);
        }
        // A connection that was ended in order is at its end, whatever came of a later send.
        let ended = self.error.get() == Some(Errno::EPIPE);
        if let Some(error) = (!ended).then(|| self.take_error()).flatten() {
            return Err(error);
        }
        if self.receive_shut.get() { Ok(Incoming::END) } else { Err(Errno::EAGAIN) }
    }

    /// Wakes those that wait for room in this inbox.
    fn tell_room(&self) {
        if let Some(peer) = self.peer() {
            peer.changes.wake(PollEvents::WRITABLE);
        }
        for blocked in self.blocked.take().iter().filter_map(Weak::upgrade) {
            blocked.changes.wake(PollEvents::WRITABLE);
        }
    }

    /// Wakes `waiter` when there is room here.
    pub fn tell_when_room(&self, waiter: &Rc<Self>) {
        let mut blocked = self.blocked.borrow_mut();
        blocked.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&Rc::downgrade(waiter)));
        blocked.push(Rc::downgrade(waiter));
    }

    /// shutdown(2).
    pub fn shut(&self, how: Shutdown) {
        let peer = self.peer();
        if how.receive {
            self.receive_shut.set(true);
            if let Some(peer) = peer.as_ref().filter(|_| self.manners == Manners::Unix) {
                peer.send_shut.set(true);
            }
        }
        if how.send {
            self.send_shut.set(true);
            if let Some(peer) = &peer {
                peer.receive_shut.set(true);
            }
        }
        self.changes.wake_all();
        if let Some(peer) = peer {
            peer.changes.wake_all();
        }
    }

    /// Ends the connection: nobody will receive here any more. Bytes that nobody has read, or
    /// `reset`, are an error at the peer.
    pub fn close(&self, reset: bool) {
        let unread = self.inbox.borrow().messages() > 0;
        let files = self.inbox.borrow_mut().clear();
        self.flight.discard(files);
        self.receive_shut.set(true);
        self.send_shut.set(true);
        if let Some(peer) = self.peer() {
            peer.receive_shut.set(true);
            peer.set_peer(None);
            if self.manners == Manners::Unix || unread || reset {
                peer.send_shut.set(true);
            }
            if unread || reset {
                peer.error.set(Some(Errno::ECONNRESET));
            }
            peer.changes.wake_all();
        }
        self.set_peer(None);
        self.tell_room();
        self.changes.wake_all();
    }

    /// What a connected socket is ready for.
    pub fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        let (receive_shut, send_shut) = (self.receive_shut.get(), self.send_shut.get());
        let has_input = self.inbox.borrow().messages() > 0;
        events.set(PollEvents::READABLE, has_input || receive_shut);
        events.set(PollEvents::RDHUP, receive_shut);
        events.set(PollEvents::HUP, receive_shut && send_shut);
        events.set(PollEvents::ERR, self.error.get().is_some());
        events.set(PollEvents::WRITABLE, send_shut || self.has_room());
        if self.manners == Manners::Unix {
            events.set(PollEvents::WRBAND, events.contains(PollEvents::OUT));
        }
        events
    }

    /// Whether a quarter of the buffer is free at least, as Linux demands before it says so.
    fn has_room(&self) -> bool {
        let Some(peer) = self.peer() else { return true };
        let waiting = peer.inbox.borrow().length();
        waiting * 4 <= self.send_limit.get()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let files = self.inbox.borrow_mut().clear();
        self.flight.discard(files);
    }
}
