//! What has been sent to a socket and not yet received.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::socket::Credentials;

use super::Address;
use crate::fs::OpenFile;
use crate::fs::pipe::Buffer;

/// The most bytes an inbox can hold, whatever its socket's limit says.
const CAPACITY: usize = 8 << 20;

/// What comes along with bytes.
#[derive(Clone)]
pub struct Origin {
    /// Who sent them.
    pub source: Address,
    /// As which process.
    pub credentials: Credentials,
    /// Files that were sent with them.
    pub files: Vec<Rc<OpenFile>>,
}

impl Origin {
    /// Bytes of an address alone.
    pub const fn from_address(source: Address) -> Self {
        Self { source, credentials: Credentials::NONE, files: Vec::new() }
    }
}

/// What was received.
pub struct Incoming {
    /// The bytes.
    pub data: Vec<u8>,
    /// How many the message had, of which `data` may be the beginning.
    pub full_length: usize,
    /// What came along; `None` at the end of a stream.
    pub origin: Option<Origin>,
}

impl Incoming {
    /// The end of a stream.
    pub const END: Self = Self { data: Vec::new(), full_length: 0, origin: None };
}

/// Bytes with one origin: a message, or a run in a stream.
struct Record {
    length: usize,
    origin: Origin,
}

/// Messages, or a stream of bytes, in the order in which they came.
pub struct Inbox {
    bytes: Buffer,
    records: VecDeque<Record>,
}

impl Inbox {
    /// An empty one, which takes frames from `pool`.
    pub const fn new(pool: FramePool) -> Self {
        Self { bytes: Buffer::new(pool, CAPACITY), records: VecDeque::new() }
    }

    /// How many bytes wait.
    pub fn length(&self) -> usize {
        self.bytes.length()
    }

    /// How many messages wait, empty ones included.
    pub fn messages(&self) -> usize {
        self.records.len()
    }

    /// Bytes of the first message.
    pub fn next_length(&self) -> Option<usize> {
        self.records.front().map(|record| record.length)
    }

    /// Adds a message.
    ///
    /// # Errors
    /// `ENOBUFS`, with nothing added.
    pub fn push(&mut self, data: &[u8], origin: Origin) -> Result<(), Errno> {
        if data.len() > self.bytes.room() {
            return Err(Errno::ENOBUFS);
        }
        self.bytes.write(data).map_err(|_| Errno::ENOBUFS)?;
        self.records.push_back(Record { length: data.len(), origin });
        Ok(())
    }

    /// Adds bytes to a stream. Those of one process stay together unless files come with them.
    ///
    /// # Errors
    /// `ENOBUFS`, with nothing added.
    pub fn extend(&mut self, data: &[u8], origin: Origin) -> Result<(), Errno> {
        let joins = |last: &Record| {
            let same = last.origin.credentials == origin.credentials;
            same && last.origin.files.is_empty() && origin.files.is_empty()
        };
        match self.records.back_mut().filter(|last| joins(last)) {
            Some(last) if data.len() <= self.bytes.room() => {
                self.bytes.write(data).map_err(|_| Errno::ENOBUFS)?;
                last.length += data.len();
                Ok(())
            }
            _ => self.push(data, origin),
        }
    }

    /// Takes the first message, or copies it.
    pub fn take(&mut self, max: usize, peek: bool) -> Option<Incoming> {
        let full_length = self.next_length()?;
        let data = self.copy(0, full_length.min(max));
        if peek {
            let origin = self.records.front().map(|record| record.origin.clone());
            return Some(Incoming { data, full_length, origin });
        }
        self.skip(full_length);
        let origin = self.records.pop_front().map(|record| record.origin);
        Some(Incoming { data, full_length, origin })
    }

    /// Takes up to `max` bytes of a stream, or copies them. Bytes of another process are left for
    /// the next time, and so are those after the ones that files came with (unix(7)).
    pub fn take_stream(&mut self, max: usize, peek: bool) -> Option<Incoming> {
        let (length, files) = self.run(max)?;
        let data = self.copy(0, length);
        let first = self.records.front()?;
        let (source, credentials) = (first.origin.source.clone(), first.origin.credentials);
        if !peek {
            self.drop_stream(length);
        }
        let origin = Some(Origin { source, credentials, files });
        Some(Incoming { data, full_length: length, origin })
    }

    /// How many bytes can be received at once, and the files that come with them.
    fn run(&self, max: usize) -> Option<(usize, Vec<Rc<OpenFile>>)> {
        let credentials = self.records.front()?.origin.credentials;
        let (mut length, mut files) = (0, Vec::new());
        for record in &self.records {
            if record.origin.credentials != credentials || length == max {
                break;
            }
            length += record.length.min(max - length);
            files.clone_from(&record.origin.files);
            if !files.is_empty() {
                break;
            }
        }
        Some((length, files))
    }

    /// Takes `length` bytes of the stream out of the records, and what came along with those that
    /// are touched.
    fn drop_stream(&mut self, length: usize) {
        self.skip(length);
        let mut left = length;
        while let Some(first) = self.records.front_mut() {
            let taken = first.length.min(left);
            first.length -= taken;
            left -= taken;
            if taken > 0 {
                first.origin.files.clear();
            }
            if first.length > 0 || (left == 0 && taken == 0) {
                break;
            }
            self.records.pop_front();
        }
    }

    fn copy(&self, offset: usize, length: usize) -> Vec<u8> {
        let mut data = alloc::vec![0; length];
        self.bytes.peek(offset, &mut data);
        data
    }

    fn skip(&mut self, length: usize) {
        let mut chunk = [0; 512];
        let mut left = length;
        while left > 0 {
            left -= self.bytes.read(&mut chunk[..left.min(512)]);
        }
    }

    /// Forgets everything; the files that were on their way, for the caller to drop.
    pub fn clear(&mut self) -> Vec<Rc<OpenFile>> {
        self.skip(self.bytes.length());
        self.records.drain(..).flat_map(|record| record.origin.files).collect()
    }

    /// The files that are on their way.
    pub fn files(&self) -> impl Iterator<Item = &Rc<OpenFile>> {
        self.records.iter().flat_map(|record| &record.origin.files)
    }
}
