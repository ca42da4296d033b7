//! Standard input and output of a program that has no terminal: byte streams to and from the
//! runner.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, PIPEFS_MAGIC, ST_FLAGS, Statfs};
use wayfarer_proto::linux::time::Timespec;

use super::{Asker, Attributes, Dentry, FileObject, Inode, Io, Metadata, OpenFile, OpenFiles};
use crate::executor::WaitQueue;

/// Where bytes go that leave the node.
pub trait Sink {
    /// Takes bytes; how many. After taking fewer than all it tells whoever uses it when it has room
    /// again.
    fn send(&self, bytes: &[u8]) -> usize;
}

/// Bytes of input that may wait for a reader.
const QUEUE: usize = 64 * 1024;

/// Bytes from the runner, with an end.
#[derive(Default)]
pub struct InputStream {
    queue: RefCell<VecDeque<u8>>,
    ended: Cell<bool>,
    changes: WaitQueue,
}

impl InputStream {
    /// A stream that nothing has come from.
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Takes in what came; how many bytes. The rest must be offered again after
    /// [`changes`](FileObject::changes) has woken.
    pub fn push(&self, bytes: &[u8]) -> usize {
        let mut queue = self.queue.borrow_mut();
        let count = bytes.len().min(QUEUE - queue.len());
        queue.extend(&bytes[..count]);
        drop(queue);
        self.changes.wake_all();
        count
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.ended.set(true);
        self.changes.wake_all();
    }
}

impl FileObject for InputStream {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let mut queue = self.queue.borrow_mut();
        let count = buffer.len().min(queue.len());
        if count == 0 {
            let over = self.ended.get() || buffer.is_empty();
            return if over { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        for (target, byte) in buffer.iter_mut().zip(queue.drain(..count)) {
            *target = byte;
        }
        drop(queue);
        self.changes.wake_all();
        Ok(count)
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, !self.queue.borrow().is_empty());
        events.set(PollEvents::HUP, self.ended.get());
        events
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.changes)
    }

    fn bytes_readable(&self) -> Option<usize> {
        Some(self.queue.borrow().len())
    }
}

/// Bytes to the runner.
pub struct OutputStream {
    sink: Rc<dyn Sink>,
    /// Whether the sink has refused some.
    full: Cell<bool>,
    closed: Cell<bool>,
    changes: WaitQueue,
}

impl OutputStream {
    /// A stream into `sink`.
    pub fn new(sink: Rc<dyn Sink>) -> Rc<Self> {
        let (full, closed) = (Cell::new(false), Cell::new(false));
        Rc::new(Self { sink, full, closed, changes: WaitQueue::new() })
    }

    /// The sink has room again.
    pub fn has_room(&self) {
        self.full.set(false);
        self.changes.wake_all();
    }

    /// Nobody reads any more: writes fail with `EPIPE`.
    pub fn close(&self) {
        self.closed.set(true);
        self.changes.wake_all();
    }
}

impl FileObject for OutputStream {
    fn write(&self, _offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        if self.closed.get() {
            return Err(Errno::EPIPE);
        }
        let sent = self.sink.send(data).min(data.len());
        self.full.set(sent < data.len());
        if sent == 0 { Err(Errno::EAGAIN) } else { Ok(sent) }
    }

    fn poll(&self) -> PollEvents {
        if self.closed.get() {
            return PollEvents::WRITABLE | PollEvents::ERR;
        }
        if self.full.get() { PollEvents::empty() } else { PollEvents::WRITABLE }
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.changes)
    }
}

/// What fstat(2) tells of a stream: programs see a pipe.
struct StreamInode {
    object: Rc<dyn FileObject>,
    device: DeviceNumber,
    number: u64,
    now: Timespec,
}

impl Inode for StreamInode {
    fn metadata(&self) -> Metadata {
        Metadata {
            device: self.device,
            inode: self.number,
            file_type: FileType::Fifo,
            links: 1,
            special_device: DeviceNumber::default(),
            size: 0,
            blocks: 0,
            attributes: Attributes::new(0o600, self.now),
        }
    }

    fn file_type(&self) -> FileType {
        FileType::Fifo
    }

    fn file_system(&self) -> Statfs {
        Statfs::without_blocks(PIPEFS_MAGIC, self.device, ST_FLAGS)
    }

    fn open(
        self: Rc<Self>,
        _flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        Ok(self.object.clone())
    }
}

/// The numbers that stat(2) gives a stream, and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct StreamIdentity {
    /// The device.
    pub device: DeviceNumber,
    /// The inode.
    pub number: u64,
    /// When it was made.
    pub now: Timespec,
}

/// An open file description of a stream; `flags` say in which direction.
pub fn open_stream(
    object: Rc<dyn FileObject>,
    identity: StreamIdentity,
    flags: OpenFlags,
    all: &OpenFiles,
) -> Rc<OpenFile> {
    let StreamIdentity { device, number, now } = identity;
    let inode = Rc::new(StreamInode { object: object.clone(), device, number, now });
    let dentry = Dentry::root(inode, format!("pipe:[{number}]").as_bytes());
    OpenFile::new(dentry, object, flags, all)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::fs::testing::{TestSink, TestTree};

    const IDENTITY: StreamIdentity = StreamIdentity {
        device: DeviceNumber::new(0, 30),
        number: 5,
        now: Timespec { seconds: 0, nanoseconds: 0 },
    };

    #[test]
    fn input_comes_in_order_and_ends() {
        let tree = TestTree::new();
        let stream = InputStream::new();
        let all = tree.vfs.open_files();
        let file = open_stream(stream.clone(), IDENTITY, OpenFlags::empty(), all);
        let io = file.io(&tree.asker);
        let mut buffer = [0; 4];
        assert_eq!(file.read(&mut buffer, &io), Err(Errno::EAGAIN));
        assert_eq!(file.poll(), PollEvents::empty());
        assert_eq!(stream.push(b"hello"), 5);
        assert_eq!(file.poll(), PollEvents::READABLE);
        assert_eq!(file.read(&mut buffer, &io), Ok(4));
        stream.end();
        assert_eq!(file.read(&mut buffer, &io), Ok(1));
        assert_eq!(file.read(&mut buffer, &io), Ok(0));
        assert_eq!(file.poll(), PollEvents::HUP);
        assert_eq!(file.write(b"x", &io), Err(Errno::EBADF));
        assert_eq!(file.metadata().file_type, FileType::Fifo);
    }

    #[test]
    fn too_much_input_is_left_with_the_runner() {
        let stream = InputStream::new();
        assert_eq!(stream.push(&vec![0; QUEUE + 5]), QUEUE);
        assert_eq!(stream.push(b"x"), 0);
        assert_eq!(stream.bytes_readable(), Some(QUEUE));
    }

    #[test]
    fn output_waits_while_the_sink_is_full() {
        let tree = TestTree::new();
        let sink = TestSink::with_room(3);
        let stream = OutputStream::new(sink.clone());
        let all = tree.vfs.open_files();
        let file = open_stream(stream.clone(), IDENTITY, OpenFlags::WRITE_ONLY, all);
        let io = file.io(&tree.asker);
        assert_eq!(file.write(b"hello", &io), Ok(3));
        assert_eq!(file.poll(), PollEvents::empty());
        assert_eq!(file.write(b"lo", &io), Err(Errno::EAGAIN));
        sink.room.set(10);
        stream.has_room();
        assert_eq!(file.poll(), PollEvents::WRITABLE);
        assert_eq!(file.write(b"lo", &io), Ok(2));
        assert_eq!(sink.text(), "hello");
        stream.close();
        assert_eq!(file.write(b"x", &io), Err(Errno::EPIPE));
    }
}
