//! What a name points to.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::Range;

use wayfarer_machine::Frame;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{OpenFlags, Seals};
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, Statfs};
use wayfarer_proto::linux::time::Timespec;

use super::share::Fetches;
use super::{Asker, Dentry, FileObject, Leases};

/// The wall clock that file times are taken from.
pub trait Clock {
    /// Time since 1970.
    fn now(&self) -> Timespec;
}

impl<F: Fn() -> Timespec> Clock for F {
    fn now(&self) -> Timespec {
        self()
    }
}

/// What stat(2) tells of an inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// The device that holds it.
    pub device: DeviceNumber,
    /// Its number on that device.
    pub inode: u64,
    /// What kind of file it is.
    pub file_type: FileType,
    /// Names that point to it.
    pub links: u64,
    /// The device that a device node names.
    pub special_device: DeviceNumber,
    /// Bytes.
    pub size: u64,
    /// Units of 512 bytes that it takes.
    pub blocks: u64,
    /// Permissions, owner and times.
    pub attributes: Attributes,
}

impl Metadata {
    /// Of an object that has one reference and no content of its own: a pipe, a socket.
    pub fn without_content(
        device: DeviceNumber,
        inode: u64,
        file_type: FileType,
        attributes: Attributes,
    ) -> Self {
        let special_device = DeviceNumber::default();
        Self { device, inode, file_type, links: 1, special_device, size: 0, blocks: 0, attributes }
    }

    /// Type and permissions in one word (`st_mode`).
    pub const fn mode(&self) -> u32 {
        self.file_type.mode_bits() | self.attributes.permissions
    }
}

/// The part of an inode that chmod(2), chown(2) and utimensat(2) change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// Permission bits with set-id and sticky.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last access.
    pub accessed: Timespec,
    /// Last modification of the content.
    pub modified: Timespec,
    /// Last change of the inode.
    pub changed: Timespec,
    /// When it was made.
    pub born: Timespec,
}

impl Attributes {
    /// Root's, with all times at `now`.
    pub const fn new(permissions: u32, now: Timespec) -> Self {
        let (accessed, modified, changed, born) = (now, now, now, now);
        Self { permissions, uid: 0, gid: 0, accessed, modified, changed, born }
    }

    /// Carries out `change`, which happens at `now`.
    pub fn apply(&mut self, change: &AttributeChange, now: Timespec) {
        self.permissions = change.permissions.unwrap_or(self.permissions);
        self.uid = change.uid.unwrap_or(self.uid);
        self.gid = change.gid.unwrap_or(self.gid);
        self.accessed = change.accessed.unwrap_or(self.accessed);
        self.modified = change.modified.unwrap_or(self.modified);
        self.changed = now;
    }
}

/// Attributes to set; `None` leaves one as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AttributeChange {
    /// New permission bits.
    pub permissions: Option<u32>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New time of last access.
    pub accessed: Option<Timespec>,
    /// New time of last modification.
    pub modified: Option<Timespec>,
}

/// What a new inode shall be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewContent<'a> {
    /// An empty regular file.
    File,
    /// An empty directory.
    Directory,
    /// A symbolic link to this path.
    Symlink(&'a [u8]),
    /// A device node, fifo or socket.
    Special(FileType, DeviceNumber),
}

/// A request to make an inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewInode<'a> {
    /// What it shall be.
    pub content: NewContent<'a>,
    /// Its permission bits, umask already taken off.
    pub permissions: u32,
}

/// Where a symbolic link leads.
pub enum LinkTarget {
    /// A path, to be walked from the link's directory.
    Path(Vec<u8>),
    /// Directly to a file, whatever its name: the "magic" links of `/proc/PID/fd`.
    Dentry(Rc<Dentry>),
}

/// One entry as a directory lists it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirectoryEntry<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The number of its inode.
    pub inode: u64,
    /// The type of its inode.
    pub file_type: FileType,
    /// The position after it, that reading can go on from (`d_off`): above 2, which comes after
    /// `.` and `..`.
    pub next: u64,
}

/// How long names in a directory stay valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// Until they are removed through the [`Vfs`](super::Vfs).
    Kept,
    /// Others may change them: each lookup asks.
    Asked,
    /// They come and go by themselves, and none can be made (`/proc`).
    Fleeting,
}

/// An object of a file system. What a kind of file cannot do has a default that fails with the
/// error Linux gives.
pub trait Inode: Any {
    /// What stat(2) tells.
    fn metadata(&self) -> Metadata;

    /// What kind of file it is; never changes.
    fn file_type(&self) -> FileType;

    /// Changes permissions, owner or times.
    ///
    /// # Errors
    /// `EPERM` if this file system does not permit it.
    fn change_attributes(&self, _change: &AttributeChange) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// The file system that holds it, as statfs(2) tells.
    ///
    /// # Errors
    /// As the file system says.
    fn file_system(&self) -> Result<Statfs, Errno>;

    /// Where answers come from, if what this file holds has to be asked for: then operations may
    /// fail with `EIOCBQUEUED`, and it has no frames of its own.
    fn fetches(&self) -> Option<&Rc<Fetches>> {
        None
    }

    /// Sees that [`metadata`](Self::metadata) tells what is true now.
    ///
    /// # Errors
    /// As the file system says.
    fn refresh(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// Opens it. Devices and fifos are opened by the [`Vfs`](super::Vfs).
    ///
    /// # Errors
    /// As the file system says.
    fn open(
        self: Rc<Self>,
        flags: OpenFlags,
        asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno>;

    /// Finds a name in this directory.
    ///
    /// # Errors
    /// `ENOENT`; `ENOTDIR` if this is no directory.
    fn lookup(&self, _name: &[u8], _asker: &dyn Asker) -> Result<Rc<dyn Inode>, Errno> {
        Err(Errno::ENOTDIR)
    }

    /// How long a name in this directory stays valid that was found once.
    fn names(&self) -> Names {
        Names::Kept
    }

    /// Makes a new inode under a name that this directory does not have.
    ///
    /// # Errors
    /// `EEXIST` if it has it; `ENOSPC`; `ENOENT` if this file system has no files but its own.
    fn create(&self, _name: &[u8], _new: &NewInode<'_>) -> Result<Rc<dyn Inode>, Errno> {
        Err(Errno::ENOENT)
    }

    /// Makes a regular file without a name in the file system of this directory (`O_TMPFILE`).
    ///
    /// # Errors
    /// `ENOTSUP` if this file system has no files but its own; `ENOSPC`.
    fn create_unnamed(&self, _permissions: u32) -> Result<Rc<dyn Inode>, Errno> {
        Err(Errno::ENOTSUP)
    }

    /// Gives an inode of the same file system one more name, which this directory does not have.
    ///
    /// # Errors
    /// `EEXIST` if it has it; `ENOSPC`, `EXDEV`; `EPERM` if this file system does not permit it.
    fn link(&self, _name: &[u8], _inode: Rc<dyn Inode>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Removes a name: of a directory if it is empty, else of anything.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`; `EPERM` if this file system does not permit it.
    fn remove(&self, _name: &[u8]) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Moves the entry `from` of this directory to the name `to` in the directory `target`, which
    /// may be this one, and removes what was there.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`, `EXDEV`; `EPERM` if this file system does not permit it.
    fn rename(&self, _from: &[u8], _target: &dyn Inode, _to: &[u8]) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Exchanges the entry `one` of this directory with the entry `other` of `target`.
    ///
    /// # Errors
    /// As [`rename`](Self::rename).
    fn exchange(&self, _one: &[u8], _target: &dyn Inode, _other: &[u8]) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Lists this directory from a position on until `visit` answers false. `.` and `..` are not
    /// listed here: an inode knows no parent.
    ///
    /// # Errors
    /// `ENOTDIR` if this is no directory; `ENOENT` if it no longer exists.
    fn list(
        &self,
        _from: u64,
        _asker: &dyn Asker,
        _visit: &mut dyn FnMut(&DirectoryEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTDIR)
    }

    /// The text of this symbolic link, as readlink(2) gives it.
    ///
    /// # Errors
    /// `EINVAL` if this is none.
    fn read_link(&self, _asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }

    /// Where this symbolic link leads.
    ///
    /// # Errors
    /// `EINVAL` if this is none.
    fn follow(&self, asker: &dyn Asker) -> Result<LinkTarget, Errno> {
        self.read_link(asker).map(LinkTarget::Path)
    }

    /// Makes this file `size` bytes long.
    ///
    /// # Errors
    /// `EINVAL` if this is no regular file, `EFBIG`, `ENOSPC`.
    fn set_size(&self, _size: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Takes memory for a part of this file, so that writing to it cannot fail for want of room;
    /// the size stays (fallocate(2)). Gives the offset it came to: the caller goes on from there.
    ///
    /// # Errors
    /// `ENODEV` if this is no regular file, `EFBIG`, `ENOSPC`.
    fn reserve(&self, _bytes: Range<u64>) -> Result<u64, Errno> {
        Err(Errno::ENODEV)
    }

    /// Makes a part of this file a hole, which reads as zeroes (fallocate(2)).
    ///
    /// # Errors
    /// `ENODEV` if this is no regular file.
    fn punch(&self, _bytes: Range<u64>) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }

    /// What cannot be done to this file any more (`F_GET_SEALS`, fcntl(2)).
    ///
    /// # Errors
    /// `EINVAL` if it cannot be sealed.
    fn seals(&self) -> Result<Seals, Errno> {
        Err(Errno::EINVAL)
    }

    /// Adds seals.
    ///
    /// # Errors
    /// `EINVAL` if it cannot be sealed; `EPERM` if it is sealed against seals.
    fn add_seals(&self, _seals: Seals) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Copies content out, from `offset` on; fewer bytes than asked for at the end. For execve(2)
    /// and page-ins; the access time stays.
    ///
    /// # Errors
    /// `ENODEV` if this has no content to map; `ELENT` if it is newer elsewhere.
    fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> Result<usize, Errno> {
        Err(Errno::ENODEV)
    }

    /// As [`Inode::page`], if the page is no hole.
    fn present_page(&self, _index: u64) -> Option<Frame> {
        None
    }

    /// As [`Inode::read_at`], for a body that maps the file: it gets what is here, even if other
    /// pages are newer where it is.
    ///
    /// # Errors
    /// `ENODEV` if this has no content to map.
    fn read_pages(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.read_at(offset, buffer)
    }

    /// Takes back pages that a body has stored to. What lies beyond the end is lost, as it is when
    /// a file is truncated under its mapping.
    ///
    /// # Errors
    /// `ENOSPC` if a hole cannot be filled; `EINVAL` if this has no content.
    fn return_pages(&self, _offset: u64, _bytes: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Says that a process away from home begins, or ends, to map the content coherently: while
    /// one does, what reads or changes the content here answers `ELENT`.
    fn change_loan(&self, _begins: bool) {}

    /// Whether the content may be newer elsewhere.
    fn is_lent(&self) -> bool {
        false
    }

    /// Whether the content was wanted here, and refused with `ELENT`, since this was last asked.
    fn take_wanted(&self) -> bool {
        false
    }

    /// The frame that holds the content's page of this index, shared with the file: what a shared
    /// mapping maps, and a private one maps without write access. `None` beyond the end.
    ///
    /// # Errors
    /// `ENODEV` if this cannot be mapped; `ENOSPC` if it is a hole and there is no room to fill it;
    /// `ENOMEM`.
    fn page(&self, _index: u64) -> Result<Option<Frame>, Errno> {
        Err(Errno::ENODEV)
    }

    /// Notes that programs may store to the frames of [`Inode::page`], now or later: changes of
    /// the content cannot be noticed from now on.
    fn share_pages(&self) {}

    /// Who can change the content, and who relies on it; `None` if others than this kernel can.
    fn leases(&self) -> Option<&Leases> {
        None
    }

    /// The name of what the file holds now; `fresh` makes one if it has none. It loses its name
    /// when it changes. `None` if changes cannot be noticed.
    fn content_name(&self, _fresh: &mut dyn FnMut() -> u64) -> Option<u64> {
        None
    }
}
