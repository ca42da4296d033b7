//! Connections that nobody has accepted yet.

use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::socket::Credentials;

use super::UnixSocket;
use crate::socket::Endpoint;

/// The backlog of a socket that listens.
pub(super) struct Backlog {
    limit: Cell<usize>,
    owner: Cell<Credentials>,
    waiting: RefCell<VecDeque<Rc<UnixSocket>>>,
    /// Sockets that want to connect and wait for room.
    blocked: RefCell<Vec<Weak<Endpoint>>>,
}

impl Backlog {
    pub(super) fn new(limit: usize, owner: Credentials) -> Rc<Self> {
        Rc::new(Self {
            limit: Cell::new(limit),
            owner: Cell::new(owner),
            waiting: RefCell::default(),
            blocked: RefCell::default(),
        })
    }

    /// Who listens.
    pub(super) fn owner(&self) -> Credentials {
        self.owner.get()
    }

    /// A second listen(2).
    pub(super) fn set(&self, limit: usize, owner: Credentials) {
        self.limit.set(limit);
        self.owner.set(owner);
        self.tell_room();
    }

    /// Linux takes one more than the limit says.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.borrow().len() > self.limit.get()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    pub(super) fn push(&self, socket: Rc<UnixSocket>) {
        self.waiting.borrow_mut().push_back(socket);
    }

    pub(super) fn pop(&self) -> Option<Rc<UnixSocket>> {
        let first = self.waiting.borrow_mut().pop_front()?;
        self.tell_room();
        Some(first)
    }

    pub(super) fn tell_when_room(&self, waiter: &Rc<Endpoint>) {
        let mut blocked = self.blocked.borrow_mut();
        blocked.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&Rc::downgrade(waiter)));
        blocked.push(Rc::downgrade(waiter));
    }

    /// Wakes those that wait for room, or find out that nobody listens any more.
    pub(super) fn tell_room(&self) {
        for blocked in self.blocked.take().iter().filter_map(Weak::upgrade) {
            blocked.changes.wake(PollEvents::WRITABLE);
        }
    }

    /// The connections that wait, without taking them.
    pub(super) fn waiting(&self) -> Vec<Rc<UnixSocket>> {
        self.waiting.borrow().iter().cloned().collect()
    }
}
