//! Names in the tree: which inode, under which name, in which directory.

use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::{Inode, Names};

/// A name that somebody holds on to, with its inode and its parent.
///
/// Inodes know nothing of names (one may have many), but `..`, getcwd(2) and `/proc/PID/fd` need
/// them. A directory's dentry finds the dentries of its children that are still held, so that one
/// name has one dentry, and a rename is seen by everyone who has the file open.
pub struct Dentry {
    inode: Rc<dyn Inode>,
    name: RefCell<Vec<u8>>,
    parent: RefCell<Option<Rc<Dentry>>>,
    children: RefCell<BTreeMap<Vec<u8>, Weak<Dentry>>>,
    /// The root of the file system mounted on this directory.
    mounted: RefCell<Option<Rc<Dentry>>>,
    /// For such a root: the directory it covers.
    covers: RefCell<Option<Rc<Dentry>>>,
    removed: Cell<bool>,
    /// Whether link(2) may give it its first name.
    nameable: Cell<bool>,
}

impl Dentry {
    /// The root of a file system, or with a name something that is in no directory (a pipe).
    pub fn root(inode: Rc<dyn Inode>, name: &[u8]) -> Rc<Self> {
        Rc::new(Self {
            inode,
            name: RefCell::new(name.to_vec()),
            parent: RefCell::default(),
            children: RefCell::default(),
            mounted: RefCell::default(),
            covers: RefCell::default(),
            removed: Cell::new(false),
            nameable: Cell::new(false),
        })
    }

    /// The dentry of a child that was just looked up or made. Finds an existing one where names
    /// stay valid.
    pub(super) fn child(self: &Rc<Self>, name: &[u8], inode: Rc<dyn Inode>) -> Rc<Self> {
        match self.known_child(name) {
            Some(known) if Rc::ptr_eq(&known.inode, &inode) => return known,
            Some(_) => self.forget_child(name),
            None => {}
        }
        let child = Self::root(inode, name);
        child.parent.replace(Some(self.clone()));
        if self.inode.names() != Names::Fleeting {
            self.children.borrow_mut().insert(name.to_vec(), Rc::downgrade(&child));
        }
        child
    }

    /// The dentry of a file made in this directory without a name; `name` is what it is called
    /// where something must be said.
    pub(super) fn unnamed(self: &Rc<Self>, name: &[u8], inode: Rc<dyn Inode>) -> Rc<Self> {
        let child = Self::root(inode, name);
        child.parent.replace(Some(self.clone()));
        child.removed.set(true);
        child
    }

    /// Lets link(2) give it a name though it has none.
    pub(super) fn permit_name(&self) {
        self.nameable.set(true);
    }

    /// Whether link(2) may give it a name though it has none.
    pub(super) fn is_nameable(&self) -> bool {
        self.nameable.get()
    }

    /// A child's dentry, if somebody holds it.
    pub(super) fn known_child(&self, name: &[u8]) -> Option<Rc<Self>> {
        self.children.borrow().get(name)?.upgrade()
    }

    /// What the name points to.
    pub fn inode(&self) -> &Rc<dyn Inode> {
        &self.inode
    }

    /// The directory this is in. A root's parent is that of the directory it covers; the parent
    /// of the topmost root is itself.
    pub fn parent(self: &Rc<Self>) -> Rc<Self> {
        let mut at = self.clone();
        loop {
            let covered = at.covers.borrow().clone();
            match covered {
                Some(below) => at = below,
                None => break,
            }
        }
        let parent = at.parent.borrow().clone();
        parent.unwrap_or(at)
    }

    /// The directory whose entry this is, or was; none for a root.
    pub(super) fn directory(&self) -> Option<Rc<Self>> {
        self.parent.borrow().clone()
    }

    /// The name in that directory.
    pub(super) fn name(&self) -> Vec<u8> {
        self.name.borrow().clone()
    }

    /// Whether this is the same dentry as `other`.
    pub fn is(self: &Rc<Self>, other: &Rc<Self>) -> bool {
        Rc::ptr_eq(self, other)
    }

    /// Whether `other` is this or lies below it.
    pub fn contains(self: &Rc<Self>, other: &Rc<Self>) -> bool {
        let mut at = other.clone();
        loop {
            if at.is(self) {
                return true;
            }
            let above = at.parent();
            if above.is(&at) {
                return false;
            }
            at = above;
        }
    }

    /// Mounts the file system with this root here.
    pub(super) fn mount(self: &Rc<Self>, root: Rc<Self>) {
        root.covers.replace(Some(self.clone()));
        self.mounted.replace(Some(root));
    }

    /// This, or the root of what is mounted on it.
    pub(super) fn topmost(self: Rc<Self>) -> Rc<Self> {
        let mut at = self;
        loop {
            let above = at.mounted.borrow().clone();
            match above {
                Some(root) => at = root,
                None => return at,
            }
        }
    }

    /// Whether a file system is mounted here.
    pub fn is_mount_point(&self) -> bool {
        self.mounted.borrow().is_some()
    }

    /// Whether the name has been removed while somebody holds it.
    pub fn is_removed(&self) -> bool {
        self.removed.get()
    }

    /// Notes that `name` was removed from this directory.
    pub(super) fn forget_child(&self, name: &[u8]) {
        let known = self.children.borrow_mut().remove(name);
        if let Some(child) = known.and_then(|child| child.upgrade()) {
            child.removed.set(true);
        }
    }

    /// Notes that this is now called `name` and is in the directory `parent`.
    pub(super) fn move_to(self: &Rc<Self>, parent: &Rc<Self>, name: &[u8]) {
        let old_parent = self.parent.replace(Some(parent.clone()));
        let old_name = self.name.replace(name.to_vec());
        if let Some(old_parent) = old_parent {
            let mut siblings = old_parent.children.borrow_mut();
            if siblings.get(&old_name).is_some_and(|child| child.as_ptr() == Rc::as_ptr(self)) {
                siblings.remove(&old_name);
            }
        }
        parent.children.borrow_mut().insert(name.to_vec(), Rc::downgrade(self));
    }

    /// The path from the topmost root, `" (deleted)"` behind it if the name is no more; for
    /// something in no directory its name (`pipe:[7]`).
    pub fn path(self: &Rc<Self>) -> Vec<u8> {
        self.path_from(None)
    }

    /// The same from `root`, if it lies below that.
    pub fn path_from(self: &Rc<Self>, root: Option<&Rc<Self>>) -> Vec<u8> {
        let mut path = match self.path_in_tree(root) {
            Some(path) => path,
            None => return self.name.borrow().clone(),
        };
        if self.removed.get() {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    /// The path from `root` or the topmost one; `None` for something in no directory.
    fn path_in_tree(self: &Rc<Self>, root: Option<&Rc<Self>>) -> Option<Vec<u8>> {
        let mut names = Vec::new();
        let mut at = self.clone();
        while !root.is_some_and(|root| at.is(root)) {
            let covered = at.covers.borrow().clone();
            if let Some(below) = covered {
                at = below;
                continue;
            }
            let above = at.parent.borrow().clone();
            let Some(above) = above else { break };
            names.push(at.name.borrow().clone());
            at = above;
        }
        let is_root = root.is_some_and(|root| at.is(root)) || *at.name.borrow() == b"/";
        if !is_root {
            return None;
        }
        if names.is_empty() {
            return Some(b"/".to_vec());
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        Some(path)
    }
}

impl Drop for Dentry {
    /// Takes the entry out of the parent's list, and frees a chain of parents one by one: a
    /// recursion would be as deep as a program made its directories.
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        if let Some(parent) = &parent {
            let name = self.name.borrow();
            let mut siblings = parent.children.borrow_mut();
            if siblings.get(&*name).is_some_and(|child| child.strong_count() == 0) {
                siblings.remove(&*name);
            }
        }
        while let Some(above) = parent {
            let Some(last) = Rc::into_inner(above) else { break };
            let next = last.parent.borrow().clone();
            drop(last);
            parent = next;
        }
    }
}
