//! The tree of all file systems, and what system calls do to names in it.
//!
//! A start is the directory that a relative path begins at: the current directory or that of a
//! `dirfd`.

mod change;
mod open;
mod rename;

#[cfg(test)]
mod tests;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{OpenFlags, W_OK, X_OK};
use wayfarer_proto::linux::inotify::Notice;
use wayfarer_proto::linux::stat::FileType;

pub use rename::RenameMode;

use super::device::Devices;
use super::notify::Watches;
use super::path::Walker;
use super::pipe::PipeFs;
use super::{Asker, Dentry, FollowLast, Inode, Metadata, OpenFile, OpenFiles};

/// What `/proc/mounts` tells of a file system that is mounted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountKind {
    /// Where it comes from.
    pub source: String,
    /// Its type.
    pub kind: &'static str,
    /// Its options.
    pub options: String,
}

impl MountKind {
    /// A file system that has no source but the kernel.
    pub fn of_the_kernel(kind: &'static str) -> Self {
        Self { source: kind.into(), kind, options: "rw,relatime".into() }
    }

    /// A file system in memory.
    pub fn memory() -> Self {
        Self::of_the_kernel("tmpfs")
    }
}

/// All mounted file systems of a node, as one tree.
pub struct Vfs {
    root: Rc<Dentry>,
    devices: Rc<Devices>,
    pipes: PipeFs,
    open_files: OpenFiles,
    /// The directories that something is mounted on, in the order of mounting, and what it is.
    mounts: RefCell<Vec<(Rc<Dentry>, MountKind)>>,
}

impl Vfs {
    /// A tree with this file system's root directory at the top. Device nodes open `devices`.
    pub fn new(root: Rc<dyn Inode>, devices: Rc<Devices>, pipes: PipeFs) -> Self {
        let root = Dentry::root(root, b"/");
        let (open_files, mounts) = (OpenFiles::default(), RefCell::default());
        Self { root, devices, pipes, open_files, mounts }
    }

    /// pipe2(2): the end to read from and the end to write to.
    ///
    /// # Errors
    /// As [`PipeFs::create`].
    pub fn make_pipe(&self, flags: OpenFlags) -> Result<(Rc<OpenFile>, Rc<OpenFile>), Errno> {
        self.pipes.create(flags, &self.open_files)
    }

    /// The topmost directory.
    pub fn root(&self) -> &Rc<Dentry> {
        &self.root
    }

    /// The devices that device nodes open.
    pub fn devices(&self) -> &Rc<Devices> {
        &self.devices
    }

    /// Who watches which files.
    fn watches(&self) -> &Watches {
        self.open_files.watches()
    }

    /// Says that permissions, owner or times of a file were changed.
    pub fn attributes_changed(&self, dentry: &Rc<Dentry>) {
        self.watches().happened(dentry, Notice::ATTRIB);
    }

    /// How many open file descriptions exist on this node.
    pub fn open_files(&self) -> &OpenFiles {
        &self.open_files
    }

    /// Mounts a file system on a directory.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); `ENOTDIR` if the path is no directory.
    pub fn mount(
        &self,
        path: &[u8],
        root: Rc<dyn Inode>,
        kind: MountKind,
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        let at = self.resolve(&self.root, path, FollowLast::Yes, asker)?;
        if at.inode().file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.mounts.borrow_mut().push((at.clone(), kind));
        at.mount(Dentry::root(root, b"/"));
        Ok(())
    }

    /// What is mounted where, in the format of `/proc/mounts` (proc_pid_mounts(5)).
    pub fn mounts_text(&self) -> String {
        let mounts = self.mounts.borrow();
        let root = (self.root.clone(), MountKind::memory());
        let lines = core::iter::once(&root).chain(mounts.iter()).map(|(at, mounted)| {
            let path = at.path();
            let MountKind { source, kind, options } = mounted;
            format!("{source} {} {kind} {options} 0 0\n", String::from_utf8_lossy(&path))
        });
        lines.collect()
    }

    /// The same in the format of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)). The root is mount
    /// 1, the others, all mounted in it, follow.
    pub fn mount_info_text(&self) -> String {
        let mounts = self.mounts.borrow();
        let root = (self.root.clone(), MountKind::memory());
        let lines = core::iter::once(&root).chain(mounts.iter()).enumerate();
        let line = |(index, (at, mounted)): (usize, &(Rc<Dentry>, MountKind))| {
            let device = at.clone().topmost().inode().metadata().device;
            let (major, minor, parent) = (device.major(), device.minor(), usize::from(index > 0));
            let path = at.path();
            let (path, id) = (String::from_utf8_lossy(&path), index + 1);
            let MountKind { source, kind, options } = mounted;
            format!("{id} {parent} {major}:{minor} / {path} {options} - {kind} {source} rw\n")
        };
        lines.map(line).collect()
    }

    /// Finds what a path names.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG` (path_resolution(7)).
    pub fn resolve(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        follow: FollowLast,
        asker: &dyn Asker,
    ) -> Result<Rc<Dentry>, Errno> {
        Walker::new(&self.root, start, path, asker)?.walk(follow)
    }

    /// Finds a directory, for chdir(2).
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); `ENOTDIR`.
    pub fn resolve_directory(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        asker: &dyn Asker,
    ) -> Result<Rc<Dentry>, Errno> {
        let found = self.resolve(start, path, FollowLast::Yes, asker)?;
        match found.inode().file_type() {
            FileType::Directory => {
                asker.require(&**found.inode(), X_OK)?;
                Ok(found)
            }
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// truncate(2): the file that was.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), [`Inode::set_size`] and [`Asker::require_size`]; `EISDIR` for
    /// a directory.
    pub fn truncate(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        size: u64,
        asker: &dyn Asker,
    ) -> Result<Rc<dyn Inode>, Errno> {
        let found = self.resolve(start, path, FollowLast::Yes, asker)?;
        match found.inode().file_type() {
            FileType::Directory => Err(Errno::EISDIR),
            FileType::Regular => {
                asker.require(&**found.inode(), W_OK)?;
                asker.require_size(found.inode().metadata().size, size)?;
                found.inode().set_size(size)?;
                self.watches().happened(&found, Notice::MODIFY);
                Ok(Rc::clone(found.inode()))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// getcwd(2), without the NUL.
    ///
    /// # Errors
    /// `ENOENT` if the directory has been removed.
    pub fn path_of_directory(
        &self,
        directory: &Rc<Dentry>,
        asker: &dyn Asker,
    ) -> Result<Vec<u8>, Errno> {
        match asker.root() {
            _ if directory.is_removed() => Err(Errno::ENOENT),
            Some(root) if !root.contains(directory) => {
                Ok([b"(unreachable)", &directory.path()[..]].concat())
            }
            root => Ok(directory.path_from(root.as_ref())),
        }
    }
}

/// Whether root may execute a file: directories always, others if anybody may.
pub fn may_execute(metadata: &Metadata) -> bool {
    metadata.file_type == FileType::Directory || metadata.attributes.permissions & 0o111 != 0
}
