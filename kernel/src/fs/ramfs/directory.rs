//! The names in a directory.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::RamInode;

/// One name.
pub(super) struct Name {
    pub(super) inode: Rc<RamInode>,
    /// Where it is in the listing; see [`Names`].
    cookie: u64,
}

/// The names of a directory, with a listing order that no change upsets: each new name gets the
/// next cookie, so a reader that remembers the last cookie it saw misses nothing that stays and
/// sees nothing twice (readdir(3)).
pub(super) struct Names {
    by_name: BTreeMap<Vec<u8>, Name>,
    by_cookie: BTreeMap<u64, Vec<u8>>,
    next_cookie: u64,
}

/// Cookies below this stand for the beginning, `.` and `..`.
const FIRST_COOKIE: u64 = 3;

impl Names {
    pub(super) const fn new() -> Self {
        Self { by_name: BTreeMap::new(), by_cookie: BTreeMap::new(), next_cookie: FIRST_COOKIE }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Rc<RamInode>> {
        self.by_name.get(name).map(|name| &name.inode)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Makes `name` point to `inode`; what it pointed to before, whose place it takes.
    pub(super) fn insert(&mut self, name: &[u8], inode: Rc<RamInode>) -> Option<Rc<RamInode>> {
        if let Some(known) = self.by_name.get_mut(name) {
            return Some(core::mem::replace(&mut known.inode, inode));
        }
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        self.by_name.insert(name.to_vec(), Name { inode, cookie });
        self.by_cookie.insert(cookie, name.to_vec());
        None
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Rc<RamInode>> {
        let removed = self.by_name.remove(name)?;
        self.by_cookie.remove(&removed.cookie);
        Some(removed.inode)
    }

    /// The names after the one with cookie `from`, with their cookies.
    pub(super) fn after(&self, from: u64) -> impl Iterator<Item = (u64, &[u8], &Rc<RamInode>)> {
        let later = self.by_cookie.range(from.saturating_add(1)..);
        later.filter_map(|(cookie, name)| {
            Some((*cookie, name.as_slice(), &self.by_name.get(name)?.inode))
        })
    }
}
