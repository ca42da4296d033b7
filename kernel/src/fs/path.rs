//! Path resolution (path_resolution(7)).

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{NAME_MAX, PATH_MAX, Resolve, X_OK};
use wayfarer_proto::linux::stat::FileType;

use super::{Asker, Dentry, LinkTarget, Names};

/// Symbolic links followed in one resolution before `ELOOP` (path_resolution(7)).
const LINKS_MAX: u32 = 40;

/// Whether a symbolic link in the last component is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FollowLast {
    /// It is.
    Yes,
    /// It is not, unless a slash comes after it.
    No,
}

/// The last component of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Last {
    /// There is none: the path leads to the directory itself (`/`), or a link has led straight
    /// to a file.
    Here,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// A name.
    Name {
        /// The name.
        name: Vec<u8>,
        /// Whether a slash comes after it, which only a directory can have.
        slash: bool,
    },
}

/// One resolution in progress: where it has come to, and what is left of the path.
pub(super) struct Walker<'a> {
    root: Rc<Dentry>,
    /// Where it began, which some resolutions must not leave.
    start: Rc<Dentry>,
    resolve: Resolve,
    asker: &'a dyn Asker,
    at: Rc<Dentry>,
    rest: Vec<u8>,
    links: u32,
}

impl<'a> Walker<'a> {
    /// Begins at `start`, or for an absolute path at the asker's root, which is `root` unless it
    /// has another.
    ///
    /// # Errors
    /// `ENOENT` for an empty path; `ENAMETOOLONG` for one longer than `PATH_MAX`.
    pub(super) fn new(
        root: &Rc<Dentry>,
        start: &Rc<Dentry>,
        path: &[u8],
        asker: &'a dyn Asker,
    ) -> Result<Self, Errno> {
        match path {
            [] => return Err(Errno::ENOENT),
            path if path.len() >= PATH_MAX => return Err(Errno::ENAMETOOLONG),
            _ => {}
        }
        let root = asker.root().unwrap_or_else(|| root.clone());
        let at = if path[0] == b'/' { root.clone() } else { start.clone() };
        let (start, resolve) = (start.clone(), Resolve::empty());
        Ok(Self { root, start, resolve, asker, at, rest: path.to_vec(), links: 0 })
    }

    /// Restricts the resolution (openat2(2)).
    ///
    /// # Errors
    /// `EXDEV` for an absolute path that must stay beneath its start.
    pub(super) fn restricted(mut self, resolve: Resolve) -> Result<Self, Errno> {
        self.resolve = resolve;
        if resolve.contains(Resolve::IN_ROOT) {
            self.root = self.start.clone();
        }
        if self.rest[0] == b'/' {
            if resolve.contains(Resolve::BENEATH) {
                return Err(Errno::EXDEV);
            }
            self.at = self.root.clone();
        }
        Ok(self)
    }

    /// Begins again at the root, as an absolute path says.
    fn go_to_root(&mut self) -> Result<(), Errno> {
        if self.resolve.contains(Resolve::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let root = self.root.clone();
        self.check_mount(&root)?;
        self.at = root;
        Ok(())
    }

    /// Fails if the next step leads to another mount, and must not.
    fn check_mount(&self, next: &Rc<Dentry>) -> Result<(), Errno> {
        let device = |dentry: &Rc<Dentry>| dentry.inode().metadata().device;
        let leaves = self.resolve.contains(Resolve::NO_XDEV) && device(next) != device(&self.at);
        if leaves { Err(Errno::EXDEV) } else { Ok(()) }
    }

    /// The directory above, which is the root's own for the root.
    ///
    /// # Errors
    /// `EXDEV` where the resolution is restricted to what lies beneath.
    pub(super) fn above(&self) -> Result<Rc<Dentry>, Errno> {
        if self.resolve.contains(Resolve::BENEATH) && self.at.is(&self.start) {
            return Err(Errno::EXDEV);
        }
        if self.at.is(&self.root) {
            return Ok(self.at.clone());
        }
        let above = self.at.parent().topmost();
        self.check_mount(&above)?;
        Ok(above)
    }

    /// Where it has come to.
    pub(super) fn at(&self) -> &Rc<Dentry> {
        &self.at
    }

    /// Walks up to the last component, which is taken off the path but not looked up.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG` for a component on the way.
    pub(super) fn walk_to_last(&mut self) -> Result<Last, Errno> {
        loop {
            let Some((name, slash)) = self.next_component() else { return Ok(Last::Here) };
            self.require_directory()?;
            if self.rest.iter().all(|byte| *byte == b'/') {
                return Ok(match &name[..] {
                    b"." => Last::Dot,
                    b".." => Last::DotDot,
                    _ => Last::Name { name, slash },
                });
            }
            self.enter(&name)?;
        }
    }

    /// Walks the whole path.
    ///
    /// # Errors
    /// As [`walk_to_last`](Self::walk_to_last), the last component included.
    pub(super) fn walk(mut self, follow: FollowLast) -> Result<Rc<Dentry>, Errno> {
        loop {
            let (name, slash) = match self.walk_to_last()? {
                Last::Here | Last::Dot => return Ok(self.at),
                Last::DotDot => return self.above(),
                Last::Name { name, slash } => (name, slash),
            };
            let child = self.lookup(&name)?;
            let file_type = child.inode().file_type();
            if file_type == FileType::Symlink && (slash || follow == FollowLast::Yes) {
                self.follow(&child)?;
                continue;
            }
            if slash && file_type != FileType::Directory {
                return Err(Errno::ENOTDIR);
            }
            return Ok(child);
        }
    }

    /// Finds `name` in the directory it has come to; a mounted file system's root in place of the
    /// directory it covers.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ENAMETOOLONG`.
    pub(super) fn lookup(&self, name: &[u8]) -> Result<Rc<Dentry>, Errno> {
        let child = lookup_child(&self.at, name, self.asker).map(Dentry::topmost)?;
        self.check_mount(&child)?;
        Ok(child)
    }

    /// Goes where the symbolic link `link` leads; what is left of the path comes after it.
    ///
    /// # Errors
    /// `ELOOP`; `ENOENT` for an empty link; others as the file system says.
    pub(super) fn follow(&mut self, link: &Rc<Dentry>) -> Result<(), Errno> {
        self.links += 1;
        if self.links > LINKS_MAX || self.resolve.contains(Resolve::NO_SYMLINKS) {
            return Err(Errno::ELOOP);
        }
        match link.inode().follow(self.asker)? {
            LinkTarget::Dentry(_) if self.resolve.contains(Resolve::NO_MAGICLINKS) => {
                return Err(Errno::ELOOP);
            }
            LinkTarget::Dentry(_)
                if self.resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT) =>
            {
                return Err(Errno::EXDEV);
            }
            LinkTarget::Dentry(target) => {
                self.check_mount(&target)?;
                self.at = target;
            }
            LinkTarget::Path(target) if target.is_empty() => return Err(Errno::ENOENT),
            LinkTarget::Path(mut target) => {
                if target[0] == b'/' {
                    self.go_to_root()?;
                }
                target.append(&mut self.rest);
                self.rest = target;
            }
        }
        Ok(())
    }

    /// Takes the next component off the path; whether a slash comes after it.
    fn next_component(&mut self) -> Option<(Vec<u8>, bool)> {
        let start = self.rest.iter().position(|byte| *byte != b'/')?;
        let end = self.rest[start..].iter().position(|byte| *byte == b'/');
        let end = end.map_or(self.rest.len(), |length| start + length);
        let name = self.rest[start..end].to_vec();
        self.rest.drain(..end);
        Some((name, !self.rest.is_empty()))
    }

    /// Goes into a component that is not the last.
    fn enter(&mut self, name: &[u8]) -> Result<(), Errno> {
        match name {
            b"." => {}
            b".." => self.at = self.above()?,
            _ => {
                let child = self.lookup(name)?;
                if child.inode().file_type() == FileType::Symlink {
                    return self.follow(&child);
                }
                self.at = child;
            }
        }
        Ok(())
    }

    fn require_directory(&self) -> Result<(), Errno> {
        match self.at.inode().file_type() {
            FileType::Directory => Ok(()),
            _ => Err(Errno::ENOTDIR),
        }
    }
}

/// Finds `name` in `directory`, mounts not looked at.
///
/// # Errors
/// `ENOENT`, `ENOTDIR`, `ENAMETOOLONG`, `EACCES`.
pub(super) fn lookup_child(
    directory: &Rc<Dentry>,
    name: &[u8],
    asker: &dyn Asker,
) -> Result<Rc<Dentry>, Errno> {
    if name.len() > NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    asker.require(&**directory.inode(), X_OK)?;
    let known = directory.known_child(name);
    if let Some(known) = known.filter(|_| directory.inode().names() == Names::Kept) {
        return Ok(known);
    }
    match directory.inode().lookup(name, asker) {
        Ok(inode) => Ok(directory.child(name, inode)),
        Err(error) => {
            if error == Errno::ENOENT {
                directory.forget_child(name);
            }
            Err(error)
        }
    }
}
