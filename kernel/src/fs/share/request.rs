//! What is asked of the host: the requests of 9P2000.L
//! (<https://github.com/chaos/diod/blob/master/protocol.md>), and their bytes.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::linux::time::Timespec;

use super::client::Fid;
use super::wire::Writer;
use crate::fs::AttributeChange;

/// The kinds of message that requests are; a reply's is one more.
pub(super) mod kind {
    pub(in crate::fs::share) const ERROR_REPLY: u8 = 7;
    pub(in crate::fs::share) const STATFS: u8 = 8;
    pub(in crate::fs::share) const OPEN: u8 = 12;
    pub(in crate::fs::share) const CREATE: u8 = 14;
    pub(in crate::fs::share) const SYMLINK: u8 = 16;
    pub(in crate::fs::share) const MKNOD: u8 = 18;
    pub(in crate::fs::share) const READLINK: u8 = 22;
    pub(in crate::fs::share) const GETATTR: u8 = 24;
    pub(in crate::fs::share) const SETATTR: u8 = 26;
    pub(in crate::fs::share) const READDIR: u8 = 40;
    pub(in crate::fs::share) const FSYNC: u8 = 50;
    pub(in crate::fs::share) const LINK: u8 = 70;
    pub(in crate::fs::share) const MKDIR: u8 = 72;
    pub(in crate::fs::share) const RENAME_AT: u8 = 74;
    pub(in crate::fs::share) const UNLINK_AT: u8 = 76;
    pub(in crate::fs::share) const VERSION: u8 = 100;
    pub(in crate::fs::share) const ATTACH: u8 = 104;
    pub(in crate::fs::share) const WALK: u8 = 110;
    pub(in crate::fs::share) const READ: u8 = 116;
    pub(in crate::fs::share) const WRITE: u8 = 118;
    pub(in crate::fs::share) const CLUNK: u8 = 120;
}

/// The tag of the request that agrees on the version.
pub(super) const NO_TAG: u16 = u16::MAX;
/// "No fid": what needs no authentication names it.
const NO_FID: u32 = u32::MAX;
/// The basic attributes (`P9_GETATTR_BASIC`) and the time of birth.
const GETATTR_MASK: u64 = 0x7ff | 0x800;

/// The bits of a set of attributes that say which are set (`P9_ATTR_*`).
mod set {
    pub(super) const MODE: u32 = 1 << 0;
    pub(super) const UID: u32 = 1 << 1;
    pub(super) const GID: u32 = 1 << 2;
    pub(super) const SIZE: u32 = 1 << 3;
    pub(super) const ACCESSED: u32 = 1 << 4;
    pub(super) const MODIFIED: u32 = 1 << 5;
    pub(super) const ACCESSED_GIVEN: u32 = 1 << 7;
    pub(super) const MODIFIED_GIVEN: u32 = 1 << 8;
}

/// A request. Two are equal if they ask the same of the same files: which fid names a file does
/// not matter, unless it is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Request {
    /// Names what `name` is in a directory with a new fid; without a name the directory itself.
    Walk(Rc<Fid>, Option<Vec<u8>>),
    Attributes(Rc<Fid>),
    SetAttributes(Rc<Fid>, AttributeChange),
    SetSize(Rc<Fid>, u64),
    /// Opens what the fid names, with Linux's flags.
    Open(Rc<Fid>, u32),
    /// Makes a file and opens it; the fid names the directory before and the file after.
    Create {
        directory: Rc<Fid>,
        name: Vec<u8>,
        flags: u32,
        mode: u32,
        gid: u32,
    },
    MakeDirectory {
        directory: Rc<Fid>,
        name: Vec<u8>,
        mode: u32,
        gid: u32,
    },
    MakeNode {
        directory: Rc<Fid>,
        name: Vec<u8>,
        mode: u32,
        device: (u32, u32),
        gid: u32,
    },
    MakeSymlink {
        directory: Rc<Fid>,
        name: Vec<u8>,
        target: Vec<u8>,
        gid: u32,
    },
    Link {
        directory: Rc<Fid>,
        name: Vec<u8>,
        file: Rc<Fid>,
    },
    Unlink {
        directory: Rc<Fid>,
        name: Vec<u8>,
        flags: u32,
    },
    Rename {
        from: Rc<Fid>,
        name: Vec<u8>,
        to: Rc<Fid>,
        new: Vec<u8>,
    },
    ReadLink(Rc<Fid>),
    List {
        fid: Rc<Fid>,
        from: u64,
        count: u32,
    },
    Read {
        fid: Rc<Fid>,
        offset: u64,
        count: u32,
    },
    Write {
        fid: Rc<Fid>,
        offset: u64,
        data: Vec<u8>,
    },
    Sync(Rc<Fid>),
    Statistics(Rc<Fid>),
}

impl Request {
    /// Which kind of message it is.
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Walk(..) => kind::WALK,
            Self::Attributes(_) => kind::GETATTR,
            Self::SetAttributes(..) | Self::SetSize(..) => kind::SETATTR,
            Self::Open(..) => kind::OPEN,
            Self::Create { .. } => kind::CREATE,
            Self::MakeDirectory { .. } => kind::MKDIR,
            Self::MakeNode { .. } => kind::MKNOD,
            Self::MakeSymlink { .. } => kind::SYMLINK,
            Self::Link { .. } => kind::LINK,
            Self::Unlink { .. } => kind::UNLINK_AT,
            Self::Rename { .. } => kind::RENAME_AT,
            Self::ReadLink(_) => kind::READLINK,
            Self::List { .. } => kind::READDIR,
            Self::Read { .. } => kind::READ,
            Self::Write { .. } => kind::WRITE,
            Self::Sync(_) => kind::FSYNC,
            Self::Statistics(_) => kind::STATFS,
        }
    }

    /// Whether it changes something, so that it must not be done twice.
    pub(super) const fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Walk(..)
                | Self::Attributes(_)
                | Self::Open(..)
                | Self::ReadLink(_)
                | Self::List { .. }
                | Self::Read { .. }
                | Self::Sync(_)
                | Self::Statistics(_)
        )
    }

    /// Its bytes; `new` is the fid that a walk makes.
    pub(super) fn encode(&self, tag: u16, new: u32) -> Vec<u8> {
        let mut w = Writer::new(self.kind(), tag);
        match self {
            Self::Walk(fid, name) => {
                w.u32(fid.number()).u32(new).u16(name.is_some().into());
                if let Some(name) = name {
                    w.string(name);
                }
            }
            Self::Attributes(fid) => drop(w.u32(fid.number()).u64(GETATTR_MASK)),
            Self::SetAttributes(fid, change) => set_attributes(w.u32(fid.number()), change),
            Self::SetSize(fid, size) => {
                w.u32(fid.number()).u32(set::SIZE).bytes(&[0; 12]).u64(*size).bytes(&[0; 32]);
            }
            Self::Open(fid, flags) => drop(w.u32(fid.number()).u32(*flags)),
            Self::ReadLink(fid) | Self::Statistics(fid) => drop(w.u32(fid.number())),
            Self::List { fid, from: offset, count } | Self::Read { fid, offset, count } => {
                w.u32(fid.number()).u64(*offset).u32(*count);
            }
            Self::Write { fid, offset, data } => {
                w.u32(fid.number()).u64(*offset).u32(data.len() as u32).bytes(data);
            }
            Self::Sync(fid) => drop(w.u32(fid.number()).u32(0)),
            names => names.encode_names(&mut w),
        }
        w.finish()
    }

    /// The bytes of what makes, moves and removes names.
    fn encode_names(&self, w: &mut Writer) {
        match self {
            Self::Create { directory, name, flags, mode, gid } => {
                w.u32(directory.number()).string(name).u32(*flags).u32(*mode).u32(*gid);
            }
            Self::MakeDirectory { directory, name, mode, gid } => {
                w.u32(directory.number()).string(name).u32(*mode).u32(*gid);
            }
            Self::MakeNode { directory, name, mode, device: (major, minor), gid } => {
                w.u32(directory.number()).string(name).u32(*mode).u32(*major).u32(*minor).u32(*gid);
            }
            Self::MakeSymlink { directory, name, target, gid } => {
                w.u32(directory.number()).string(name).string(target).u32(*gid);
            }
            Self::Link { directory, name, file } => {
                w.u32(directory.number()).u32(file.number()).string(name);
            }
            Self::Unlink { directory, name, flags } => {
                w.u32(directory.number()).string(name).u32(*flags);
            }
            Self::Rename { from, name, to, new } => {
                w.u32(from.number()).string(name).u32(to.number()).string(new);
            }
            _ => {}
        }
    }
}

fn set_attributes(w: &mut Writer, change: &AttributeChange) {
    let bit = |bits: u32, given: bool| if given { bits } else { 0 };
    let valid = bit(set::MODE, change.permissions.is_some())
        | bit(set::UID, change.uid.is_some())
        | bit(set::GID, change.gid.is_some())
        | bit(set::ACCESSED | set::ACCESSED_GIVEN, change.accessed.is_some())
        | bit(set::MODIFIED | set::MODIFIED_GIVEN, change.modified.is_some());
    w.u32(valid).u32(change.permissions.unwrap_or(0));
    w.u32(change.uid.unwrap_or(0)).u32(change.gid.unwrap_or(0)).u64(0);
    for time in [change.accessed, change.modified] {
        let time = time.unwrap_or(Timespec { seconds: 0, nanoseconds: 0 });
        w.u64(time.seconds.cast_unsigned()).u64(time.nanoseconds.cast_unsigned());
    }
}

/// The request that begins a connection: the largest message, and the protocol.
pub(super) fn version(largest: u32) -> Vec<u8> {
    let mut w = Writer::new(kind::VERSION, NO_TAG);
    w.u32(largest).string(VERSION);
    w.finish()
}

/// The protocol.
pub(super) const VERSION: &[u8] = b"9P2000.L";

/// Names the top of what is shared with `fid`. What is made is made as root, as far as the host
/// permits.
pub(super) fn attach(fid: u32) -> Vec<u8> {
    let mut w = Writer::new(kind::ATTACH, 0);
    w.u32(fid).u32(NO_FID).string(b"").string(b"").u32(0);
    w.finish()
}

/// Gives a fid back.
pub(super) fn clunk(tag: u16, fid: u32) -> Vec<u8> {
    let mut w = Writer::new(kind::CLUNK, tag);
    w.u32(fid);
    w.finish()
}
