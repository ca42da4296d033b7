//! Pipes and fifos (pipe(7), fifo(7)).

mod buffer;
mod fifo;

#[cfg(test)]
mod tests;

use alloc::rc::Rc;
use core::any::Any;
use core::cell::{Cell, RefCell};

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{Access, PIPE_BUF};
use wayfarer_proto::linux::poll::PollEvents;

use super::{FileObject, Io};
use crate::executor::WaitQueue;
pub(crate) use buffer::Buffer;
pub use fifo::{Fifo, PipeFs};

/// Bytes that a new pipe holds (pipe(7)).
pub const PIPE_SIZE: usize = 65536;
/// The most that `F_SETPIPE_SZ` permits, as `/proc/sys/fs/pipe-max-size` has it.
pub const PIPE_SIZE_MAX: usize = 1 << 20;

/// A pipe: a buffer between its readers and its writers.
pub struct Pipe {
    buffer: RefCell<Buffer>,
    readers: Cell<usize>,
    writers: Cell<usize>,
    /// How often an end was opened, for open(2) of a fifo to see a partner that has come and gone.
    reader_opens: Cell<u64>,
    writer_opens: Cell<u64>,
    changes: WaitQueue,
}

impl Pipe {
    fn new(pool: FramePool) -> Rc<Self> {
        Rc::new(Self {
            buffer: RefCell::new(Buffer::new(pool, PIPE_SIZE)),
            readers: Cell::new(0),
            writers: Cell::new(0),
            reader_opens: Cell::new(0),
            writer_opens: Cell::new(0),
            changes: WaitQueue::new(),
        })
    }

    fn read(&self, target: &mut [u8]) -> Result<usize, Errno> {
        if target.is_empty() {
            return Ok(0);
        }
        let count = self.buffer.borrow_mut().read(target);
        if count == 0 {
            return if self.writers.get() == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        self.changes.wake(PollEvents::WRITABLE);
        Ok(count)
    }

    fn is_dry(&self) -> bool {
        self.buffer.borrow().length() == 0 && self.writers.get() > 0
    }

    /// Up to `PIPE_BUF` bytes are written as a whole or not at all (pipe(7)).
    fn write(&self, data: &[u8]) -> Result<usize, Errno> {
        if self.readers.get() == 0 {
            return Err(Errno::EPIPE);
        }
        let room = self.buffer.borrow().room();
        if room == 0 || (data.len() <= PIPE_BUF && room < data.len()) {
            return Err(Errno::EAGAIN);
        }
        let length = room.min(data.len());
        let count = self.buffer.borrow_mut().write(&data[..length]).map_err(|_| Errno::ENOMEM)?;
        self.changes.wake(PollEvents::READABLE);
        Ok(count)
    }

    fn capacity(&self) -> usize {
        self.buffer.borrow().capacity()
    }
}

/// An open end of a pipe; a fifo opened for both is both ends at once. Dropping it closes it.
pub struct PipeEnd {
    pipe: Rc<Pipe>,
    access: Access,
    /// How often the other side had been opened when this one was; `None` if it need not be.
    partner_opens: Option<u64>,
}

impl PipeEnd {
    /// Opens an end of a fifo, complete once the other side has been opened, too.
    fn open(pipe: Rc<Pipe>, access: Access) -> Rc<Self> {
        let partner_opens = match access {
            Access::Read => pipe.writer_opens.get(),
            _ => pipe.reader_opens.get(),
        };
        Self::count(pipe, access, Some(partner_opens))
    }

    /// Opens an end that waits for nobody.
    fn complete(pipe: Rc<Pipe>, access: Access) -> Rc<Self> {
        Self::count(pipe, access, None)
    }

    fn count(pipe: Rc<Pipe>, access: Access, partner_opens: Option<u64>) -> Rc<Self> {
        let bump = |count: &Cell<usize>, opens: &Cell<u64>| {
            count.set(count.get() + 1);
            opens.set(opens.get() + 1);
        };
        if access.reads() {
            bump(&pipe.readers, &pipe.reader_opens);
        }
        if access.writes() {
            bump(&pipe.writers, &pipe.writer_opens);
        }
        pipe.changes.wake_all();
        Rc::new(Self { pipe, access, partner_opens })
    }

    /// The pipe end behind an open file, if it is one.
    pub fn of(object: &dyn FileObject) -> Option<&Self> {
        let any: &dyn Any = object;
        any.downcast_ref()
    }

    /// Copies what waits in the pipe and leaves it there (tee(2)); 0 at the end.
    ///
    /// # Errors
    /// `EAGAIN` while nothing does.
    pub fn peek(&self, target: &mut [u8]) -> Result<usize, Errno> {
        match self.pipe.buffer.borrow().peek(0, target) {
            0 if self.pipe.writers.get() > 0 => Err(Errno::EAGAIN),
            count => Ok(count),
        }
    }

    /// Forgets the first `count` bytes of what was [peeked](Self::peek) at.
    pub fn skip(&self, count: usize) {
        self.pipe.buffer.borrow_mut().skip(count);
        self.pipe.changes.wake(PollEvents::WRITABLE);
    }

    /// Bytes that can be written now.
    ///
    /// # Errors
    /// `EPIPE` if nobody reads; `EAGAIN` if it is full.
    pub fn room(&self) -> Result<usize, Errno> {
        if self.pipe.readers.get() == 0 {
            return Err(Errno::EPIPE);
        }
        match self.pipe.buffer.borrow().room() {
            0 => Err(Errno::EAGAIN),
            room => Ok(room),
        }
    }

    /// Whether both are ends of one pipe.
    pub fn is_same_pipe(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.pipe, &other.pipe)
    }

    /// Bytes that the pipe holds (`F_GETPIPE_SZ`).
    pub fn capacity(&self) -> usize {
        self.pipe.capacity()
    }

    /// Changes that to a power of two of pages that is not less than `bytes` (`F_SETPIPE_SZ`).
    ///
    /// # Errors
    /// `EPERM` above [`PIPE_SIZE_MAX`], `EBUSY` if more bytes wait in the pipe.
    pub fn set_capacity(&self, bytes: usize) -> Result<usize, Errno> {
        if bytes > PIPE_SIZE_MAX {
            return Err(Errno::EPERM);
        }
        let capacity = bytes.next_power_of_two().max(PIPE_BUF);
        self.pipe.buffer.borrow_mut().set_capacity(capacity).map_err(|_| Errno::EBUSY)?;
        self.pipe.changes.wake_all();
        Ok(capacity)
    }
}

impl FileObject for PipeEnd {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        self.pipe.read(buffer)
    }

    fn write(&self, _offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        self.pipe.write(data)
    }

    fn is_dry(&self) -> bool {
        self.pipe.is_dry()
    }

    fn sure_room(&self) -> usize {
        let alone = self.access == Access::Write && self.pipe.writers.get() == 1;
        if alone { self.room().unwrap_or(0) } else { 0 }
    }

    /// Readers that have gone since were still there, and room that somebody else has taken since
    /// was free: it could be no other way had the writer waited (decision 0016).
    fn take(&self, data: &[u8]) -> Result<(), Errno> {
        self.pipe.buffer.borrow_mut().write(data).map_err(|_| Errno::ENOMEM)?;
        self.pipe.changes.wake(PollEvents::READABLE);
        Ok(())
    }

    fn poll(&self) -> PollEvents {
        let pipe = &self.pipe;
        let buffer = pipe.buffer.borrow();
        let mut events = PollEvents::empty();
        if self.access.reads() {
            events.set(PollEvents::READABLE, buffer.length() > 0);
            let seen_writer = pipe.writer_opens.get() > 0;
            events.set(PollEvents::HUP, pipe.writers.get() == 0 && seen_writer);
        }
        if self.access.writes() {
            events.set(PollEvents::WRITABLE, buffer.room() >= PIPE_BUF);
            events.set(PollEvents::ERR, pipe.readers.get() == 0);
        }
        events
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.pipe.changes)
    }

    fn is_open_complete(&self) -> bool {
        let Some(before) = self.partner_opens else { return true };
        let pipe = &self.pipe;
        match self.access {
            Access::Read => pipe.writers.get() > 0 || pipe.writer_opens.get() != before,
            Access::Write => pipe.readers.get() > 0 || pipe.reader_opens.get() != before,
            _ => true,
        }
    }

    fn bytes_readable(&self) -> Option<usize> {
        Some(self.pipe.buffer.borrow().length())
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        if self.access.reads() {
            self.pipe.readers.set(self.pipe.readers.get() - 1);
        }
        if self.access.writes() {
            self.pipe.writers.set(self.pipe.writers.get() - 1);
        }
        self.pipe.changes.wake_all();
    }
}
