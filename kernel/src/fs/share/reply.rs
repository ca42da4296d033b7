//! What the host answers, read from bytes that may be anything.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::NAME_MAX;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, Statfs, V9FS_MAGIC};
use wayfarer_proto::linux::time::Timespec;

use super::request::{VERSION, kind};
use super::wire::Reader;
use crate::fs::Attributes;

/// Bytes of `size[4] type[1] tag[2]`.
const HEADER: usize = 7;
/// Linux's largest error number.
const ERRNO_MAX: u32 = 4095;

/// What the host tells of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileInfo {
    pub(super) file_type: FileType,
    /// Its number on the host.
    pub(super) file: u64,
    pub(super) links: u64,
    pub(super) special_device: DeviceNumber,
    pub(super) size: u64,
    pub(super) blocks: u64,
    pub(super) attributes: Attributes,
}

/// An entry of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) file: u64,
    /// Where the listing goes on after it.
    pub(super) next: u64,
    pub(super) file_type: FileType,
    pub(super) name: Vec<u8>,
}

/// A reply. What is large is shared, since it is looked at more than once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// A walk, a version, or what tells no more than that it was done.
    Done,
    /// The number of the file that was walked to, opened or made.
    File(u64),
    Attributes(FileInfo),
    Text(Rc<[u8]>),
    Data(Rc<[u8]>),
    Entries(Rc<[Entry]>),
    Written(usize),
    Statistics(Statfs),
}

/// A message from the host: the tag of the request it answers, and what it says.
pub(super) struct Message<'a> {
    pub(super) tag: u16,
    kind: u8,
    body: Reader<'a>,
}

impl<'a> Message<'a> {
    /// Reads what is before the body.
    ///
    /// # Errors
    /// `EIO` if it is cut off: nobody knows what it answers.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Errno> {
        let mut reader = Reader::new(bytes);
        let length = reader.u32()? as usize;
        let (kind, tag) = (reader.u8()?, reader.u16()?);
        let body = length.checked_sub(HEADER).ok_or(Errno::EIO)?;
        Ok(Self { tag, kind, body: Reader::new(reader.bytes(body)?) })
    }

    /// Reads the answer to a request of this kind.
    ///
    /// # Errors
    /// The host's; `EIO` for an answer to something else, or one that makes no sense.
    pub(super) fn answer(mut self, asked: u8) -> Result<Reply, Errno> {
        if self.kind == kind::ERROR_REPLY {
            return Err(error(self.body.u32()?));
        }
        if self.kind != asked + 1 {
            return Err(Errno::EIO);
        }
        let body = &mut self.body;
        Ok(match asked {
            kind::WALK => walked(body)?,
            kind::ATTACH | kind::OPEN | kind::CREATE => Reply::File(file(body)?),
            kind::SYMLINK | kind::MKNOD | kind::MKDIR => Reply::File(file(body)?),
            kind::GETATTR => Reply::Attributes(attributes(body)?),
            kind::READLINK => Reply::Text(body.string()?.into()),
            kind::READ => {
                let count = body.u32()?;
                Reply::Data(body.bytes(count as usize)?.into())
            }
            kind::READDIR => {
                let count = body.u32()?;
                Reply::Entries(entries(Reader::new(body.bytes(count as usize)?))?)
            }
            kind::WRITE => Reply::Written(body.u32()? as usize),
            kind::STATFS => Reply::Statistics(statistics(body)?),
            _ => Reply::Done,
        })
    }

    /// Reads the answer to the request for a version: the largest message.
    ///
    /// # Errors
    /// `EIO` if the host does not speak this protocol.
    pub(super) fn version(mut self) -> Result<u32, Errno> {
        if self.kind != kind::VERSION + 1 {
            return Err(Errno::EIO);
        }
        let largest = self.body.u32()?;
        if self.body.string()? == VERSION { Ok(largest) } else { Err(Errno::EIO) }
    }
}

fn error(number: u32) -> Errno {
    match u16::try_from(number) {
        // Numbers from 512 on are kernels' own and no program shall see one.
        Ok(errno @ 1..512) if number <= ERRNO_MAX => Errno(errno),
        _ => Errno::EIO,
    }
}

/// A `qid`: kind, version and number of a file.
fn file(body: &mut Reader<'_>) -> Result<u64, Errno> {
    body.bytes(5)?;
    body.u64()
}

/// One step at most is asked for, and a walk that stops on the way is an error.
fn walked(body: &mut Reader<'_>) -> Result<Reply, Errno> {
    match body.u16()? {
        0 => Ok(Reply::Done),
        1 => Ok(Reply::File(file(body)?)),
        _ => Err(Errno::EIO),
    }
}

fn attributes(body: &mut Reader<'_>) -> Result<FileInfo, Errno> {
    body.u64()?;
    let file = file(body)?;
    let (mode, uid, gid) = (body.u32()?, body.u32()?, body.u32()?);
    let (links, special, size) = (body.u64()?, body.u64()?, body.u64()?);
    let (_block_size, blocks) = (body.u64()?, body.u64()?);
    let mut times = [Timespec { seconds: 0, nanoseconds: 0 }; 4];
    for time in &mut times {
        let (seconds, nanoseconds) = (body.u64()?.cast_signed(), body.u64()?.cast_signed());
        let nanoseconds = Some(nanoseconds).filter(|count| (0..1_000_000_000).contains(count));
        *time = Timespec { seconds, nanoseconds: nanoseconds.ok_or(Errno::EIO)? };
    }
    let [accessed, modified, changed, born] = times;
    let permissions = mode & 0o7777;
    let attributes = Attributes { permissions, uid, gid, accessed, modified, changed, born };
    let file_type = FileType::from_mode(mode).ok_or(Errno::EIO)?;
    i64::try_from(size).map_err(|_| Errno::EIO)?;
    let special_device = DeviceNumber(special);
    Ok(FileInfo { file_type, file, links, special_device, size, blocks, attributes })
}

/// A name that no file can have is an error.
fn entries(mut body: Reader<'_>) -> Result<Rc<[Entry]>, Errno> {
    let mut entries = Vec::new();
    while !body.is_empty() {
        let file = file(&mut body)?;
        let (next, kind) = (body.u64()?, body.u8()?);
        let name = body.string()?;
        if name.is_empty() || name.len() > NAME_MAX || name.iter().any(|b| [0, b'/'].contains(b)) {
            return Err(Errno::EIO);
        }
        let file_type = FileType::from_mode(u32::from(kind) << 12).unwrap_or(FileType::Anonymous);
        entries.push(Entry { file, next, file_type, name: name.to_vec() });
    }
    Ok(entries.into())
}

fn statistics(body: &mut Reader<'_>) -> Result<Statfs, Errno> {
    body.u32()?;
    let size = i64::from(body.u32()?);
    let [blocks, free, available] = [body.u64()?, body.u64()?, body.u64()?];
    let [files, files_free, id] = [body.u64()?, body.u64()?, body.u64()?];
    let mut told = Statfs::without_blocks(V9FS_MAGIC, DeviceNumber(id), 0);
    told.block_size = size;
    told.fragment_size = size;
    told.name_max = i64::from(body.u32()?);
    (told.blocks, told.blocks_free, told.blocks_available) = (blocks, free, available);
    (told.files, told.files_free) = (files, files_free);
    Ok(told)
}
