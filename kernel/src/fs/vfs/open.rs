//! open(2).

use alloc::format;
use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{NAME_MAX, OpenFlags, R_OK, Resolve, W_OK, X_OK};
use wayfarer_proto::linux::inotify::Notice;
use wayfarer_proto::linux::stat::FileType;

use super::Vfs;
use super::change::give;
use crate::fs::path::{Last, Walker};
use crate::fs::{Asker, Dentry, FileObject, FollowLast, NewContent, NewInode, OpenFile};

/// What `O_PATH` opens: a name, neither readable nor writable.
struct NameOnly;

impl FileObject for NameOnly {}

impl Vfs {
    /// openat(2); `permissions` are those of a new file, umask already taken off.
    ///
    /// For a fifo the caller then waits until [`FileObject::is_open_complete`].
    ///
    /// # Errors
    /// As open(2).
    pub fn open(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        flags: OpenFlags,
        permissions: u32,
        asker: &dyn Asker,
    ) -> Result<Rc<OpenFile>, Errno> {
        self.open_restricted(start, path, Resolve::empty(), (flags, permissions), asker)
    }

    /// openat2(2): as [`open`](Self::open), on a way that is restricted.
    ///
    /// # Errors
    /// As openat2(2).
    pub fn open_restricted(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        resolve: Resolve,
        (flags, permissions): (OpenFlags, u32),
        asker: &dyn Asker,
    ) -> Result<Rc<OpenFile>, Errno> {
        let flags = checked(flags)?;
        let mut walker = Walker::new(&self.root, start, path, asker)?.restricted(resolve)?;
        if flags.contains(OpenFlags::TMPFILE_BIT) {
            let directory = walker.walk(FollowLast::Yes)?;
            if directory.inode().file_type() != FileType::Directory {
                return Err(Errno::ENOTDIR);
            }
            return self.open_unnamed(&directory, flags, permissions, asker);
        }
        loop {
            let (name, slash) = match walker.walk_to_last()? {
                Last::Name { name, slash } => (name, slash),
                Last::Here | Last::Dot => return self.open_existing(walker.at(), flags, asker),
                Last::DotDot => return self.open_existing(&walker.above()?, flags, asker),
            };
            let create = flags.contains(OpenFlags::CREATE);
            if create && slash {
                return Err(Errno::EISDIR);
            }
            let child = match walker.lookup(&name) {
                Ok(child) => child,
                Err(Errno::ENOENT) if create => {
                    let made = self.open_new(walker.at(), &name, flags, permissions, asker);
                    match made {
                        // Somebody else was faster, where others make names, too.
                        Err(Errno::EEXIST) if !flags.contains(OpenFlags::EXCLUSIVE) => {
                            walker.lookup(&name)?
                        }
                        made => return made,
                    }
                }
                Err(error) => return Err(error),
            };
            if is_symlink(&child) && follows(flags, slash) {
                walker.follow(&child)?;
                continue;
            }
            if slash && child.inode().file_type() != FileType::Directory {
                return Err(Errno::ENOTDIR);
            }
            return self.open_existing(&child, flags, asker);
        }
    }

    /// Opens what a dentry names, as open(2) opens an existing file.
    fn open_existing(
        &self,
        dentry: &Rc<Dentry>,
        flags: OpenFlags,
        asker: &dyn Asker,
    ) -> Result<Rc<OpenFile>, Errno> {
        if flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) {
            return Err(Errno::EEXIST);
        }
        let file_type = dentry.inode().file_type();
        if flags.contains(OpenFlags::PATH) {
            return self.open_name(dentry, flags);
        }
        match file_type {
            FileType::Symlink => return Err(Errno::ELOOP),
            FileType::Directory if changes_content(flags) => return Err(Errno::EISDIR),
            FileType::Directory => {}
            _ if flags.contains(OpenFlags::DIRECTORY) => return Err(Errno::ENOTDIR),
            _ => {}
        }
        asker.require(&**dentry.inode(), wanted(flags))?;
        let object = self.object(dentry, flags, asker)?;
        if flags.contains(OpenFlags::TRUNCATE) && file_type == FileType::Regular {
            dentry.inode().set_size(0)?;
            self.watches().happened(dentry, Notice::MODIFY);
        }
        Ok(OpenFile::new(dentry.clone(), object, flags, &self.open_files))
    }

    fn open_new(
        &self,
        directory: &Rc<Dentry>,
        name: &[u8],
        flags: OpenFlags,
        permissions: u32,
        asker: &dyn Asker,
    ) -> Result<Rc<OpenFile>, Errno> {
        if directory.is_removed() {
            return Err(Errno::ENOENT);
        }
        debug_assert!(name.len() <= NAME_MAX, "the lookup has checked it");
        let new = NewInode { content: NewContent::File, permissions: permissions & 0o7777 };
        asker.require(&**directory.inode(), W_OK | X_OK)?;
        let inode = directory.inode().create(name, &new)?;
        give(&**directory.inode(), &*inode, asker)?;
        let dentry = directory.child(name, inode);
        let object = self.object(&dentry, flags, asker)?;
        self.watches().name_changed(directory, name, FileType::Regular, Notice::CREATE);
        Ok(OpenFile::new(dentry, object, flags, &self.open_files))
    }

    /// `O_TMPFILE`: a file without a name. With `O_EXCL` it never gets one.
    fn open_unnamed(
        &self,
        directory: &Rc<Dentry>,
        flags: OpenFlags,
        permissions: u32,
        asker: &dyn Asker,
    ) -> Result<Rc<OpenFile>, Errno> {
        asker.require(&**directory.inode(), W_OK | X_OK)?;
        let inode = directory.inode().create_unnamed(permissions & 0o7777)?;
        give(&**directory.inode(), &*inode, asker)?;
        let name = format!("#{}", inode.metadata().inode);
        let dentry = directory.unnamed(name.as_bytes(), inode);
        if !flags.contains(OpenFlags::EXCLUSIVE) {
            dentry.permit_name();
        }
        self.open_object(&dentry, flags, asker)
    }

    /// memfd_create(2): a file in memory that is in no directory.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn make_memory_file(
        &self,
        name: &[u8],
        permissions: u32,
        flags: OpenFlags,
        asker: &dyn Asker,
    ) -> Result<Rc<OpenFile>, Errno> {
        let inode = self.root.inode().create_unnamed(permissions)?;
        let name = [b"/memfd:", name, b" (deleted)"].concat();
        self.open_object(&Dentry::root(inode, &name), flags, asker)
    }

    fn open_object(
        &self,
        dentry: &Rc<Dentry>,
        flags: OpenFlags,
        asker: &dyn Asker,
    ) -> Result<Rc<OpenFile>, Errno> {
        let object = self.object(dentry, flags, asker)?;
        Ok(OpenFile::new(dentry.clone(), object, flags, &self.open_files))
    }

    fn object(
        &self,
        dentry: &Rc<Dentry>,
        flags: OpenFlags,
        asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        let inode = dentry.inode();
        match inode.file_type() {
            FileType::CharDevice => {
                self.devices.open(inode.metadata().special_device, flags, asker)
            }
            FileType::BlockDevice | FileType::Socket => Err(Errno::ENXIO),
            _ => inode.clone().open(flags, asker),
        }
    }

    fn open_name(&self, dentry: &Rc<Dentry>, flags: OpenFlags) -> Result<Rc<OpenFile>, Errno> {
        let is_directory = dentry.inode().file_type() == FileType::Directory;
        if flags.contains(OpenFlags::DIRECTORY) && !is_directory {
            return Err(Errno::ENOTDIR);
        }
        Ok(OpenFile::new(dentry.clone(), Rc::new(NameOnly), flags, &self.open_files))
    }
}

/// What must be permitted of a file to open it so.
fn wanted(flags: OpenFlags) -> u32 {
    let access = flags.access();
    let reads = if access.reads() { R_OK } else { 0 };
    let writes = access.writes() || flags.contains(OpenFlags::TRUNCATE);
    reads | if writes { W_OK } else { 0 }
}

/// Flags as the rest of the kernel may rely on them.
fn checked(flags: OpenFlags) -> Result<OpenFlags, Errno> {
    if flags.contains(OpenFlags::TMPFILE_BIT) {
        let possible = flags.contains(OpenFlags::DIRECTORY)
            && !flags.contains(OpenFlags::CREATE)
            && flags.access().writes();
        return if possible { Ok(flags) } else { Err(Errno::EINVAL) };
    }
    if flags.contains(OpenFlags::CREATE | OpenFlags::DIRECTORY) {
        return Err(Errno::EINVAL);
    }
    if flags.contains(OpenFlags::PATH) {
        let kept = OpenFlags::PATH
            | OpenFlags::DIRECTORY
            | OpenFlags::NO_FOLLOW
            | OpenFlags::CLOSE_ON_EXEC;
        return Ok(flags & kept);
    }
    Ok(flags)
}

/// Whether the flags ask for something that cannot be had of a directory.
fn changes_content(flags: OpenFlags) -> bool {
    flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE) || flags.access().writes()
}

/// Whether a symbolic link in the last component is followed. One that an exclusive creation meets
/// is not: the name is taken.
fn follows(flags: OpenFlags, slash: bool) -> bool {
    let exclusive = flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
    (slash || !flags.contains(OpenFlags::NO_FOLLOW)) && !exclusive
}

fn is_symlink(dentry: &Rc<Dentry>) -> bool {
    dentry.inode().file_type() == FileType::Symlink
}
