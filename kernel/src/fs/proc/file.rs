//! Open files of `/proc`.

use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, Pid};
use wayfarer_proto::linux::fcntl::Whence;
use wayfarer_proto::linux::poll::PollEvents;

use super::{Answer, ProcFs, Settable, Subject};
use crate::executor::WaitQueue;
use crate::fs::{FileObject, Io, seek_within};

/// A text that was asked for when the file was opened.
pub(super) struct TextFile {
    pub(super) text: Rc<Answer>,
}

impl FileObject for TextFile {
    fn read(&self, offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        self.text.with(|text| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
            let count = buffer.len().min(text.len() - start);
            buffer[..count].copy_from_slice(&text[start..start + count]);
            Ok(count)
        })
    }

    fn write(&self, _offset: u64, _data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        Err(Errno::EIO)
    }

    fn has_position(&self) -> bool {
        true
    }

    /// The text's length is not told in advance, so there is no seeking from the end.
    fn seek(&self, current: u64, offset: i64, whence: Whence) -> Result<u64, Errno> {
        match whence {
            Whence::Start | Whence::Current => seek_within(0, current, offset, whence),
            _ => Err(Errno::EINVAL),
        }
    }

    fn poll(&self) -> PollEvents {
        match self.text.with(|_| Ok(())) {
            Err(Errno::EAGAIN) => PollEvents::WRITABLE,
            _ => PollEvents::READABLE | PollEvents::WRITABLE,
        }
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(self.text.changes())
    }
}

/// A text that can be written to: what is written changes it.
pub(super) struct SettableFile {
    pub(super) fs: Rc<ProcFs>,
    pub(super) subject: Subject,
    pub(super) what: Settable,
    pub(super) text: TextFile,
}

impl FileObject for SettableFile {
    fn read(&self, offset: u64, buffer: &mut [u8], io: &Io<'_>) -> Result<usize, Errno> {
        self.text.read(offset, buffer, io)
    }

    fn write(&self, _offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let text = core::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
        self.fs.source.set(self.subject, self.what, text.trim_end_matches(['\n', '\0']))?;
        Ok(data.len())
    }

    fn has_position(&self) -> bool {
        true
    }

    fn seek(&self, current: u64, offset: i64, whence: Whence) -> Result<u64, Errno> {
        self.text.seek(current, offset, whence)
    }
}

/// `/proc/PID/goto`: a write of a node's number ends when the process has moved, or could not.
pub(super) struct GotoFile {
    fs: Rc<ProcFs>,
    pid: Pid,
    outcome: Rc<Answer>,
    asked: Cell<bool>,
}

impl GotoFile {
    pub(super) fn new(fs: Rc<ProcFs>, pid: Pid) -> Self {
        Self { fs, pid, outcome: Answer::pending(), asked: Cell::new(false) }
    }
}

impl FileObject for GotoFile {
    fn read(&self, _offset: u64, _buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        Ok(0)
    }

    /// Begins the move, or, tried again, looks whether it is over.
    fn write(&self, _offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        let node = parse_node(data)?;
        if !self.asked.replace(true) {
            self.fs.source.go(self.pid, node, self.outcome.clone());
        }
        let outcome = self.outcome.take().ok_or(Errno::EAGAIN)?;
        self.asked.set(false);
        outcome.map(|_| data.len())
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(self.outcome.changes())
    }
}

/// A node's number in decimal, with white space around it as echo(1) leaves it.
fn parse_node(text: &[u8]) -> Result<NodeId, Errno> {
    let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
    text.trim().parse().map(NodeId).map_err(|_| Errno::EINVAL)
}
