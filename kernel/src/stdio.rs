//! Standard input, output and error of the started program, carried in frames.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::console::{FromNode, STDIO_CHUNK};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::signal::Signal;

use crate::executor::WaitQueue;
use crate::fs::{Asker, OpenFile};
use crate::kernel::Kernel;

/// Input from the runner that no program has read yet. The runner keeps it below its window. It is
/// that of one program at a time.
#[derive(Default)]
pub struct Stdin {
    bytes: RefCell<VecDeque<u8>>,
    ended: Cell<bool>,
    /// Counts the programs.
    program: Cell<u64>,
    changed: WaitQueue,
}

/// Whose input it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reader(u64);

impl Stdin {
    /// The input of another program begins; that of the one before, read or not, is over.
    pub fn begin(&self) -> Reader {
        self.program.set(self.program.get() + 1);
        self.bytes.borrow_mut().clear();
        self.ended.set(false);
        self.changed.wake_all();
        Reader(self.program.get())
    }

    /// The program has ended, which nobody types for any more.
    pub fn close(&self, reader: Reader) {
        if reader.0 == self.program.get() {
            self.begin();
        }
    }

    /// Adds bytes that the runner sent.
    pub fn push(&self, bytes: &[u8]) {
        self.bytes.borrow_mut().extend(bytes);
        self.changed.wake_all();
    }

    /// No more bytes will come.
    pub fn end(&self) {
        self.ended.set(true);
        self.changed.wake_all();
    }

    /// Takes at most [`STDIO_CHUNK`] bytes; `None` at the end.
    pub async fn take(&self, reader: Reader) -> Option<Vec<u8>> {
        let ready = || {
            if reader.0 != self.program.get() {
                return Some(None);
            }
            let mut bytes = self.bytes.borrow_mut();
            if bytes.is_empty() {
                return self.ended.get().then_some(None);
            }
            let length = bytes.len().min(STDIO_CHUNK);
            Some(Some(bytes.drain(..length).collect()))
        };
        self.changed.wait_until(ready).await
    }
}

/// Writes the runner's input into the program's standard input until either ends.
pub async fn pump_input(kernel: Rc<Kernel>, reader: Reader, pipe: Rc<OpenFile>) {
    while let Some(bytes) = kernel.stdin.take(reader).await {
        if write_all(&pipe, &bytes).await.is_err() {
            return;
        }
        kernel.console.send(&FromNode::StdinTaken(bytes.len() as u32));
    }
}

async fn write_all(pipe: &OpenFile, bytes: &[u8]) -> Result<(), Errno> {
    let mut written = 0;
    while written < bytes.len() {
        written += ready(pipe, || pipe.write(&bytes[written..], &pipe.io(&NOBODY))).await?;
    }
    Ok(())
}

/// Sends what the program writes into `pipe` in frames, until it is closed by all writers.
pub async fn pump_output(kernel: Rc<Kernel>, pipe: Rc<OpenFile>, frame: fn(Vec<u8>) -> FromNode) {
    let mut buffer = alloc::vec![0; STDIO_CHUNK];
    loop {
        kernel.console.room().await;
        match ready(&pipe, || pipe.read(&mut buffer, &pipe.io(&NOBODY))).await {
            Ok(length @ 1..) => kernel.console.send(&frame(buffer[..length].to_vec())),
            Ok(0) | Err(_) => return,
        }
    }
}

/// Tries until the answer is another than `EAGAIN`.
async fn ready(
    file: &OpenFile,
    mut attempt: impl FnMut() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    loop {
        match attempt() {
            Err(Errno::EAGAIN) => {}
            outcome => return outcome,
        }
        let Some(changes) = file.object().changes() else { return Err(Errno::EIO) };
        changes.wait().await;
    }
}

/// The kernel itself, which belongs to no session.
pub const NOBODY: Nobody = Nobody;

/// Nobody's view of processes.
pub struct Nobody;

impl Asker for Nobody {
    fn pid(&self) -> Pid {
        Pid(0)
    }

    fn session(&self) -> Pid {
        Pid(0)
    }

    fn group(&self) -> Pid {
        Pid(0)
    }

    fn ignores_or_blocks(&self, _signal: Signal) -> bool {
        true
    }

    fn is_group_orphaned(&self) -> bool {
        true
    }

    fn session_of_group(&self, _group: Pid) -> Option<Pid> {
        None
    }
}
