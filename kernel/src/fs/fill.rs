//! Filling a RAM file system from an archive.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, PERMISSIONS};
use wayfarer_proto::linux::time::Timespec;
use wayfarer_proto::sorted::SortedMap;

use super::cpio::{Cpio, CpioEntry, CpioError};
use super::ramfs::RamInode;
use super::{Asker, AttributeChange, FollowLast, Inode, NewContent, NewInode, Vfs};

/// Why an archive could not be unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FillError {
    /// The archive is damaged.
    Archive(CpioError),
    /// The file with this path could not be made.
    File {
        /// Its path.
        path: Vec<u8>,
        /// Why not.
        errno: Errno,
    },
}

impl fmt::Display for FillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => write!(f, "{error}"),
            Self::File { path, errno } => write!(f, "/{}: {errno}", path.escape_ascii()),
        }
    }
}

impl From<CpioError> for FillError {
    fn from(error: CpioError) -> Self {
        Self::Archive(error)
    }
}

/// What tells a file with several names apart.
type Identity = (u32, [u32; 3]);

/// One unpacking: names seen so far of files with several.
struct Filler<'a> {
    vfs: &'a Vfs,
    asker: &'a dyn Asker,
    linked: SortedMap<Identity, Rc<dyn Inode>>,
}

/// Unpacks an archive into the tree, below the root; how many entries it had. File contents are
/// not copied: the files refer to the archive's bytes until they are written.
///
/// Missing directories are made. What stands in the way of an entry is replaced, unless it is a
/// directory.
///
/// # Errors
/// [`FillError`]; what came before the error stays.
pub fn fill(vfs: &Vfs, archive: &'static [u8], asker: &dyn Asker) -> Result<usize, FillError> {
    let mut filler = Filler { vfs, asker, linked: SortedMap::new() };
    let mut count = 0;
    for entry in Cpio::new(archive) {
        let entry = entry?;
        let made = filler.make(&entry);
        made.map_err(|errno| FillError::File { path: entry.path.to_vec(), errno })?;
        count += 1;
    }
    Ok(count)
}

impl Filler<'_> {
    fn make(&mut self, entry: &CpioEntry<'static>) -> Result<(), Errno> {
        let names = components(entry.path)?;
        let Some((name, parents)) = names.split_last() else {
            // The root itself.
            return change_attributes(&**self.vfs.root().inode(), entry);
        };
        let mut directory = self.vfs.root().inode().clone();
        for parent in parents {
            directory = self.enter(&directory, parent)?;
        }
        let inode = self.place(&*directory, name, entry)?;
        if inode.file_type() == FileType::Regular && !entry.data.is_empty() {
            let any: &dyn Any = &*inode;
            any.downcast_ref::<RamInode>().ok_or(Errno::EROFS)?.lend(entry.data)?;
        }
        change_attributes(&*inode, entry)
    }

    /// The directory with this name, made if it is not there.
    fn enter(&self, directory: &Rc<dyn Inode>, name: &[u8]) -> Result<Rc<dyn Inode>, Errno> {
        match directory.lookup(name, self.asker) {
            Err(Errno::ENOENT) => {
                let new = NewInode { content: NewContent::Directory, permissions: 0o755 };
                directory.create(name, &new)
            }
            found => found,
        }
    }

    /// The inode for an entry: a known one if it is a further name, else a new one.
    fn place(
        &mut self,
        directory: &dyn Inode,
        name: &[u8],
        entry: &CpioEntry<'_>,
    ) -> Result<Rc<dyn Inode>, Errno> {
        let file_type = FileType::from_mode(entry.mode).ok_or(Errno::EINVAL)?;
        match directory.lookup(name, self.asker) {
            Ok(known) if known.file_type() == FileType::Directory => {
                let same = file_type == FileType::Directory;
                return if same { Ok(known) } else { Err(Errno::EISDIR) };
            }
            Ok(_) => directory.remove(name)?,
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
        let identity = (entry.archive, entry.identity);
        let has_more_names = entry.links > 1 && file_type != FileType::Directory;
        if let Some(known) = self.linked.get(&identity).filter(|_| has_more_names) {
            directory.link(name, known.clone())?;
            return Ok(known.clone());
        }
        let [major, minor] = entry.special_device;
        let content = match file_type {
            FileType::Regular => NewContent::File,
            FileType::Directory => NewContent::Directory,
            FileType::Symlink => NewContent::Symlink(entry.data),
            _ => NewContent::Special(file_type, DeviceNumber::new(major, minor)),
        };
        let permissions = entry.mode & PERMISSIONS;
        let inode = directory.create(name, &NewInode { content, permissions })?;
        if has_more_names {
            self.linked.insert(identity, inode.clone());
        }
        Ok(inode)
    }
}

/// The names of a path, `.` and empty ones left out.
fn components(path: &[u8]) -> Result<Vec<&[u8]>, Errno> {
    let names = path.split(|byte| *byte == b'/');
    let names = names.filter(|name| !name.is_empty() && *name != b".");
    names
        .map(|name| match name {
            b".." => Err(Errno::EINVAL),
            name if name.len() > wayfarer_proto::linux::fcntl::NAME_MAX => Err(Errno::ENAMETOOLONG),
            name => Ok(name),
        })
        .collect()
}

fn change_attributes(inode: &dyn Inode, entry: &CpioEntry<'_>) -> Result<(), Errno> {
    let time = Timespec { seconds: i64::from(entry.modified), nanoseconds: 0 };
    inode.change_attributes(&AttributeChange {
        permissions: Some(entry.mode & PERMISSIONS),
        uid: Some(entry.uid),
        gid: Some(entry.gid),
        accessed: None,
        modified: Some(time),
    })
}

/// Reads the whole content of a file by path, for the kernel's own use at boot.
///
/// # Errors
/// As [`Vfs::resolve`] and [`Inode::read_at`].
pub fn read_file(vfs: &Vfs, path: &[u8], asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
    let found = vfs.resolve(vfs.root(), path, FollowLast::Yes, asker)?;
    let size = usize::try_from(found.inode().metadata().size).map_err(|_| Errno::EFBIG)?;
    let mut content = Vec::new();
    content.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    content.resize(size, 0);
    let count = found.inode().read_at(0, &mut content)?;
    content.truncate(count);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use wayfarer_proto::linux::fcntl::OpenFlags;

    use super::*;
    use crate::fs::cpio::tests::{record, trailer};
    use crate::fs::testing::TestTree;

    fn leak(archive: Vec<u8>) -> &'static [u8] {
        archive.leak()
    }

    #[test]
    fn an_archive_becomes_a_tree() {
        let tree = TestTree::new();
        let mut archive = Vec::new();
        record(&mut archive, ".", [1, 0o040700, 2], b"");
        record(&mut archive, "./usr/bin/tool", [2, 0o100755, 1], b"#!/bin/sh\n");
        record(&mut archive, "usr", [3, 0o040711, 2], b"");
        record(&mut archive, "sh", [4, 0o120777, 1], b"usr/bin/tool");
        record(&mut archive, "null", [5, 0o020666, 1], b"");
        trailer(&mut archive);
        assert_eq!(fill(&tree.vfs, leak(archive), &tree.asker), Ok(5));
        assert_eq!(tree.stat("/").mode(), 0o040700);
        assert_eq!(tree.stat("/usr").mode(), 0o040711, "a directory made for a file is adjusted");
        assert_eq!(tree.stat("/sh").mode(), 0o100755);
        assert_eq!(tree.stat("/sh").attributes.modified.seconds, 99);
        assert_eq!(tree.read("/sh").unwrap(), b"#!/bin/sh\n");
        assert_eq!(tree.stat("/null").special_device, DeviceNumber::new(1, 3));
        assert_eq!(read_file(&tree.vfs, b"/sh", &tree.asker).unwrap(), b"#!/bin/sh\n");
    }

    #[test]
    fn names_of_one_file_share_it() {
        let tree = TestTree::new();
        let mut archive = Vec::new();
        record(&mut archive, "one", [7, 0o100644, 2], b"");
        record(&mut archive, "two", [7, 0o100644, 2], b"shared");
        trailer(&mut archive);
        record(&mut archive, "other", [7, 0o100644, 2], b"another archive");
        fill(&tree.vfs, leak(archive), &tree.asker).unwrap();
        assert_eq!(tree.read("/one").unwrap(), b"shared");
        assert_eq!(tree.stat("/one").inode, tree.stat("/two").inode);
        assert_eq!(tree.stat("/one").links, 2);
        assert_ne!(tree.stat("/one").inode, tree.stat("/other").inode);
    }

    #[test]
    fn lent_content_is_copied_only_where_it_is_written() {
        let tree = TestTree::new();
        let mut archive = Vec::new();
        let content: Vec<u8> = (0..10_000u32).map(|index| index as u8).collect();
        record(&mut archive, "data", [1, 0o100644, 1], &content);
        fill(&tree.vfs, leak(archive), &tree.asker).unwrap();
        let free = tree.pool.counts().free;
        let file = tree.open("/data", OpenFlags::READ_WRITE).unwrap();
        file.write_at(5000, b"changed", &file.io(&tree.asker)).unwrap();
        assert_eq!(tree.pool.counts().free, free - 1);
        let mut expected = content;
        expected[5000..5007].copy_from_slice(b"changed");
        assert_eq!(tree.read("/data").unwrap(), expected);
        file.set_size(4097, &tree.asker).unwrap();
        file.set_size(9000, &tree.asker).unwrap();
        expected.truncate(4097);
        expected.resize(9000, 0);
        assert_eq!(tree.read("/data").unwrap(), expected, "what was cut off reads as zeroes");
    }

    #[test]
    fn what_cannot_be_made_is_named() {
        let tree = TestTree::new();
        let error = |path: &str, mode| {
            let mut archive = Vec::new();
            record(&mut archive, path, [1, mode, 1], b"x");
            fill(&tree.vfs, leak(archive), &tree.asker).unwrap_err()
        };
        let refused = |path: &str, errno| FillError::File { path: path.into(), errno };
        assert_eq!(error("../etc", 0o100644), refused("../etc", Errno::EINVAL));
        assert_eq!(error("odd", 0o000644), refused("odd", Errno::EINVAL));
        assert_eq!(error("dev", 0o100644), refused("dev", Errno::EISDIR));
        assert_eq!(error("odd\n", 0o000644).to_string(), "/odd\\n: EINVAL");
        let damaged = fill(&tree.vfs, b"junk", &tree.asker).unwrap_err();
        assert_eq!(damaged, FillError::Archive(CpioError::Truncated(0)));
        assert!(damaged.to_string().ends_with("begins at byte 0"), "{damaged}");
    }
}
