//! Making and removing names: mkdir(2), mknod(2), symlink(2), link(2), unlink(2), rmdir(2).

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{PATH_MAX, W_OK, X_OK};
use wayfarer_proto::linux::inotify::Notice;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, S_ISGID, S_ISVTX};

use super::Vfs;
use crate::fs::path::{Last, Walker, lookup_child};
use crate::fs::{Asker, AttributeChange, Dentry, Inode, Names, NewContent, NewInode};

/// A place for a new name: a directory that does not have it.
struct Vacancy {
    directory: Rc<Dentry>,
    name: Vec<u8>,
}

impl Vfs {
    fn fill(
        &self,
        vacancy: &Vacancy,
        content: NewContent<'_>,
        permissions: u32,
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        let directory = vacancy.directory.inode();
        asker.require(&**directory, W_OK | X_OK)?;
        let new = NewInode { content, permissions: permissions & 0o7777 };
        let inode = directory.create(&vacancy.name, &new)?;
        give(&**directory, &*inode, asker)?;
        self.entered(vacancy, inode.file_type());
        Ok(())
    }

    /// Says that a name was made.
    fn entered(&self, vacancy: &Vacancy, file_type: FileType) {
        let (directory, name) = (&vacancy.directory, &vacancy.name);
        self.watches().name_changed(directory, name, file_type, Notice::CREATE);
    }

    /// mkdir(2); umask already taken off.
    ///
    /// # Errors
    /// As mkdir(2).
    pub fn make_directory(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        permissions: u32,
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        let vacancy = self.vacancy(start, path, FileType::Directory, asker)?;
        self.fill(&vacancy, NewContent::Directory, permissions & 0o1777, asker)
    }

    /// mknod(2) of `mode` (type and permissions, umask already taken off).
    ///
    /// # Errors
    /// As mknod(2): `EPERM` for a directory, `EINVAL` for an unknown type.
    pub fn make_node(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        mode: u32,
        device: DeviceNumber,
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        // A mode without a type means a regular file.
        let file_type = match mode & wayfarer_proto::linux::stat::S_IFMT {
            0 => FileType::Regular,
            _ => FileType::from_mode(mode).ok_or(Errno::EINVAL)?,
        };
        let content = match file_type {
            FileType::Directory => return Err(Errno::EPERM),
            FileType::Symlink | FileType::Anonymous => return Err(Errno::EINVAL),
            FileType::Regular => NewContent::File,
            FileType::CharDevice | FileType::BlockDevice => NewContent::Special(file_type, device),
            FileType::Fifo | FileType::Socket => {
                NewContent::Special(file_type, DeviceNumber::default())
            }
        };
        let vacancy = self.vacancy(start, path, file_type, asker)?;
        self.fill(&vacancy, content, mode, asker)
    }

    /// symlink(2).
    ///
    /// # Errors
    /// As symlink(2).
    pub fn make_symlink(
        &self,
        target: &[u8],
        start: &Rc<Dentry>,
        path: &[u8],
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let vacancy = self.vacancy(start, path, FileType::Symlink, asker)?;
        self.fill(&vacancy, NewContent::Symlink(target), 0o777, asker)
    }

    /// link(2): gives `existing` the name `path` as well.
    ///
    /// # Errors
    /// As link(2).
    pub fn link(
        &self,
        existing: &Rc<Dentry>,
        start: &Rc<Dentry>,
        path: &[u8],
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        let file_type = existing.inode().file_type();
        let vacancy = self.vacancy(start, path, FileType::Regular, asker)?;
        let metadata = existing.inode().metadata();
        if metadata.device != vacancy.directory.inode().metadata().device {
            return Err(Errno::EXDEV);
        }
        if file_type == FileType::Directory {
            return Err(Errno::EPERM);
        }
        if metadata.links == 0 && !existing.is_nameable() {
            return Err(Errno::ENOENT);
        }
        asker.require(&**vacancy.directory.inode(), W_OK | X_OK)?;
        vacancy.directory.inode().link(&vacancy.name, existing.inode().clone())?;
        self.watches().links_changed(existing);
        self.entered(&vacancy, file_type);
        Ok(())
    }

    /// unlink(2).
    ///
    /// # Errors
    /// As unlink(2).
    pub fn unlink(&self, start: &Rc<Dentry>, path: &[u8], asker: &dyn Asker) -> Result<(), Errno> {
        let mut walker = Walker::new(&self.root, start, path, asker)?;
        let Last::Name { name, slash } = walker.walk_to_last()? else {
            return Err(Errno::EISDIR);
        };
        let child = lookup_child(walker.at(), &name, asker)?;
        match child.inode().file_type() {
            FileType::Directory => return Err(Errno::EISDIR),
            _ if slash => return Err(Errno::ENOTDIR),
            _ => {}
        }
        self.remove(walker.at(), &name, &child, asker)
    }

    /// rmdir(2).
    ///
    /// # Errors
    /// As rmdir(2).
    pub fn remove_directory(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        let mut walker = Walker::new(&self.root, start, path, asker)?;
        let name = match walker.walk_to_last()? {
            Last::Name { name, .. } => name,
            Last::Here => return Err(Errno::EBUSY),
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
        };
        let child = lookup_child(walker.at(), &name, asker)?;
        if child.inode().file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        if child.is_mount_point() {
            return Err(Errno::EBUSY);
        }
        self.remove(walker.at(), &name, &child, asker)
    }

    /// Finds the place for a new name of this type.
    ///
    /// # Errors
    /// `EEXIST` if the name is taken; `ENOENT` for a name with a slash behind it that shall not
    /// be a directory, or in a directory that has been removed or has only names of its own.
    fn vacancy(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        file_type: FileType,
        asker: &dyn Asker,
    ) -> Result<Vacancy, Errno> {
        let mut walker = Walker::new(&self.root, start, path, asker)?;
        let Last::Name { name, slash } = walker.walk_to_last()? else {
            return Err(Errno::EEXIST);
        };
        let directory = walker.at().clone();
        match lookup_child(&directory, &name, asker) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
        let full = directory.is_removed() || directory.inode().names() == Names::Fleeting;
        if full || (slash && file_type != FileType::Directory) {
            return Err(Errno::ENOENT);
        }
        Ok(Vacancy { directory, name })
    }

    fn remove(
        &self,
        directory: &Rc<Dentry>,
        name: &[u8],
        child: &Rc<Dentry>,
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        may_remove(&**directory.inode(), &**child.inode(), asker)?;
        directory.inode().remove(name)?;
        directory.forget_child(name);
        self.watches().name_lost(child);
        self.watches().name_changed(directory, name, child.inode().file_type(), Notice::DELETE);
        Ok(())
    }
}

/// Gives what was made in `directory` to who made it; in a set-group-id directory the group is the
/// directory's, and directories stay so (inode(7)).
///
/// # Errors
/// Those of [`Inode::change_attributes`].
pub(super) fn give(
    directory: &dyn Inode,
    made: &dyn Inode,
    asker: &dyn Asker,
) -> Result<(), Errno> {
    let above = directory.metadata().attributes;
    let (uid, mut gid) = asker.makes_as();
    let mut change = AttributeChange { uid: Some(uid), ..AttributeChange::default() };
    if above.permissions & S_ISGID != 0 {
        gid = above.gid;
        if made.file_type() == FileType::Directory {
            change.permissions = Some(made.metadata().attributes.permissions | S_ISGID);
        }
    }
    if (uid, gid) == (0, 0) && change.permissions.is_none() {
        return Ok(());
    }
    change.gid = Some(gid);
    made.change_attributes(&change)
}

/// Whether a name may be removed from a directory: in a sticky one only by the owner of the file
/// or of the directory (inode(7), `S_ISVTX`).
///
/// # Errors
/// `EACCES`, `EPERM`.
pub(super) fn may_remove(
    directory: &dyn Inode,
    child: &dyn Inode,
    asker: &dyn Asker,
) -> Result<(), Errno> {
    asker.require(directory, W_OK | X_OK)?;
    let sticky = directory.metadata().attributes.permissions & S_ISVTX != 0;
    if sticky && !asker.owns(child) && !asker.owns(directory) {
        return Err(Errno::EPERM);
    }
    Ok(())
}
