//! A POSIX message queue (mq_overview(7)): a file that messages are sent through.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::ipc::MqAttr;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::process::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD};
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::sorted::SortedMap;

use crate::executor::WaitQueue;
use crate::fs::{FileObject, Io, OpenFile};
use crate::socket::Protocol;

/// What a queue holds at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of one.
    pub size: usize,
}

impl QueueLimits {
    /// What mq_open(3) gives who asks for nothing.
    pub const DEFAULT: Self = Self { messages: 10, size: 8192 };
    /// What root may ask for (mq_overview(7), `HARD_MSGMAX`, `HARD_MSGSIZEMAX`), less for the
    /// size: a node is small.
    pub const MOST: Self = Self { messages: 65536, size: 1 << 20 };
}

/// Who is told of the next message that comes to an empty queue.
#[derive(Clone)]
pub struct Registration {
    /// The process.
    pub pid: Pid,
    /// How.
    pub notice: MessageNotice,
}

/// How somebody is told of a message.
#[derive(Clone)]
pub enum MessageNotice {
    /// Not at all: he only keeps others from it.
    Nothing,
    /// By a signal, with this value.
    Signal(Signal, u64),
    /// By a message to this socket, which begins with these bytes.
    Socket(Rc<dyn Protocol>, [u8; COOKIE]),
}

/// Bytes that come back to who gave them (`NOTIFY_COOKIE_LEN`), less the last, which says why.
pub const COOKIE: usize = 31;
/// `NOTIFY_WOKENUP`: a message has come.
pub const WOKEN_UP: u8 = 1;
/// `NOTIFY_REMOVED`: none will be told of any more.
const REMOVED: u8 = 2;

impl MessageNotice {
    /// Gives the cookie back, if there is one, and says why. A socket that is full hears nothing.
    pub fn give_back(&self, why: u8) {
        if let Self::Socket(socket, cookie) = self {
            let _ = socket.tell(&[&cookie[..], &[why]].concat());
        }
    }
}

/// A message, with its priority.
pub type Message = (u32, Vec<u8>);

/// A queue. Every open file of it shows the same.
pub struct MessageQueue {
    /// What it holds at most.
    pub limits: QueueLimits,
    messages: RefCell<SortedMap<u32, VecDeque<Vec<u8>>>>,
    waiting: Cell<usize>,
    /// Who wants to be told.
    pub registered: RefCell<Option<Registration>>,
    changes: WaitQueue,
}

impl MessageQueue {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            messages: RefCell::default(),
            waiting: Cell::new(0),
            registered: RefCell::default(),
            changes: WaitQueue::new(),
        })
    }

    /// The queue behind an open file, if it is one.
    pub fn of(object: &dyn FileObject) -> Option<&Self> {
        let any: &dyn Any = object;
        any.downcast_ref()
    }

    /// A process has closed a descriptor of `file`: if that is a queue, it is told of nothing more.
    pub fn closed(file: &OpenFile, pid: Pid) {
        if let Some(queue) = Self::of(&**file.object()) {
            queue.forget(pid);
        }
    }

    /// Ends the registration of a process, if it has one.
    pub fn forget(&self, pid: Pid) {
        if let Some(known) = self.registered.borrow_mut().take_if(|known| known.pid == pid) {
            known.notice.give_back(REMOVED);
        }
    }

    fn count(&self) -> usize {
        self.messages.borrow().values().map(VecDeque::len).sum()
    }

    /// What mq_getattr(3) tells, but for the flags.
    pub fn describe(&self) -> MqAttr {
        MqAttr {
            flags: 0,
            max_messages: self.limits.messages as i64,
            message_size: self.limits.size as i64,
            messages: self.count() as i64,
            padding: [0; 32],
        }
    }

    /// Adds a message. Gives who is to be told of it: nobody who waits for messages was there.
    ///
    /// # Errors
    /// `EAGAIN` if the queue is full.
    pub fn send(&self, priority: u32, text: &[u8]) -> Result<Option<Registration>, Errno> {
        let before = self.count();
        if before >= self.limits.messages {
            return Err(Errno::EAGAIN);
        }
        self.messages.borrow_mut().get_or_default(priority).push_back(text.to_vec());
        self.changes.wake(PollEvents::READABLE);
        let tell = before == 0 && self.waiting.get() == 0;
        Ok(if tell { self.registered.take() } else { None })
    }

    /// Takes the oldest message of the highest priority.
    ///
    /// # Errors
    /// `EAGAIN` if there is none.
    pub fn receive(&self) -> Result<Message, Errno> {
        let mut messages = self.messages.borrow_mut();
        let (&priority, last) = messages.last_key_value_mut().ok_or(Errno::EAGAIN)?;
        let text = last.pop_front().unwrap_or_default();
        if last.is_empty() {
            messages.pop_last();
        }
        drop(messages);
        self.changes.wake(PollEvents::WRITABLE);
        Ok((priority, text))
    }

    /// Says that somebody waits for a message while the guard lives.
    pub fn waiter(&self) -> Waiter<'_> {
        self.waiting.set(self.waiting.get() + 1);
        Waiter { queue: self }
    }
}

/// Somebody who waits for a message.
pub struct Waiter<'a> {
    queue: &'a MessageQueue,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.queue.waiting.set(self.queue.waiting.get() - 1);
    }
}

impl FileObject for MessageQueue {
    /// The state of the queue, as `/dev/mqueue` shows it.
    fn read(&self, offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let bytes: usize =
            self.messages.borrow().values().flat_map(|queue| queue.iter().map(Vec::len)).sum();
        let registered = self.registered.borrow();
        let pid = registered.as_ref().map_or(0, |one| one.pid.0);
        let (how, signal) = match registered.as_ref().map(|one| &one.notice) {
            None => (0, 0),
            Some(MessageNotice::Nothing) => (SIGEV_NONE, 0),
            Some(MessageNotice::Signal(signal, _)) => (SIGEV_SIGNAL, signal.number()),
            Some(MessageNotice::Socket(..)) => (SIGEV_THREAD, 0),
        };
        let text =
            format!("QSIZE:{bytes:<10} NOTIFY:{how:<5} SIGNO:{signal:<5} NOTIFY_PID:{pid:<6}\n");
        let rest = usize::try_from(offset).ok().and_then(|at| text.as_bytes().get(at..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn poll(&self) -> PollEvents {
        let count = self.count();
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, count > 0);
        events.set(PollEvents::WRITABLE, count < self.limits.messages);
        events
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_priority_comes_first_and_then_the_oldest() {
        let limits = QueueLimits { messages: 3, size: 8 };
        let queue = MessageQueue::new(limits);
        let first = Registration { pid: Pid(4), notice: MessageNotice::Nothing };
        *queue.registered.borrow_mut() = Some(first);
        assert!(queue.send(1, &[1]).unwrap().is_some_and(|told| told.pid == Pid(4)));
        assert!(queue.send(7, &[2]).unwrap().is_none(), "told once");
        queue.send(7, &[3]).unwrap();
        assert_eq!(queue.send(0, &[]).err(), Some(Errno::EAGAIN));
        let order: Vec<_> = core::iter::from_fn(|| queue.receive().ok()).collect();
        assert_eq!(order, [(7, alloc::vec![2]), (7, alloc::vec![3]), (1, alloc::vec![1])]);
        assert_eq!(queue.receive(), Err(Errno::EAGAIN));
    }
}
