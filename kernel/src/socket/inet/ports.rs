//! Which socket has which port.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::sorted::SortedMap;

use super::Binding;
use crate::socket::InetAddress;

/// The ports that are given to those who ask for none (`net.ipv4.ip_local_port_range`).
const FIRST: u16 = 32768;
const LAST: u16 = 60999;

/// A socket that can have a port.
pub(super) trait Bound {
    /// Its address, and whether it shares it.
    fn binding(&self) -> &Binding;
    /// Whether another may have the same address, if both say that it is shared
    /// (`SO_REUSEADDR`, socket(7)).
    fn shares_address(&self) -> bool;
}

/// The ports of one protocol.
pub(super) struct Ports<T> {
    taken: RefCell<SortedMap<u16, Vec<Weak<T>>>>,
    last_given: Cell<u16>,
}

impl<T> Default for Ports<T> {
    fn default() -> Self {
        Self { taken: RefCell::default(), last_given: Cell::new(LAST) }
    }
}

impl<T: Bound> Ports<T> {
    /// Gives `socket` this address; for port 0 a free port.
    ///
    /// # Errors
    /// `EADDRINUSE`.
    pub(super) fn bind(&self, socket: &Rc<T>, address: InetAddress) -> Result<(), Errno> {
        let port = match address.port {
            0 => self.free_port()?,
            port => port,
        };
        let address = InetAddress { port, ..address };
        if self.at(port).iter().any(|other| conflicts(&**other, &**socket, address)) {
            return Err(Errno::EADDRINUSE);
        }
        socket.binding().local.set(address);
        self.taken.borrow_mut().get_or_default(port).push(Rc::downgrade(socket));
        Ok(())
    }

    fn free_port(&self) -> Result<u16, Errno> {
        for _ in FIRST..=LAST {
            let last = self.last_given.get();
            let port = if last >= LAST { FIRST } else { last + 1 };
            self.last_given.set(port);
            if self.at(port).is_empty() {
                return Ok(port);
            }
        }
        Err(Errno::EADDRINUSE)
    }

    /// The sockets that have this port.
    pub(super) fn at(&self, port: u16) -> Vec<Rc<T>> {
        let taken = self.taken.borrow();
        taken.get(&port).into_iter().flatten().filter_map(Weak::upgrade).collect()
    }

    /// Takes the port of `socket` back.
    pub(super) fn release(&self, socket: &Weak<T>, port: u16) {
        let mut taken = self.taken.borrow_mut();
        if let Some(sockets) = taken.get_mut(&port) {
            sockets.retain(|other| other.strong_count() > 0 && !other.ptr_eq(socket));
            if sockets.is_empty() {
                taken.remove(&port);
            }
        }
    }

    /// Every socket with a port.
    pub(super) fn all(&self) -> Vec<Rc<T>> {
        let taken = self.taken.borrow();
        taken.values().flatten().filter_map(Weak::upgrade).collect()
    }
}

fn conflicts<T: Bound>(other: &T, new: &T, address: InetAddress) -> bool {
    let (its, own) = (other.binding(), new.binding());
    let there = its.local.get();
    if there.ip != address.ip && !there.is_any() && !address.is_any() {
        return false;
    }
    let both_address = its.reuse_address.get() && own.reuse_address.get();
    let both_port = its.reuse_port.get() && own.reuse_port.get();
    !(both_port || both_address && other.shares_address())
}
