//! Telling programs what happens to files (inotify(7)).
//!
//! Whoever changes a file says so to [`Watches`]; where nobody watches that costs a look at an
//! empty map. A watch is of an inode, so it outlives names, and ends with the inode's last name.

mod instance;

#[cfg(test)]
mod tests;

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::inotify::Notice;
use wayfarer_proto::linux::stat::FileType;
use wayfarer_proto::sorted::SortedMap;

pub use instance::Inotify;

use super::Dentry;
use super::locks::FileKey;

/// One watch: whose it is, by which number, and for what.
struct Watch {
    instance: Weak<Inotify>,
    number: i32,
    mask: Notice,
}

/// The watches of all files of a node.
#[derive(Default)]
pub struct Watches {
    by_file: RefCell<SortedMap<FileKey, Vec<Watch>>>,
    next_cookie: Cell<u32>,
}

/// An event on its way to the watches of one file.
#[derive(Clone, Copy)]
struct Event<'a> {
    notice: Notice,
    cookie: u32,
    name: &'a [u8],
    /// Whether it happened to a child that has no name any more.
    unlinked: bool,
}

fn key(dentry: &Dentry) -> FileKey {
    FileKey::from(&dentry.inode().metadata())
}

impl Watches {
    /// Whether somebody watches a file, or the directory it is in.
    pub fn knows(&self, dentry: &Rc<Dentry>) -> bool {
        if self.is_idle() {
            return false;
        }
        let by_file = self.by_file.borrow();
        let directory = dentry.directory().map(|directory| key(&directory));
        [Some(key(dentry)), directory].iter().flatten().any(|file| by_file.contains_key(file))
    }

    /// Watches a file for `instance`, or changes what it is watched for; the watch's number.
    ///
    /// # Errors
    /// `EEXIST` if there is one and `mask` says that there must not be.
    pub fn add(&self, instance: &Rc<Inotify>, dentry: &Dentry, mask: Notice) -> Result<i32, Errno> {
        let mut by_file = self.by_file.borrow_mut();
        let watches = by_file.get_or_default(key(dentry));
        let kept = Notice::EVENTS | Notice::EXCL_UNLINK | Notice::ONESHOT;
        let own = |watch: &&mut Watch| watch.instance.as_ptr() == Rc::as_ptr(instance);
        if let Some(watch) = watches.iter_mut().find(own) {
            if mask.contains(Notice::MASK_CREATE) {
                return Err(Errno::EEXIST);
            }
            let before = if mask.contains(Notice::MASK_ADD) { watch.mask } else { Notice::empty() };
            watch.mask = before | (mask & kept);
            return Ok(watch.number);
        }
        let number = instance.next_number();
        watches.push(Watch { instance: Rc::downgrade(instance), number, mask: mask & kept });
        Ok(number)
    }

    /// Ends a watch of `instance`, which is told so.
    ///
    /// # Errors
    /// `EINVAL` if there is none of this number.
    pub fn remove(&self, instance: &Rc<Inotify>, number: i32) -> Result<(), Errno> {
        let is = |watch: &Watch| {
            watch.number == number && watch.instance.as_ptr() == Rc::as_ptr(instance)
        };
        let mut by_file = self.by_file.borrow_mut();
        let found = by_file.iter().find(|(_, watches)| watches.iter().any(is));
        let file = found.map(|(file, _)| *file).ok_or(Errno::EINVAL)?;
        if let Some(watches) = by_file.get_mut(&file) {
            watches.retain(|watch| !is(watch));
            if watches.is_empty() {
                by_file.remove(&file);
            }
        }
        drop(by_file);
        instance.push(number, Notice::IGNORED, 0, b"");
        Ok(())
    }

    /// Whether nobody watches anything.
    fn is_idle(&self) -> bool {
        self.by_file.borrow().is_empty()
    }

    /// Says that something happened to a file: its watches are told, and those of its directory.
    pub fn happened(&self, dentry: &Rc<Dentry>, notice: Notice) {
        if self.is_idle() {
            return;
        }
        let notice = notice | mark(dentry.inode().file_type());
        let unlinked = dentry.is_removed();
        if let Some(parent) = dentry.directory() {
            let name = dentry.name();
            self.deliver(key(&parent), Event { notice, cookie: 0, name: &name, unlinked });
        }
        self.tell_file(dentry, notice);
    }

    /// Says that the links of a file have changed: its directories are not told.
    pub fn links_changed(&self, dentry: &Dentry) {
        if !self.is_idle() {
            self.tell_file(dentry, Notice::ATTRIB);
        }
    }

    fn tell_file(&self, dentry: &Dentry, notice: Notice) {
        self.deliver(key(dentry), Event { notice, cookie: 0, name: b"", unlinked: false });
    }

    /// Says that a name was made in or removed from a directory.
    pub fn name_changed(
        &self,
        directory: &Rc<Dentry>,
        name: &[u8],
        file_type: FileType,
        notice: Notice,
    ) {
        if !self.is_idle() {
            self.tell_directory(directory, name, file_type, notice, 0);
        }
    }

    fn tell_directory(
        &self,
        directory: &Rc<Dentry>,
        name: &[u8],
        file_type: FileType,
        notice: Notice,
        cookie: u32,
    ) {
        let notice = notice | mark(file_type);
        self.deliver(key(directory), Event { notice, cookie, name, unlinked: false });
    }

    /// Says that a file has lost a name: its links have changed, and with the last one it is gone.
    /// The caller holds its dentry once.
    pub fn name_lost(&self, dentry: &Rc<Dentry>) {
        if self.is_idle() {
            return;
        }
        if dentry.inode().file_type() != FileType::Directory {
            self.tell_file(dentry, Notice::ATTRIB);
        }
        // One that is open is gone when it is closed.
        if Rc::strong_count(dentry) == 1 {
            self.gone(dentry);
        }
    }

    /// Says that a file is closed, by somebody who holds its dentry once.
    pub(super) fn closed(&self, dentry: &Rc<Dentry>, notice: Notice) {
        if self.is_idle() {
            return;
        }
        self.happened(dentry, notice);
        if Rc::strong_count(dentry) == 1 {
            self.gone(dentry);
        }
    }

    /// If a file has no name left it is gone, and its watches end.
    fn gone(&self, dentry: &Rc<Dentry>) {
        let metadata = dentry.inode().metadata();
        if metadata.links == 0 {
            self.tell_file(dentry, Notice::DELETE_SELF);
            self.forget(key(dentry));
        }
    }

    /// Ends all watches of an instance that is closed.
    pub(super) fn leave(&self, instance: &Rc<Inotify>) {
        self.by_file.borrow_mut().retain(|_, watches| {
            watches.retain(|watch| watch.instance.as_ptr() != Rc::as_ptr(instance));
            !watches.is_empty()
        });
    }

    /// Says that a name was moved.
    pub fn moved(
        &self,
        dentry: &Rc<Dentry>,
        (from, from_name): (&Rc<Dentry>, &[u8]),
        (to, to_name): (&Rc<Dentry>, &[u8]),
    ) {
        if self.is_idle() {
            return;
        }
        let cookie = self.next_cookie.get().wrapping_add(1);
        self.next_cookie.set(cookie);
        let file_type = dentry.inode().file_type();
        self.tell_directory(from, from_name, file_type, Notice::MOVED_FROM, cookie);
        self.tell_directory(to, to_name, file_type, Notice::MOVED_TO, cookie);
        self.tell_file(dentry, Notice::MOVE_SELF);
    }

    /// Ends all watches of a file that is no more.
    fn forget(&self, file: FileKey) {
        let watches = self.by_file.borrow_mut().remove(&file).unwrap_or_default();
        for watch in watches {
            if let Some(instance) = watch.instance.upgrade() {
                instance.push(watch.number, Notice::IGNORED, 0, b"");
            }
        }
    }

    fn deliver(&self, file: FileKey, event: Event<'_>) {
        let mut by_file = self.by_file.borrow_mut();
        let Some(watches) = by_file.get_mut(&file) else { return };
        watches.retain(|watch| {
            let Some(instance) = watch.instance.upgrade() else { return false };
            let hidden = event.unlinked && watch.mask.contains(Notice::EXCL_UNLINK);
            if hidden || !watch.mask.intersects(event.notice & Notice::EVENTS) {
                return true;
            }
            instance.push(watch.number, event.notice, event.cookie, event.name);
            let ends = watch.mask.contains(Notice::ONESHOT);
            if ends {
                instance.push(watch.number, Notice::IGNORED, 0, b"");
            }
            !ends
        });
        if watches.is_empty() {
            by_file.remove(&file);
        }
    }
}

/// What events of this type of file bear.
fn mark(file_type: FileType) -> Notice {
    if file_type == FileType::Directory { Notice::ISDIR } else { Notice::empty() }
}
