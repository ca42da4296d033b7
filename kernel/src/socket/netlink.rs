//! `AF_NETLINK`, as far as mq_notify(3) needs it: a socket into which the kernel puts messages.
//! Nothing else of netlink(7) is there: it cannot be bound, and takes no requests.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::socket::Credentials;

use super::{Address, Inbox, Incoming, Origin, Outgoing, Protocol, Receive, Shutdown};
use crate::executor::WaitQueue;

/// The socket.
pub struct NetlinkSocket {
    inbox: RefCell<Inbox>,
    changes: WaitQueue,
}

impl NetlinkSocket {
    /// One whose messages take frames from `pool`.
    pub fn new(pool: &FramePool) -> Rc<Self> {
        let inbox = RefCell::new(Inbox::new(pool.clone()));
        Rc::new(Self { inbox, changes: WaitQueue::new() })
    }
}

impl Protocol for NetlinkSocket {
    fn bind(&self, _address: &Address) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }

    fn connect(&self, _address: &Address, _owner: Credentials) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }

    fn send(&self, _message: &Outgoing<'_>) -> Result<usize, Errno> {
        Err(Errno::ENOTSUP)
    }

    fn tell(&self, message: &[u8]) -> Result<(), Errno> {
        self.inbox.borrow_mut().push(message, Origin::from_address(Address::Unspecified))?;
        self.changes.wake(PollEvents::READABLE);
        Ok(())
    }

    fn receive(&self, how: &Receive) -> Result<Incoming, Errno> {
        self.inbox.borrow_mut().take(how.max, how.peek).ok_or(Errno::EAGAIN)
    }

    fn shutdown(&self, _how: Shutdown) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }

    fn close(&self, _linger: Option<Duration>) {
        let none: Vec<_> = self.inbox.borrow_mut().clear();
        debug_assert!(none.is_empty(), "the kernel sends no files");
    }

    fn local(&self) -> Address {
        Address::Unspecified
    }

    fn peer(&self) -> Result<Address, Errno> {
        Err(Errno::ENOTCONN)
    }

    fn take_error(&self) -> Option<Errno> {
        None
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::WRITABLE;
        events.set(PollEvents::READABLE, self.inbox.borrow().messages() > 0);
        events
    }

    fn changes(&self) -> &WaitQueue {
        &self.changes
    }

    fn bytes_readable(&self) -> usize {
        self.inbox.borrow().next_length().unwrap_or(0)
    }
}
