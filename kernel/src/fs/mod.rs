//! Files of every kind: the virtual file system, open files, pipes, devices, terminals, `/proc`.
//!
//! Three layers, each knowing only the one below:
//! - [`Descriptors`] maps a process's small numbers to [`OpenFile`]s (open file descriptions);
//! - an [`OpenFile`] is a [`FileObject`] with an offset, status flags and the name it has;
//! - the [`Vfs`] finds [`Inode`]s by path and opens them.
//!
//! Everything here is synchronous. An operation that cannot be done now answers `EAGAIN`; the
//! system call handler decides whether to sleep, on the object's wait queue, and tries again. One
//! that needs an answer of the host fails with `EIOCBQUEUED`, and is made again when the answer has
//! come (`share/journal.rs`). File
//! objects see kernel slices only, never user memory, and know nothing of processes: who asks is an
//! [`Asker`], what `/proc` shows comes through a trait, signals from a terminal go through one too.

pub mod cpio;
pub mod device;
pub mod dirent;
pub mod fill;
pub mod ioctl;
pub mod locks;
pub mod nameless;
pub mod notify;
pub mod pipe;
pub mod proc;
pub mod ramfs;
pub mod share;
pub mod terminal;

mod asker;
mod dentry;
mod descriptors;
mod inode;
mod lease;
mod object;
mod open_file;
mod path;
mod stat;
mod turns;
mod vfs;

pub use asker::Asker;
pub use dentry::Dentry;
pub use descriptors::{Descriptor, Descriptors};
pub use inode::{
    AttributeChange, Attributes, Clock, DirectoryEntry, Inode, LinkTarget, Metadata, Names,
    NewContent, NewInode,
};
pub use lease::{Lease, Leases};
pub use object::{FileObject, Io, OpenDirectory, seek_within};
pub use open_file::{OpenFile, OpenFiles};
pub use path::FollowLast;
pub use terminal::{PtsDirectory, Ptys, Sink, Terminal};
pub use vfs::{MountKind, RenameMode, Vfs, may_execute};

#[cfg(test)]
pub(crate) mod testing;
