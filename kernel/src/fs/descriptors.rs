//! A process's descriptor table (dup(2), fcntl(2), close_range(2)).

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::sorted::SortedMap;

use super::OpenFile;

/// What a descriptor refers to.
#[derive(Clone)]
pub struct Descriptor {
    /// The open file description.
    pub file: Rc<OpenFile>,
    /// Whether execve(2) closes it.
    pub close_on_exec: bool,
}

/// The descriptors of a process.
///
/// What a descriptor refers to is never dropped while the table is borrowed: closing the last one
/// of a pipe wakes others. A limit is `RLIMIT_NOFILE`: one more than the largest number allowed.
/// A map and not a vector, so that the memory it takes follows the files and not the numbers.
#[derive(Default)]
pub struct Descriptors {
    slots: RefCell<SortedMap<u32, Descriptor>>,
    /// All numbers below are in use: a free one is looked for from here.
    full_below: Cell<u32>,
}

impl Descriptors {
    /// An empty table.
    pub const fn new() -> Self {
        Self { slots: RefCell::new(SortedMap::new()), full_below: Cell::new(0) }
    }

    /// The open file that `fd` refers to.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, fd: Fd) -> Result<Rc<OpenFile>, Errno> {
        let number = number(fd)?;
        // Where all numbers below are in use, as they mostly are, it is the place as well.
        match self.slots.borrow().at(number as usize) {
            Some((found, descriptor)) if *found == number => Ok(Rc::clone(&descriptor.file)),
            _ => self.descriptor(fd).map(|descriptor| descriptor.file),
        }
    }

    /// The descriptor `fd`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn descriptor(&self, fd: Fd) -> Result<Descriptor, Errno> {
        self.slots.borrow().get(&number(fd)?).cloned().ok_or(Errno::EBADF)
    }

    /// Whether nobody else has this file open: no other process, no message on its way, no handler
    /// of a call. `file` itself is one more than the table has.
    pub fn has_alone(&self, file: &Rc<OpenFile>) -> bool {
        let slots = self.slots.borrow();
        let own = slots.values().filter(|descriptor| Rc::ptr_eq(&descriptor.file, file)).count();
        Rc::strong_count(file) == own + 1
    }

    /// Gives a file the lowest free number that is not below `from`.
    ///
    /// # Errors
    /// As [`lowest_free`](Self::lowest_free).
    pub fn insert(&self, descriptor: Descriptor, from: Fd, limit: u64) -> Result<Fd, Errno> {
        let fd = self.lowest_free(from, limit)?;
        self.slots.borrow_mut().insert(number(fd)?, descriptor);
        Ok(fd)
    }

    /// The lowest free number that is not below `from`.
    ///
    /// # Errors
    /// `EMFILE` if there is none below `limit`; `EINVAL` for a negative `from`.
    pub fn lowest_free(&self, from: Fd, limit: u64) -> Result<Fd, Errno> {
        let from = number(from).map_err(|_| Errno::EINVAL)?;
        let full_below = self.full_below.get();
        let mut free = from.max(full_below);
        for (used, _) in self.slots.borrow().range(free..) {
            if *used != free {
                break;
            }
            free += 1;
        }
        if from <= full_below {
            self.full_below.set(free);
        }
        let fd = i32::try_from(free).map_err(|_| Errno::EMFILE)?;
        if u64::from(free) < limit { Ok(Fd(fd)) } else { Err(Errno::EMFILE) }
    }

    /// Makes `fd` refer to this file; what it referred to before is returned (dup2(2)).
    ///
    /// # Errors
    /// `EBADF` if `fd` is not below `limit`.
    pub fn replace(
        &self,
        fd: Fd,
        descriptor: Descriptor,
        limit: u64,
    ) -> Result<Option<Rc<OpenFile>>, Errno> {
        let number = number(fd)?;
        if u64::from(number) >= limit {
            return Err(Errno::EBADF);
        }
        Ok(self.slots.borrow_mut().insert(number, descriptor).map(|old| old.file))
    }

    /// Frees `fd`; what it referred to is returned.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn remove(&self, fd: Fd) -> Result<Rc<OpenFile>, Errno> {
        let number = number(fd)?;
        self.full_below.set(self.full_below.get().min(number));
        let removed = self.slots.borrow_mut().remove(&number);
        removed.map(|old| old.file).ok_or(Errno::EBADF)
    }

    /// Sets or clears close-on-exec (`F_SETFD`).
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_close_on_exec(&self, fd: Fd, close_on_exec: bool) -> Result<(), Errno> {
        let mut slots = self.slots.borrow_mut();
        slots.get_mut(&number(fd)?).ok_or(Errno::EBADF)?.close_on_exec = close_on_exec;
        Ok(())
    }

    /// Frees all from `first` to `last`, both included; what they referred to is returned, for the
    /// caller to drop.
    pub fn remove_range(&self, first: u32, last: u32) -> Vec<Rc<OpenFile>> {
        self.remove_if(|number, _| (first..=last).contains(&number))
    }

    /// Marks all from `first` to `last`, both included, close-on-exec.
    pub fn close_on_exec_range(&self, first: u32, last: u32) {
        for (number, descriptor) in self.slots.borrow_mut().iter_mut() {
            descriptor.close_on_exec |= (first..=last).contains(number);
        }
    }

    /// Frees what execve(2) closes, for the caller to drop.
    pub fn remove_close_on_exec(&self) -> Vec<Rc<OpenFile>> {
        self.remove_if(|_, descriptor| descriptor.close_on_exec)
    }

    /// The table of a new process: the same files (fork(2)).
    #[must_use]
    pub fn fork(&self) -> Self {
        let slots = RefCell::new(self.slots.borrow().clone());
        Self { slots, full_below: self.full_below.clone() }
    }

    /// Frees all; what they referred to is returned, for the caller to drop.
    pub fn clear(&self) -> Vec<Rc<OpenFile>> {
        self.remove_if(|_, _| true)
    }

    /// All that are in use, in order.
    pub fn list(&self) -> Vec<(Fd, Descriptor)> {
        let slots = self.slots.borrow();
        let used = slots.iter().filter_map(|(number, descriptor)| {
            Some((Fd(i32::try_from(*number).ok()?), descriptor.clone()))
        });
        used.collect()
    }

    /// How many are in use.
    pub fn count(&self) -> usize {
        self.slots.borrow().len()
    }

    fn remove_if(&self, mut wanted: impl FnMut(u32, &Descriptor) -> bool) -> Vec<Rc<OpenFile>> {
        let mut removed = Vec::new();
        self.slots.borrow_mut().retain(|number, descriptor| {
            let keep = !wanted(*number, descriptor);
            if !keep {
                self.full_below.set(self.full_below.get().min(*number));
                removed.push(descriptor.file.clone());
            }
            keep
        });
        removed
    }
}

fn number(fd: Fd) -> Result<u32, Errno> {
    u32::try_from(fd.0).map_err(|_| Errno::EBADF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::testing::TestTree;

    const LIMIT: u64 = 8;

    fn descriptor(tree: &TestTree) -> Descriptor {
        Descriptor { file: tree.open_null(), close_on_exec: false }
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let tree = TestTree::new();
        let table = Descriptors::new();
        for expected in 0..3 {
            assert_eq!(table.insert(descriptor(&tree), Fd(0), LIMIT), Ok(Fd(expected)));
        }
        table.remove(Fd(1)).unwrap();
        assert_eq!(table.insert(descriptor(&tree), Fd(0), LIMIT), Ok(Fd(1)));
        assert_eq!(table.insert(descriptor(&tree), Fd(6), LIMIT), Ok(Fd(6)), "F_DUPFD");
        assert_eq!(table.insert(descriptor(&tree), Fd(2), LIMIT), Ok(Fd(3)));
        assert_eq!(table.count(), 5);
    }

    #[test]
    fn a_full_table_is_emfile_and_a_number_beyond_it_ebadf() {
        let tree = TestTree::new();
        let table = Descriptors::new();
        for _ in 0..LIMIT {
            table.insert(descriptor(&tree), Fd(0), LIMIT).unwrap();
        }
        assert_eq!(table.insert(descriptor(&tree), Fd(0), LIMIT), Err(Errno::EMFILE));
        assert_eq!(table.replace(Fd(8), descriptor(&tree), LIMIT).err(), Some(Errno::EBADF));
        assert_eq!(table.replace(Fd(-1), descriptor(&tree), LIMIT).err(), Some(Errno::EBADF));
        assert_eq!(table.get(Fd(-1)).err(), Some(Errno::EBADF));
        assert_eq!(table.get(Fd(i32::MAX)).err(), Some(Errno::EBADF));
        assert_eq!(table.insert(descriptor(&tree), Fd(i32::MAX), u64::MAX), Ok(Fd(i32::MAX)));
        assert_eq!(table.insert(descriptor(&tree), Fd(i32::MAX), u64::MAX), Err(Errno::EMFILE));
    }

    #[test]
    fn replacing_returns_what_was_there() {
        let tree = TestTree::new();
        let table = Descriptors::new();
        let first = table.insert(descriptor(&tree), Fd(0), LIMIT).unwrap();
        let old = table.get(first).unwrap();
        let returned = table.replace(first, descriptor(&tree), LIMIT).unwrap().unwrap();
        assert!(Rc::ptr_eq(&old, &returned));
        assert!(table.replace(Fd(5), descriptor(&tree), LIMIT).unwrap().is_none());
    }

    #[test]
    fn a_file_is_had_alone_until_a_child_has_it() {
        let tree = TestTree::new();
        let table = Descriptors::new();
        let fd = table.insert(descriptor(&tree), Fd(0), LIMIT).unwrap();
        let file = table.get(fd).unwrap();
        assert!(table.has_alone(&file));
        table.insert(table.descriptor(fd).unwrap(), Fd(0), LIMIT).unwrap();
        assert!(table.has_alone(&file), "dup(2)");
        let child = table.fork();
        assert!(!table.has_alone(&file));
        drop(child);
        assert!(table.has_alone(&file));
    }

    #[test]
    fn exec_closes_what_is_marked_and_fork_copies_all() {
        let tree = TestTree::new();
        let table = Descriptors::new();
        for _ in 0..4 {
            table.insert(descriptor(&tree), Fd(0), LIMIT).unwrap();
        }
        table.set_close_on_exec(Fd(1), true).unwrap();
        table.close_on_exec_range(3, u32::MAX);
        let child = table.fork();
        assert_eq!(child.remove_close_on_exec().len(), 2);
        assert_eq!(child.list().iter().map(|(fd, _)| fd.0).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(table.count(), 4, "the parent keeps its own");
        assert_eq!(table.set_close_on_exec(Fd(7), true), Err(Errno::EBADF));
    }

    #[test]
    fn ranges_close_what_is_in_them() {
        let tree = TestTree::new();
        let table = Descriptors::new();
        for _ in 0..5 {
            table.insert(descriptor(&tree), Fd(0), LIMIT).unwrap();
        }
        assert_eq!(table.remove_range(3, u32::MAX).len(), 2);
        assert_eq!(table.remove_range(100, u32::MAX).len(), 0);
        assert_eq!(table.count(), 3);
        assert_eq!(tree.vfs.open_files().count(), 3);
        drop(table.clear());
        assert_eq!(tree.vfs.open_files().count(), 0);
    }
}
