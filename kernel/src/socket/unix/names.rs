//! The names of bound `AF_UNIX` sockets.

use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::sorted::SortedMap;

use super::UnixSocket;
use crate::socket::{Kind, UnixName};

/// What a name is found by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    /// Sockets of different types may have the same abstract name.
    Abstract(u32, Vec<u8>),
    /// The device and the inode that a path led to.
    Inode(u64, u64),
}

/// The sockets of a node that have names.
#[derive(Default)]
pub struct UnixNames {
    bound: RefCell<SortedMap<Key, Weak<UnixSocket>>>,
    last_given: Cell<u32>,
}

/// How many names a node can give by itself: five hexadecimal digits (unix(7), "Autobind").
const GIVEN: u32 = 1 << 20;

impl UnixNames {
    /// The key of a name; `None` for no name.
    pub(super) fn key(name: &UnixName, kind: Kind) -> Option<Key> {
        match name {
            UnixName::Abstract(name) => Some(Key::Abstract(kind.number(), name.clone())),
            UnixName::Path(_, Some(dentry)) => {
                let metadata = dentry.inode().metadata();
                Some(Key::Inode(metadata.device.0, metadata.inode))
            }
            _ => None,
        }
    }

    /// Binds `socket` to a name.
    ///
    /// # Errors
    /// `EADDRINUSE`.
    pub(super) fn insert(&self, key: Key, socket: Weak<UnixSocket>) -> Result<(), Errno> {
        if self.find(&key).is_some() {
            return Err(Errno::EADDRINUSE);
        }
        self.bound.borrow_mut().insert(key, socket);
        Ok(())
    }

    /// The socket with this name.
    pub(super) fn find(&self, key: &Key) -> Option<Rc<UnixSocket>> {
        self.bound.borrow().get(key)?.upgrade()
    }

    /// Takes a name back, if it is still this socket's.
    pub(super) fn remove(&self, key: &Key, socket: &Weak<UnixSocket>) {
        let mut bound = self.bound.borrow_mut();
        if bound.get(key).is_some_and(|other| other.ptr_eq(socket)) {
            bound.remove(key);
        }
    }

    /// A name that nobody has.
    ///
    /// # Errors
    /// `ENOSPC` if all are taken.
    pub(super) fn free_name(&self, kind: Kind) -> Result<UnixName, Errno> {
        for _ in 0..GIVEN {
            let number = (self.last_given.get() + 1) % GIVEN;
            self.last_given.set(number);
            let name = format!("{number:05x}").into_bytes();
            if self.find(&Key::Abstract(kind.number(), name.clone())).is_none() {
                return Ok(UnixName::Abstract(name));
            }
        }
        Err(Errno::ENOSPC)
    }
}
