//! All processes of a node: those at home here, and the guests.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{MapId, Pid, ProcessKey, Tid};
use wayfarer_proto::sorted::{SortedMap, SortedSet};

use super::{Home, ProcessCell};
use crate::fs::Inode;

/// The largest pid, as `/proc/sys/kernel/pid_max` says on Linux by default.
const PID_MAX: i32 = 32768;

/// The processes a node knows.
#[derive(Default)]
pub struct ProcessTable {
    homes: RefCell<SortedMap<Pid, Weak<Home>>>,
    cells: RefCell<SortedMap<ProcessKey, Rc<ProcessCell>>>,
    ids: RefCell<SortedSet<i32>>,
    last: Cell<i32>,
    /// The names of mapped files: one to a file, whoever maps it.
    files: RefCell<Vec<(Weak<dyn Inode>, MapId)>>,
    last_file: Cell<u32>,
}

impl ProcessTable {
    /// A new process or thread id.
    ///
    /// # Errors
    /// `EAGAIN` if all are taken.
    pub fn allocate_id(&self) -> Result<i32, Errno> {
        let mut ids = self.ids.borrow_mut();
        let last = self.last.get();
        let id = (last + 1..=PID_MAX).chain(1..=last).find(|id| !ids.contains(id));
        let id = id.ok_or(Errno::EAGAIN)?;
        ids.insert(id);
        self.last.set(id);
        Ok(id)
    }

    /// Takes an id that somebody has chosen.
    ///
    /// # Errors
    /// `EINVAL` if it can be none, `EEXIST` if it is taken.
    pub fn claim_id(&self, id: i32) -> Result<i32, Errno> {
        if !(1..=PID_MAX).contains(&id) {
            return Err(Errno::EINVAL);
        }
        self.sweep();
        if self.ids.borrow_mut().insert(id) { Ok(id) } else { Err(Errno::EEXIST) }
    }

    /// Gives a thread's id back.
    pub fn release_tid(&self, tid: Tid) {
        self.ids.borrow_mut().remove(&tid.0);
    }

    /// The name by which bodies of this home ask for pages of a file. No other file ever has it.
    pub fn name_of(&self, inode: &Rc<dyn Inode>) -> MapId {
        let mut files = self.files.borrow_mut();
        let same = |other: &Weak<dyn Inode>| core::ptr::addr_eq(other.as_ptr(), Rc::as_ptr(inode));
        if let Some((_, name)) = files.iter().find(|(other, _)| same(other)) {
            return *name;
        }
        files.retain(|(other, _)| other.strong_count() > 0);
        let name = MapId(self.last_file.get() + 1);
        self.last_file.set(name.0);
        files.push((Rc::downgrade(inode), name));
        name
    }

    /// Enters a process at home here.
    pub fn insert_home(&self, home: &Rc<Home>) {
        self.homes.borrow_mut().insert(home.pid, Rc::downgrade(home));
    }

    /// Enters a process that has a half here.
    pub fn insert(&self, cell: Rc<ProcessCell>) {
        self.cells.borrow_mut().insert(cell.key, cell);
    }

    /// Takes a process out: neither half is here any more.
    pub fn remove(&self, key: ProcessKey) -> Option<Rc<ProcessCell>> {
        self.cells.borrow_mut().remove(&key)
    }

    /// The process with this name, if a half of it is here.
    pub fn get(&self, key: ProcessKey) -> Option<Rc<ProcessCell>> {
        self.cells.borrow().get(&key).cloned()
    }

    /// The home of a process, zombies included.
    pub fn home(&self, pid: Pid) -> Option<Rc<Home>> {
        self.homes.borrow().get(&pid).and_then(Weak::upgrade)
    }

    /// All homes here, by pid, zombies included.
    pub fn homes(&self) -> Vec<Rc<Home>> {
        self.homes.borrow().values().filter_map(Weak::upgrade).collect()
    }

    /// All processes with a half here.
    pub fn cells(&self) -> Vec<Rc<ProcessCell>> {
        self.cells.borrow().values().cloned().collect()
    }

    /// Forgets processes that were waited for, and frees their ids unless a group or session of
    /// living processes still bears them.
    pub fn sweep(&self) {
        let mut homes = self.homes.borrow_mut();
        let gone: Vec<Pid> = homes
            .iter()
            .filter(|(_, home)| home.strong_count() == 0)
            .map(|(pid, _)| *pid)
            .collect();
        for pid in &gone {
            homes.remove(pid);
        }
        let alive: Vec<_> = homes.values().filter_map(Weak::upgrade).collect();
        let mut ids = self.ids.borrow_mut();
        ids.retain(|id| {
            let borne = |home: &Rc<Home>| {
                home.pid.0 == *id
                    || home.group.get().0 == *id
                    || home.session.get().0 == *id
                    || home.threads.borrow().contains_key(&Tid(*id))
            };
            alive.iter().any(borne)
        });
    }
}
