//! A connection as a session uses it: bytes go out in order without anybody waiting for them, bytes
//! come in by a callback, and the end is told once.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use crate::executor::{Priority, Spawner, TaskHandle, WaitQueue, yield_now};
use crate::net::{Connection, ReadError};

/// What a wire reports.
pub(super) enum Heard<'a> {
    /// Bytes came.
    Bytes(&'a [u8]),
    /// The connection is gone, for this reason.
    Broken(ReadError),
}

/// Why a connection ended, after a line that says what came of it; nothing if none did.
pub(super) struct Why(pub(super) Option<ReadError>);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// Bytes that the connection has not taken yet.
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

/// One connection, with a queue before it.
pub(super) struct Wire {
    connection: Connection,
    queue: RefCell<VecDeque<Unsent>>,
    changed: WaitQueue,
    closing: Cell<bool>,
    tasks: RefCell<Vec<TaskHandle>>,
}

impl Wire {
    /// Starts reading and writing. `hear` is called from a task of its own, never from within
    /// another method of the wire.
    pub(super) fn start(
        spawner: &Spawner,
        connection: Connection,
        hear: impl FnMut(Heard<'_>) + 'static,
    ) -> Rc<Self> {
        Self::with_reader(spawner, connection, |wire| read(wire, hear))
    }

    /// The same for bulk data, which `take` reads where the network has it and without using the
    /// network; `then` is told after each time, and of the end.
    pub(super) fn start_in_place(
        spawner: &Spawner,
        connection: Connection,
        take: impl FnMut(&[u8]) + 'static,
        then: impl FnMut(Result<(), ReadError>) + 'static,
    ) -> Rc<Self> {
        Self::with_reader(spawner, connection, |wire| read_in_place(wire, take, then))
    }

    fn with_reader<F: Future<Output = ()> + 'static>(
        spawner: &Spawner,
        connection: Connection,
        reader: impl FnOnce(Rc<Self>) -> F,
    ) -> Rc<Self> {
        let wire = Rc::new(Self {
            connection,
            queue: RefCell::default(),
            changed: WaitQueue::new(),
            closing: Cell::new(false),
            tasks: RefCell::default(),
        });
        let reader = spawner.spawn(Priority::Service, reader(Rc::clone(&wire)));
        spawner.spawn(Priority::Service, write(Rc::clone(&wire)));
        wire.tasks.borrow_mut().push(reader);
        wire
    }

    /// Sends bytes after those sent before. What the socket takes goes at once.
    pub(super) fn send(&self, bytes: &[u8]) {
        let mut queue = self.queue.borrow_mut();
        let mut sent = 0;
        if queue.is_empty() {
            // A broken connection is the reader's to report.
            sent = self.connection.try_write(bytes).unwrap_or(bytes.len());
        }
        if sent < bytes.len() {
            queue.push_back(Unsent { bytes: bytes[sent..].to_vec(), sent: 0 });
            self.changed.wake_all();
        }
    }

    /// Ends the connection once what was sent is delivered. Nothing more is heard of it.
    pub(super) fn close(&self) {
        for task in self.tasks.borrow_mut().drain(..) {
            task.cancel();
        }
        self.closing.set(true);
        self.changed.wake_all();
    }

    /// The writer would wait for more to send. The reader, whose task this is, ends by itself.
    fn end_reading(&self) {
        self.tasks.borrow_mut().clear();
        self.close();
    }

    /// What the connection has carried.
    pub(super) fn counters(&self) -> crate::net::Counters {
        self.connection.counters()
    }
}

async fn read(wire: Rc<Wire>, mut hear: impl FnMut(Heard<'_>)) {
    let reason = loop {
        let read = wire.connection.read_piece(|bytes| hear(Heard::Bytes(bytes))).await;
        if let Err(reason) = read {
            break reason;
        }
    };
    wire.end_reading();
    hear(Heard::Broken(reason));
}

async fn read_in_place(
    wire: Rc<Wire>,
    mut take: impl FnMut(&[u8]),
    mut then: impl FnMut(Result<(), ReadError>),
) {
    loop {
        let read = wire.connection.read_in_place(&mut take).await;
        if read.is_err() {
            wire.end_reading();
            return then(read);
        }
        then(read);
        yield_now().await;
    }
}

/// Sends what did not go at once. It ends with the connection.
async fn write(wire: Rc<Wire>) {
    loop {
        let ready = || (!wire.queue.borrow().is_empty() || wire.closing.get()).then_some(());
        wire.changed.wait_until(ready).await;
        if wire.queue.borrow().is_empty() {
            // Whether the peer acknowledges the end makes no difference to anybody here.
            let _ = wire.connection.close().await;
            return;
        }
        // What is sent stays in the queue, so that what is said meanwhile comes after it.
        let sent = poll_fn(|context| match wire.queue.borrow().front() {
            Some(Unsent { bytes, sent }) => wire.connection.poll_write(context, &bytes[*sent..]),
            None => Poll::Ready(Ok(0)),
        });
        let Ok(count) = sent.await else { return };
        let mut queue = wire.queue.borrow_mut();
        if let Some(first) = queue.front_mut() {
            first.sent += count;
            if first.sent == first.bytes.len() {
                queue.pop_front();
            }
        }
        if queue.is_empty() {
            queue.shrink_to_fit();
        }
    }
}
