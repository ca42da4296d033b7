//! Who relies on a file's content to stay as it is (decision 0018).

use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_proto::errno::Errno;

use super::Inode;

/// Of one regular file: who can write to it, and who has been lent its content.
#[derive(Debug, Default)]
pub struct Leases {
    /// Open file descriptions that can write.
    writers: Cell<usize>,
    /// Programs may store to its pages, unnoticed.
    is_stored_to: Cell<bool>,
    /// Bodies away that have some of it.
    readers: Cell<usize>,
    /// Somebody waits for them.
    wanted: Cell<bool>,
}

impl Leases {
    /// An open file description that can write begins, or ends.
    pub(super) fn change_writers(&self, begins: bool) {
        let writers = self.writers.get();
        self.writers.set(if begins { writers + 1 } else { writers.saturating_sub(1) });
    }

    /// From now on programs may store to the pages.
    pub(super) fn note_stores(&self) {
        self.is_stored_to.set(true);
    }

    /// To be asked before the file is opened for writing, its size changes, or an offset is looked
    /// at that a body may have moved: until the content has been returned it fails, and nobody is
    /// lent more.
    ///
    /// # Errors
    /// `ELENT` while bodies away have some of the content: have it returned, then try again.
    pub fn require_returned(&self) -> Result<(), Errno> {
        self.wanted.set(self.readers.get() > 0);
        if self.wanted.get() { Err(Errno::ELENT) } else { Ok(()) }
    }
}

/// Content that is lent to a body away: until this is dropped the file does not change.
pub struct Lease(Rc<dyn Inode>);

impl Lease {
    /// Of the content of `inode`, if nobody else can change it and nobody wants to.
    pub fn new(inode: &Rc<dyn Inode>) -> Option<Self> {
        let leases = inode.leases()?;
        let changes = leases.writers.get() > 0 || leases.is_stored_to.get();
        if changes || leases.wanted.get() {
            return None;
        }
        leases.readers.set(leases.readers.get() + 1);
        Some(Self(Rc::clone(inode)))
    }

    /// Whether somebody waits for it to end.
    pub fn is_wanted(&self) -> bool {
        self.0.leases().is_some_and(|leases| leases.wanted.get())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(leases) = self.0.leases() {
            leases.readers.set(leases.readers.get().saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use wayfarer_proto::linux::fcntl::OpenFlags;
    use wayfarer_proto::linux::inotify::Notice;

    use super::*;
    use crate::fs::notify::Inotify;
    use crate::fs::testing::TestTree;

    #[test]
    fn what_may_change_is_not_lent() {
        let tree = TestTree::new();
        tree.write("/file", b"content");
        let inode = tree.stat_inode("/file");
        let writer = tree.open("/file", OpenFlags::WRITE_ONLY).unwrap();
        assert!(Lease::new(&inode).is_none(), "somebody can write");
        drop(writer);
        assert!(Lease::new(&inode).is_some());
        inode.share_pages();
        assert!(Lease::new(&inode).is_none(), "somebody may store to its pages");
        assert!(Lease::new(&tree.stat_inode("/")).is_none(), "a directory");
    }

    #[test]
    fn what_is_lent_does_not_change() {
        let tree = TestTree::new();
        tree.write("/file", b"content");
        let inode = tree.stat_inode("/file");
        let lease = Lease::new(&inode).unwrap();
        let reader = tree.open("/file", OpenFlags::empty()).unwrap();
        let truncated = || tree.open("/file", OpenFlags::TRUNCATE).map(drop);
        assert_eq!(tree.open("/file", OpenFlags::READ_WRITE).map(drop), Err(Errno::ELENT));
        assert_eq!(truncated(), Err(Errno::ELENT));
        assert_eq!(inode.set_size(7), Err(Errno::ELENT));
        assert_eq!(inode.punch(0..1), Err(Errno::ELENT));
        assert_eq!(reader.settled_offset(), Err(Errno::ELENT), "a body may have moved it");
        assert!(lease.is_wanted());
        assert!(Lease::new(&inode).is_none(), "or who wants it would wait for ever");
        drop(lease);
        assert_eq!(truncated(), Ok(()));
        assert_eq!(reader.settled_offset(), Ok(0));
        assert!(Lease::new(&inode).is_some());
    }
    #[test]
    fn what_comes_next_is_read_later() {
        let tree = TestTree::new();
        tree.write("/file", b"content");
        let file = tree.open("/file", OpenFlags::empty()).unwrap();
        file.advance(3);
        let (bytes, end, first) = file.next_bytes(2).unwrap();
        assert_eq!((&bytes[..], end, file.offset()), (&b"te"[..], false, 3));
        let (bytes, end, _) = file.next_bytes(9).unwrap();
        assert_eq!((&bytes[..], end), (&b"tent"[..], true));
        drop(first);
        let watcher = Inotify::new();
        let watches = tree.vfs.open_files().watches();
        watches.add(&watcher, file.dentry(), Notice::ACCESS).unwrap();
        assert!(file.next_bytes(9).is_none(), "somebody watches");
        assert!(tree.open("/dev/null", OpenFlags::empty()).unwrap().next_bytes(9).is_none());
    }
}
