//! rename(2) and renameat2(2).

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::{RENAME_EXCHANGE, RENAME_NOREPLACE, W_OK, X_OK};
use wayfarer_proto::linux::stat::FileType;

use super::Vfs;
use super::change::may_remove;
use crate::fs::path::{Last, Walker, lookup_child};
use crate::fs::{Asker, Dentry};

/// What renaming does about a name that exists already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenameMode {
    /// Replaces it.
    Replace,
    /// Fails with `EEXIST`.
    NoReplace,
    /// Exchanges the two.
    Exchange,
}

impl RenameMode {
    /// The mode that the flags of renameat2(2) ask for.
    ///
    /// # Errors
    /// `EINVAL` for others, or for both at once.
    pub const fn from_flags(flags: u32) -> Result<Self, Errno> {
        match flags {
            0 => Ok(Self::Replace),
            RENAME_NOREPLACE => Ok(Self::NoReplace),
            RENAME_EXCHANGE => Ok(Self::Exchange),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// One of the two names of a rename.
struct Side {
    directory: Rc<Dentry>,
    name: Vec<u8>,
    slash: bool,
}

impl Side {
    /// `None` for a path that ends in no name (`.`, `/`).
    fn new(directory: Rc<Dentry>, last: Last) -> Option<Self> {
        match last {
            Last::Name { name, slash } => Some(Self { directory, name, slash }),
            _ => None,
        }
    }

    fn lookup(&self, asker: &dyn Asker) -> Result<Rc<Dentry>, Errno> {
        lookup_child(&self.directory, &self.name, asker)
    }
}

fn is_directory(dentry: &Rc<Dentry>) -> bool {
    dentry.inode().file_type() == FileType::Directory
}

impl Vfs {
    /// renameat2(2): each path with the directory it starts at.
    ///
    /// # Errors
    /// As rename(2).
    pub fn rename(
        &self,
        (from_start, from_path): (&Rc<Dentry>, &[u8]),
        (to_start, to_path): (&Rc<Dentry>, &[u8]),
        mode: RenameMode,
        asker: &dyn Asker,
    ) -> Result<(), Errno> {
        let (from, from_name) = self.walk(from_start, from_path, asker)?;
        let (to, to_name) = self.walk(to_start, to_path, asker)?;
        if from.inode().metadata().device != to.inode().metadata().device {
            return Err(Errno::EXDEV);
        }
        let taken = if mode == RenameMode::NoReplace { Errno::EEXIST } else { Errno::EBUSY };
        let from = Side::new(from, from_name).ok_or(Errno::EBUSY)?;
        let to = Side::new(to, to_name).ok_or(taken)?;
        let source = from.lookup(asker)?;
        let target = match to.lookup(asker) {
            Ok(_) if mode == RenameMode::NoReplace => return Err(Errno::EEXIST),
            Ok(target) => Some(target),
            Err(Errno::ENOENT) if mode != RenameMode::Exchange => None,
            Err(error) => return Err(error),
        };
        check(&from, &to, &source, target.as_ref(), mode)?;
        may_rename(&from, &to, &source, target.as_ref(), asker)?;
        match target {
            // Two names of one file: nothing to do, and both stay (rename(2)).
            Some(target) if Rc::ptr_eq(target.inode(), source.inode()) => Ok(()),
            Some(target) if mode == RenameMode::Exchange => {
                exchange(&from, &to, &source, &target)?;
                self.tell_moved(&source, &from, &to);
                self.tell_moved(&target, &to, &from);
                Ok(())
            }
            replaced => {
                let target = to.directory.inode();
                from.directory.inode().rename(&from.name, &**target, &to.name)?;
                to.directory.forget_child(&to.name);
                source.move_to(&to.directory, &to.name);
                self.tell_moved(&source, &from, &to);
                if let Some(replaced) = replaced {
                    self.watches().name_lost(&replaced);
                }
                Ok(())
            }
        }
    }

    /// Says that a name was moved.
    fn tell_moved(&self, dentry: &Rc<Dentry>, from: &Side, to: &Side) {
        let (from, to) = ((&from.directory, &from.name[..]), (&to.directory, &to.name[..]));
        self.watches().moved(dentry, from, to);
    }

    /// Walks to the directory of one of the names.
    fn walk(
        &self,
        start: &Rc<Dentry>,
        path: &[u8],
        asker: &dyn Asker,
    ) -> Result<(Rc<Dentry>, Last), Errno> {
        let mut walker = Walker::new(&self.root, start, path, asker)?;
        let last = walker.walk_to_last()?;
        Ok((walker.at().clone(), last))
    }
}

/// Both directories are written to, and what moves or goes may be in a sticky one.
fn may_rename(
    from: &Side,
    to: &Side,
    source: &Rc<Dentry>,
    target: Option<&Rc<Dentry>>,
    asker: &dyn Asker,
) -> Result<(), Errno> {
    may_remove(&**from.directory.inode(), &**source.inode(), asker)?;
    match target {
        Some(target) => may_remove(&**to.directory.inode(), &**target.inode(), asker),
        None => asker.require(&**to.directory.inode(), W_OK | X_OK),
    }
}

/// The order of the checks is Linux's (`do_renameat2`, `vfs_rename`).
fn check(
    from: &Side,
    to: &Side,
    source: &Rc<Dentry>,
    target: Option<&Rc<Dentry>>,
    mode: RenameMode,
) -> Result<(), Errno> {
    let exchange = mode == RenameMode::Exchange;
    let target_is_directory = target.is_some_and(is_directory);
    if !is_directory(source) && (from.slash || (!exchange && to.slash)) {
        return Err(Errno::ENOTDIR);
    }
    if exchange && to.slash && !target_is_directory {
        return Err(Errno::ENOTDIR);
    }
    if source.contains(&to.directory) {
        return Err(Errno::EINVAL);
    }
    if target.is_some_and(|target| target.contains(&from.directory)) {
        return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
    }
    if to.directory.is_removed() {
        return Err(Errno::ENOENT);
    }
    if target.is_some_and(|target| Rc::ptr_eq(target.inode(), source.inode())) {
        return Ok(());
    }
    if target.is_some() && !exchange {
        match (is_directory(source), target_is_directory) {
            (true, false) => return Err(Errno::ENOTDIR),
            (false, true) => return Err(Errno::EISDIR),
            _ => {}
        }
    }
    if source.is_mount_point() || target.is_some_and(|target| target.is_mount_point()) {
        return Err(Errno::EBUSY);
    }
    Ok(())
}

fn exchange(from: &Side, to: &Side, source: &Rc<Dentry>, target: &Rc<Dentry>) -> Result<(), Errno> {
    from.directory.inode().exchange(&from.name, &**to.directory.inode(), &to.name)?;
    source.move_to(&to.directory, &to.name);
    target.move_to(&from.directory, &from.name);
    Ok(())
}
