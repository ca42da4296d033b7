//! pidfd_open(2): a process, whatever becomes of its number.

use alloc::rc::{Rc, Weak};

use wayfarer_proto::linux::poll::PollEvents;

use core::any::Any;

use crate::executor::WaitQueue;
use crate::fs::FileObject;
use crate::process::Home;

/// The object behind a process descriptor.
pub struct PidFd {
    home: Weak<Home>,
    /// The queue that the process wakes when it ends; it outlives the process.
    ended: Rc<WaitQueue>,
}

impl PidFd {
    /// A descriptor of this process.
    pub fn new(home: &Rc<Home>) -> Rc<Self> {
        Rc::new(Self { home: Rc::downgrade(home), ended: Rc::clone(&home.exit_changed) })
    }

    /// The process descriptor behind an open file, if it is one.
    pub fn of(object: &dyn FileObject) -> Option<&Self> {
        let any: &dyn Any = object;
        any.downcast_ref()
    }

    /// The process, until it has been waited for.
    pub fn home(&self) -> Option<Rc<Home>> {
        self.home.upgrade()
    }
}

impl FileObject for PidFd {
    fn poll(&self) -> PollEvents {
        match self.home() {
            Some(home) if !home.is_zombie() => PollEvents::empty(),
            _ => PollEvents::READABLE,
        }
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.ended)
    }
}
