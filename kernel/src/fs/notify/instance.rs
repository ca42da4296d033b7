//! What inotify_init(2) makes: a queue of events.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::inotify::{EVENT_SIZE, Notice};
use wayfarer_proto::linux::poll::PollEvents;

use crate::executor::WaitQueue;
use crate::fs::{FileObject, Io};

/// Events that wait at most (`/proc/sys/fs/inotify/max_queued_events`).
const QUEUE_MAX: usize = 16_384;

/// An event as a program will read it.
#[derive(Clone, PartialEq, Eq)]
struct Queued {
    number: i32,
    notice: Notice,
    cookie: u32,
    name: Vec<u8>,
}

impl Queued {
    /// Bytes of the name with its padding: none without a name.
    fn name_size(&self) -> usize {
        match self.name.len() {
            0 => 0,
            length => (length + 1).next_multiple_of(EVENT_SIZE),
        }
    }

    fn size(&self) -> usize {
        EVENT_SIZE + self.name_size()
    }

    fn write(&self, target: &mut [u8]) {
        let words =
            [self.number.cast_unsigned(), self.notice.bits(), self.cookie, self.name_size() as u32];
        let (head, name) = target.split_at_mut(EVENT_SIZE);
        for (bytes, word) in head.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        name.fill(0);
        name[..self.name.len()].copy_from_slice(&self.name);
    }
}

/// The object behind a descriptor of inotify_init(2).
#[derive(Default)]
pub struct Inotify {
    queue: RefCell<VecDeque<Queued>>,
    last_number: Cell<i32>,
    changes: WaitQueue,
}

impl Inotify {
    /// One that watches nothing.
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// The instance behind an open file, if it is one.
    pub fn of(object: &Rc<dyn FileObject>) -> Option<Rc<Self>> {
        let any: Rc<dyn Any> = object.clone();
        any.downcast().ok()
    }

    /// The number of a new watch.
    pub(super) fn next_number(&self) -> i32 {
        let number = self.last_number.get().wrapping_add(1);
        self.last_number.set(number);
        number
    }

    /// Adds an event, unless it says what the last one says.
    pub(super) fn push(&self, number: i32, notice: Notice, cookie: u32, name: &[u8]) {
        let mut queue = self.queue.borrow_mut();
        let event = match queue.len() {
            QUEUE_MAX.. => return,
            length if length == QUEUE_MAX - 1 => {
                let (number, notice) = (-1, Notice::Q_OVERFLOW);
                Queued { number, notice, cookie: 0, name: Vec::new() }
            }
            _ => Queued { number, notice, cookie, name: name.to_vec() },
        };
        if queue.back() == Some(&event) {
            return;
        }
        queue.push_back(event);
        drop(queue);
        self.changes.wake(PollEvents::READABLE);
    }
}

impl FileObject for Inotify {
    /// Whole events, as many as there is room for.
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let mut queue = self.queue.borrow_mut();
        let mut done = 0;
        while let Some(event) = queue.front() {
            let Some(target) = buffer.get_mut(done..done + event.size()) else { break };
            event.write(target);
            done += event.size();
            queue.pop_front();
        }
        match done {
            0 if queue.is_empty() => Err(Errno::EAGAIN),
            0 => Err(Errno::EINVAL),
            done => Ok(done),
        }
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, !self.queue.borrow().is_empty());
        events
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.changes)
    }

    fn bytes_readable(&self) -> Option<usize> {
        Some(self.queue.borrow().iter().map(Queued::size).sum())
    }
}
