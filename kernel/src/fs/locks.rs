//! Advisory locks: record locks of fcntl(2), by table of descriptors or by open file description,
//! and flock(2).

use alloc::vec::Vec;
use core::cell::RefCell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::sorted::SortedMap;

use super::Metadata;
use crate::executor::WaitQueue;

/// Who holds a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockOwner {
    /// A table of descriptors, by its address (`F_SETLK`): most are of one process each.
    Table(usize),
    /// An open file description, by its number (`F_OFD_SETLK`).
    Description(u64),
    /// An open file description, by flock(2): these locks see only each other.
    Flock(u64),
}

impl LockOwner {
    /// Whether locks of the two see each other.
    const fn meets(self, other: Self) -> bool {
        matches!(self, Self::Flock(_)) == matches!(other, Self::Flock(_))
    }
}

/// What a lock keeps others from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockKind {
    /// An exclusive lock.
    Shared,
    /// Any other lock.
    Exclusive,
}

/// The bytes from `start` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockRange {
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub last: u64,
}

impl LockRange {
    /// Every byte a file can have.
    pub const WHOLE: Self = Self { start: 0, last: i64::MAX as u64 };

    /// The range of a `struct flock`: `start` bytes from `base`, `length` bytes from there,
    /// backwards if negative, to the end of any file if 0.
    ///
    /// # Errors
    /// `EINVAL` for a range that begins below zero, `EOVERFLOW` for one beyond the largest offset.
    pub fn new(base: u64, start: i64, length: i64) -> Result<Self, Errno> {
        let start = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?.checked_add(start);
        let start = start.ok_or(Errno::EOVERFLOW)?;
        let (start, last) = match length {
            0 => (start, i64::MAX),
            1.. => (start, start.checked_add(length - 1).ok_or(Errno::EOVERFLOW)?),
            _ => (start.checked_add(length).ok_or(Errno::EINVAL)?, start - 1),
        };
        let start = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
        let last = u64::try_from(last).map_err(|_| Errno::EINVAL)?;
        Ok(Self { start, last })
    }

    const fn overlaps(self, other: Self) -> bool {
        self.start <= other.last && other.start <= self.last
    }
}

/// A lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lock {
    /// Who holds it.
    pub owner: LockOwner,
    /// What it keeps others from.
    pub kind: LockKind,
    /// Which bytes.
    pub range: LockRange,
    /// The process that set it.
    pub pid: Pid,
}

/// A file, whatever it is called: device and inode number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FileKey(u64, u64);

impl From<&Metadata> for FileKey {
    fn from(metadata: &Metadata) -> Self {
        Self(metadata.device.0, metadata.inode)
    }
}

/// The most locks of a node; more are `ENOLCK`.
const LOCKS_MAX: usize = 4096;

/// All locks of a node. There is no search for deadlocks: `EDEADLK` is never given.
#[derive(Default)]
pub struct Locks {
    files: RefCell<SortedMap<FileKey, Vec<Lock>>>,
    changes: WaitQueue,
}

impl Locks {
    /// Wakes when a lock has been released.
    pub const fn changes(&self) -> &WaitQueue {
        &self.changes
    }

    /// A lock that keeps `wanted` from being set (`F_GETLK`).
    pub fn conflict(&self, file: FileKey, wanted: &Lock) -> Option<Lock> {
        let files = self.files.borrow();
        files.get(&file)?.iter().copied().find(|held| conflicts(held, wanted))
    }

    /// Sets a lock, in place of what its owner held on these bytes.
    ///
    /// # Errors
    /// `EAGAIN` if another is in the way, with what was held before still held; `ENOLCK` if there
    /// are too many.
    pub fn set(&self, file: FileKey, wanted: Lock) -> Result<(), Errno> {
        if self.conflict(file, &wanted).is_some() {
            return Err(Errno::EAGAIN);
        }
        let mut files = self.files.borrow_mut();
        if files.values().map(Vec::len).sum::<usize>() >= LOCKS_MAX {
            return Err(Errno::ENOLCK);
        }
        let locks = files.get_or_default(file);
        carve(locks, wanted.owner, wanted.range);
        locks.push(wanted);
        drop(files);
        // What was exclusive may be shared now.
        self.changes.wake_all();
        Ok(())
    }

    /// Releases what `owner` holds on these bytes.
    pub fn unlock(&self, file: FileKey, owner: LockOwner, range: LockRange) {
        let mut files = self.files.borrow_mut();
        if let Some(locks) = files.get_mut(&file) {
            carve(locks, owner, range);
            if locks.is_empty() {
                files.remove(&file);
            }
            drop(files);
            self.changes.wake_all();
        }
    }

    /// Releases what these owners hold on any file: an open file description is gone, or a table.
    pub fn release(&self, owners: &[LockOwner]) {
        let mut files = self.files.borrow_mut();
        files.retain(|_, locks| {
            locks.retain(|lock| !owners.contains(&lock.owner));
            !locks.is_empty()
        });
        drop(files);
        self.changes.wake_all();
    }

    /// How many are held.
    pub fn count(&self) -> usize {
        self.files.borrow().values().map(Vec::len).sum()
    }
}

fn conflicts(held: &Lock, wanted: &Lock) -> bool {
    let exclusive = held.kind == LockKind::Exclusive || wanted.kind == LockKind::Exclusive;
    exclusive
        && held.owner != wanted.owner
        && held.owner.meets(wanted.owner)
        && held.range.overlaps(wanted.range)
}

/// Takes a range out of what `owner` holds; what is left of a lock on either side stays.
fn carve(locks: &mut Vec<Lock>, owner: LockOwner, range: LockRange) {
    let mut left = Vec::new();
    locks.retain(|lock| {
        if lock.owner != owner || !lock.range.overlaps(range) {
            return true;
        }
        if lock.range.start < range.start {
            let before = LockRange { start: lock.range.start, last: range.start - 1 };
            left.push(Lock { range: before, ..*lock });
        }
        if lock.range.last > range.last {
            let after = LockRange { start: range.last + 1, last: lock.range.last };
            left.push(Lock { range: after, ..*lock });
        }
        false
    });
    locks.append(&mut left);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileKey = FileKey(1, 2);
    const ONE: LockOwner = LockOwner::Table(1);
    const TWO: LockOwner = LockOwner::Table(2);

    fn lock(owner: LockOwner, kind: LockKind, start: u64, last: u64) -> Lock {
        Lock { owner, kind, range: LockRange { start, last }, pid: Pid(1) }
    }

    #[test]
    fn shared_locks_go_together_and_exclusive_ones_do_not() {
        let locks = Locks::default();
        locks.set(FILE, lock(ONE, LockKind::Shared, 0, 9)).unwrap();
        locks.set(FILE, lock(TWO, LockKind::Shared, 5, 15)).unwrap();
        let wanted = lock(TWO, LockKind::Exclusive, 8, 20);
        assert_eq!(locks.set(FILE, wanted), Err(Errno::EAGAIN));
        assert_eq!(locks.conflict(FILE, &wanted).unwrap().owner, ONE);
        assert_eq!(locks.set(FILE, lock(TWO, LockKind::Exclusive, 10, 20)), Ok(()));
        assert_eq!(locks.set(FileKey(1, 3), wanted), Ok(()), "another file");
    }

    #[test]
    fn unlocking_the_middle_leaves_both_sides() {
        let locks = Locks::default();
        locks.set(FILE, lock(ONE, LockKind::Exclusive, 0, 99)).unwrap();
        locks.unlock(FILE, ONE, LockRange { start: 40, last: 59 });
        assert_eq!(locks.count(), 2);
        assert_eq!(locks.set(FILE, lock(TWO, LockKind::Exclusive, 40, 59)), Ok(()));
        assert_eq!(locks.set(FILE, lock(TWO, LockKind::Shared, 39, 39)), Err(Errno::EAGAIN));
        assert_eq!(locks.set(FILE, lock(TWO, LockKind::Shared, 60, 60)), Err(Errno::EAGAIN));
        locks.release(&[ONE]);
        assert_eq!(locks.set(FILE, lock(TWO, LockKind::Shared, 0, 99)), Ok(()));
        locks.release(&[TWO]);
        assert_eq!(locks.count(), 0);
    }

    #[test]
    fn an_owner_changes_its_own_lock() {
        let locks = Locks::default();
        locks.set(FILE, lock(ONE, LockKind::Exclusive, 0, 9)).unwrap();
        locks.set(FILE, lock(ONE, LockKind::Shared, 0, 9)).unwrap();
        assert_eq!(locks.count(), 1);
        assert_eq!(locks.set(FILE, lock(TWO, LockKind::Shared, 0, 9)), Ok(()));
    }

    #[test]
    fn flock_and_fcntl_do_not_meet() {
        let locks = Locks::default();
        let flock = |id, kind| lock(LockOwner::Flock(id), kind, 0, LockRange::WHOLE.last);
        locks.set(FILE, lock(ONE, LockKind::Exclusive, 0, 9)).unwrap();
        assert_eq!(locks.set(FILE, flock(1, LockKind::Exclusive)), Ok(()));
        assert_eq!(locks.set(FILE, flock(2, LockKind::Shared)), Err(Errno::EAGAIN));
        let description = lock(LockOwner::Description(1), LockKind::Shared, 0, 0);
        assert_eq!(locks.set(FILE, description), Err(Errno::EAGAIN));
    }

    #[test]
    fn ranges_are_those_of_struct_flock() {
        let range = |start, last| Ok(LockRange { start, last });
        assert_eq!(LockRange::new(0, 10, 5), range(10, 14));
        assert_eq!(LockRange::new(100, -10, 5), range(90, 94));
        assert_eq!(LockRange::new(0, 10, -5), range(5, 9));
        assert_eq!(LockRange::new(0, 10, 0), range(10, i64::MAX as u64));
        assert_eq!(LockRange::new(0, -1, 1), Err(Errno::EINVAL));
        assert_eq!(LockRange::new(0, 3, -5), Err(Errno::EINVAL));
        assert_eq!(LockRange::new(0, i64::MAX, 2), Err(Errno::EOVERFLOW));
    }

    #[test]
    fn too_many_are_enolck() {
        let locks = Locks::default();
        for start in 0..LOCKS_MAX as u64 {
            let one = lock(ONE, LockKind::Exclusive, 2 * start, 2 * start);
            locks.set(FILE, one).unwrap();
        }
        let more = lock(ONE, LockKind::Exclusive, 1, 1);
        assert_eq!(locks.set(FILE, more), Err(Errno::ENOLCK));
    }
}
