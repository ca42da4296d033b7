//! A set of semaphores (semop(2)).

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::ipc::{IPC_NOWAIT, SEM_UNDO, SEMVMX, Sembuf, SemidDs};
use wayfarer_proto::sorted::SortedMap;

use super::{Object, Permission};
use crate::executor::WaitQueue;

/// One operation of semop(2).
pub type Operation = Sembuf;

/// What a process's end takes back, by set and semaphore.
pub type Undo = SortedMap<(i32, u16), i32>;

/// One semaphore.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Semaphore {
    value: i32,
    /// Who changed it last.
    pid: i32,
}

/// What somebody waits for: a semaphore's being zero, or its being more.
type Blocked = Rc<Cell<Option<(u16, bool)>>>;

/// A set.
pub struct SemaphoreSet {
    /// Who may do what.
    pub permission: Cell<Permission>,
    semaphores: RefCell<Vec<Semaphore>>,
    waiting: RefCell<Vec<Blocked>>,
    /// Whether it exists no more.
    pub removed: Cell<bool>,
    /// Last semop(2) and change, in seconds.
    pub times: [Cell<u64>; 2],
    /// Woken when a value has changed, and at the end.
    pub changes: WaitQueue,
}

impl Object for SemaphoreSet {
    fn permission(&self) -> &Cell<Permission> {
        &self.permission
    }

    fn gone(&self) {
        self.removed.set(true);
        self.changes.wake_all();
    }
}

impl SemaphoreSet {
    /// A set of semaphores that are 0.
    pub fn new(permission: Permission, count: usize, now: u64) -> Self {
        Self {
            permission: Cell::new(permission),
            semaphores: RefCell::new(alloc::vec![Semaphore::default(); count]),
            waiting: RefCell::default(),
            removed: Cell::new(false),
            times: [Cell::new(0), Cell::new(now)],
            changes: WaitQueue::new(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.semaphores.borrow().len()
    }

    /// As `IPC_STAT` tells it, after the permissions.
    pub fn describe(&self) -> SemidDs {
        SemidDs {
            operated: self.times[0].get(),
            padding1: 0,
            changed: self.times[1].get(),
            padding2: 0,
            count: self.count() as u64,
            padding3: [0; 16],
        }
    }

    /// All values.
    pub fn values(&self) -> Vec<i32> {
        self.semaphores.borrow().iter().map(|semaphore| semaphore.value).collect()
    }

    /// Who changed a semaphore last.
    ///
    /// # Errors
    /// `EINVAL` if there is no such semaphore.
    pub fn pid(&self, number: i32) -> Result<i32, Errno> {
        let index = usize::try_from(number).map_err(|_| Errno::EINVAL)?;
        self.semaphores.borrow().get(index).map(|one| one.pid).ok_or(Errno::EINVAL)
    }

    /// Sets the values from `first` on.
    ///
    /// # Errors
    /// `EINVAL` if there are not so many, `ERANGE` for a value that none can have.
    pub fn set(&self, first: usize, values: &[i32], pid: i32) -> Result<(), Errno> {
        if values.iter().any(|value| !(0..=SEMVMX).contains(value)) {
            return Err(Errno::ERANGE);
        }
        let mut semaphores = self.semaphores.borrow_mut();
        let end = first.checked_add(values.len()).ok_or(Errno::EINVAL)?;
        let targets = semaphores.get_mut(first..end).ok_or(Errno::EINVAL)?;
        for (semaphore, value) in targets.iter_mut().zip(values) {
            *semaphore = Semaphore { value: *value, pid };
        }
        drop(semaphores);
        self.changes.wake_all();
        Ok(())
    }

    /// Does all operations or none.
    ///
    /// # Errors
    /// `EAGAIN` with the first operation that must wait; `EFBIG` for a semaphore that is not
    /// there; `ERANGE` for a value that none can have.
    pub fn operate(
        &self,
        operations: &[Operation],
        pid: i32,
    ) -> Result<(), (Errno, Option<Operation>)> {
        let mut semaphores = self.semaphores.borrow().clone();
        for operation in operations {
            let semaphore = semaphores.get_mut(usize::from(operation.number));
            let semaphore = semaphore.ok_or((Errno::EFBIG, None))?;
            let value = semaphore.value + i32::from(operation.operation);
            let waits = match operation.operation {
                0 => semaphore.value != 0,
                _ => value < 0,
            };
            if waits {
                return Err((Errno::EAGAIN, Some(*operation)));
            }
            if value > SEMVMX {
                return Err((Errno::ERANGE, None));
            }
            *semaphore = Semaphore { value, pid };
        }
        *self.semaphores.borrow_mut() = semaphores;
        if operations.iter().any(|operation| operation.operation != 0) {
            self.changes.wake_all();
        }
        Ok(())
    }

    /// Notes in `undo` what these operations on the set `id` have changed.
    pub fn note_undo(id: i32, operations: &[Operation], undo: &mut Undo) {
        for operation in operations {
            if u32::from(operation.flags) & SEM_UNDO != 0 {
                let entry = undo.get_or_default((id, operation.number));
                *entry = entry.saturating_sub(i32::from(operation.operation));
            }
        }
    }

    /// Takes back what an ended process has done, as far as that goes.
    pub fn take_back(&self, number: u16, adjustment: i32, pid: i32) {
        let mut semaphores = self.semaphores.borrow_mut();
        let Some(semaphore) = semaphores.get_mut(usize::from(number)) else { return };
        let value = semaphore.value.saturating_add(adjustment).clamp(0, SEMVMX);
        *semaphore = Semaphore { value, pid };
        drop(semaphores);
        self.changes.wake_all();
    }

    /// How many wait for a semaphore's being zero, or for its being more.
    pub fn waiters(&self, number: u16, zero: bool) -> usize {
        let waiting = self.waiting.borrow();
        waiting.iter().filter(|blocked| blocked.get() == Some((number, zero))).count()
    }

    /// Waits until the operations are done.
    ///
    /// # Errors
    /// `EAGAIN` if one that must wait may not; `EIDRM` if the set is removed; as
    /// [`operate`](Self::operate).
    pub async fn operated(&self, operations: &[Operation], pid: i32) -> Result<(), Errno> {
        let place = Place { set: self, blocked: Rc::default() };
        self.waiting.borrow_mut().push(Rc::clone(&place.blocked));
        let attempt = || {
            if self.removed.get() {
                return Some(Err(Errno::EIDRM));
            }
            match self.operate(operations, pid) {
                Err((Errno::EAGAIN, Some(blocked)))
                    if u32::from(blocked.flags) & IPC_NOWAIT == 0 =>
                {
                    place.blocked.set(Some((blocked.number, blocked.operation == 0)));
                    None
                }
                Err((errno, _)) => Some(Err(errno)),
                Ok(()) => Some(Ok(())),
            }
        };
        self.changes.wait_until(attempt).await
    }
}

/// A place among those who wait; dropping it leaves.
struct Place<'a> {
    set: &'a SemaphoreSet,
    blocked: Blocked,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.set.waiting.borrow_mut().retain(|blocked| !Rc::ptr_eq(blocked, &self.blocked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> SemaphoreSet {
        let permission = Permission { key: 0, uid: 0, gid: 0, creator: (0, 0), mode: 0o600 };
        SemaphoreSet::new(permission, 2, 0)
    }

    fn operation(number: u16, operation: i16, flags: u32) -> Operation {
        Operation { number, operation, flags: flags as u16 }
    }

    #[test]
    fn all_operations_are_done_or_none() {
        let set = set();
        let both = [operation(0, 2, 0), operation(1, -1, 0)];
        assert_eq!(set.operate(&both, 5).unwrap_err().0, Errno::EAGAIN);
        assert_eq!(set.values(), [0, 0]);
        set.set(1, &[1], 5).unwrap();
        set.operate(&both, 5).unwrap();
        assert_eq!(set.values(), [2, 0]);
        assert_eq!(set.operate(&[operation(2, 1, 0)], 5).unwrap_err().0, Errno::EFBIG);
        assert_eq!(set.operate(&[operation(0, i16::MAX, 0)], 5).unwrap_err().0, Errno::ERANGE);
        assert_eq!(set.set(0, &[-1], 5), Err(Errno::ERANGE));
    }

    #[test]
    fn what_is_undone_is_what_was_done() {
        let (set, mut undo) = (set(), Undo::new());
        let done = [operation(0, 3, SEM_UNDO), operation(1, 1, 0)];
        set.operate(&done, 5).unwrap();
        SemaphoreSet::note_undo(9, &done, &mut undo);
        assert_eq!(undo, Undo::from_iter([((9, 0), -3)]));
        set.take_back(0, -3, 5);
        assert_eq!(set.values(), [0, 1]);
    }
}
