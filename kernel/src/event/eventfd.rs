//! eventfd(2): a counter to wait on.

use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;

use crate::executor::WaitQueue;
use crate::fs::{FileObject, Io};

/// The highest value of the counter.
const MAX: u64 = u64::MAX - 1;

/// The object behind an event descriptor.
pub struct EventFd {
    count: Cell<u64>,
    semaphore: bool,
    changes: WaitQueue,
}

impl EventFd {
    /// A counter; one that is a `semaphore` is taken from one by one (`EFD_SEMAPHORE`).
    pub fn new(count: u64, semaphore: bool) -> Rc<Self> {
        Rc::new(Self { count: Cell::new(count), semaphore, changes: WaitQueue::new() })
    }
}

impl FileObject for EventFd {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let target = buffer.first_chunk_mut::<8>().ok_or(Errno::EINVAL)?;
        let taken = match self.count.get() {
            0 => return Err(Errno::EAGAIN),
            _ if self.semaphore => 1,
            count => count,
        };
        self.count.set(self.count.get() - taken);
        *target = taken.to_le_bytes();
        self.changes.wake(PollEvents::WRITABLE);
        Ok(target.len())
    }

    fn write(&self, _offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let added = u64::from_le_bytes(*data.first_chunk().ok_or(Errno::EINVAL)?);
        if added == u64::MAX {
            return Err(Errno::EINVAL);
        }
        let sum = self.count.get().checked_add(added).filter(|sum| *sum <= MAX);
        self.count.set(sum.ok_or(Errno::EAGAIN)?);
        self.changes.wake(PollEvents::READABLE);
        Ok(data.len())
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        events.set(PollEvents::IN, self.count.get() > 0);
        events.set(PollEvents::OUT, self.count.get() < MAX);
        events
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.changes)
    }
}
