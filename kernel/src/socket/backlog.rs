//! Connections that nobody has accepted yet.

use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::socket::Credentials;

use super::Endpoint;

/// The backlog of a socket that listens.
pub struct Backlog<T> {
    limit: Cell<usize>,
    owner: Cell<Credentials>,
    waiting: RefCell<VecDeque<Rc<T>>>,
    /// Sockets that want to connect and wait for room.
    blocked: RefCell<Vec<Weak<Endpoint>>>,
}

impl<T> Backlog<T> {
    /// An empty one of at most so many connections.
    pub fn new(limit: usize, owner: Credentials) -> Rc<Self> {
        Rc::new(Self {
            limit: Cell::new(limit),
            owner: Cell::new(owner),
            waiting: RefCell::default(),
            blocked: RefCell::default(),
        })
    }

    /// Who listens.
    pub fn owner(&self) -> Credentials {
        self.owner.get()
    }

    /// A second listen(2).
    pub fn set(&self, limit: usize, owner: Credentials) {
        self.limit.set(limit);
        self.owner.set(owner);
        self.tell_room();
    }

    /// Linux takes one more than the limit says.
    pub fn is_full(&self) -> bool {
        self.waiting.borrow().len() > self.limit.get()
    }

    /// Whether no connection waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Adds a connection.
    pub fn push(&self, socket: Rc<T>) {
        self.waiting.borrow_mut().push_back(socket);
    }

    /// Takes the connection that has waited longest.
    pub fn pop(&self) -> Option<Rc<T>> {
        let first = self.waiting.borrow_mut().pop_front()?;
        self.tell_room();
        Some(first)
    }

    /// Wakes `waiter` when there is room.
    pub fn tell_when_room(&self, waiter: &Rc<Endpoint>) {
        let mut blocked = self.blocked.borrow_mut();
        blocked.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&Rc::downgrade(waiter)));
        blocked.push(Rc::downgrade(waiter));
    }

    /// Wakes those that wait for room, or find out that nobody listens any more.
    pub fn tell_room(&self) {
        for blocked in self.blocked.take().iter().filter_map(Weak::upgrade) {
            blocked.changes.wake(PollEvents::WRITABLE);
        }
    }

    /// The connections that wait, without taking them.
    pub fn waiting(&self) -> Vec<Rc<T>> {
        self.waiting.borrow().iter().cloned().collect()
    }
}
