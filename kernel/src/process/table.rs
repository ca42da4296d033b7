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

/// The table is swept when of so many processes in it one has ended since the last time.
const SWEEP_SHARE: usize = 8;

/// The processes a node knows.
#[derive(Default)]
pub struct ProcessTable {
    homes: RefCell<SortedMap<Pid, Weak<Home>>>,
    cells: RefCell<SortedMap<ProcessKey, Rc<ProcessCell>>>,
    ids: RefCell<SortedSet<i32>>,
    last: Cell<i32>,
    /// Processes that have ended since the table was swept.
    ended: Cell<usize>,
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
        let id = self.next_id().or_else(|| {
            self.sweep();
            self.next_id()
        });
        let id = id.ok_or(Errno::EAGAIN)?;
        self.ids.borrow_mut().insert(id);
        self.last.set(id);
        Ok(id)
    }

    /// The first id after the last one given that is free.
    fn next_id(&self) -> Option<i32> {
        let ids = self.ids.borrow();
        let last = self.last.get();
        (last + 1..=PID_MAX).chain(1..=last).find(|id| !ids.contains(id))
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

    /// A process has ended. Now and then those that were waited for are forgotten: so often that
    /// they are never many beside those that live, so rarely that the end of each costs little.
    pub fn ended(&self) {
        let ended = self.ended.get() + 1;
        self.ended.set(ended);
        if ended * SWEEP_SHARE >= self.homes.borrow().len() {
            self.sweep();
        }
    }

    /// Forgets processes that were waited for, and frees their ids unless a group or session of
    /// living processes still bears them.
    fn sweep(&self) {
        self.ended.set(0);
        let mut homes = self.homes.borrow_mut();
        homes.retain(|_, home| home.strong_count() > 0);
        let mut borne = Vec::new();
        for home in homes.values().filter_map(Weak::upgrade) {
            borne.extend([home.pid.0, home.group.get().0, home.session.get().0]);
            borne.extend(home.threads.borrow().keys().map(|tid| tid.0));
        }
        borne.sort_unstable();
        self.ids.borrow_mut().retain(|id| borne.binary_search(id).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::testing::TestTree;
    use crate::process::Files;
    use crate::signal::Handlers;

    fn start(table: &ProcessTable, tree: &TestTree, group: Option<Pid>) -> Rc<Home> {
        let pid = Pid(table.allocate_id().unwrap());
        let files = Files::new(Rc::clone(tree.vfs.root()));
        let group = group.unwrap_or(pid);
        let home = Home::new(pid, group, group, files, Handlers::default());
        table.insert_home(&home);
        home
    }

    #[test]
    fn an_id_is_free_once_neither_a_process_nor_a_group_bears_it() {
        let (table, tree) = (ProcessTable::default(), TestTree::new());
        let leader = start(&table, &tree, None);
        let (id, pid) = (leader.pid.0, leader.pid);
        let member = start(&table, &tree, Some(pid));
        assert_eq!(table.claim_id(id), Err(Errno::EEXIST));
        drop(leader);
        table.ended();
        assert!(table.home(pid).is_none());
        assert_eq!(table.claim_id(id), Err(Errno::EEXIST), "its group lives");
        drop(member);
        assert_eq!(table.claim_id(id), Ok(id));
    }

    #[test]
    fn what_has_ended_is_never_much_beside_what_lives() {
        let (table, tree) = (ProcessTable::default(), TestTree::new());
        let living: Vec<_> = (0..100).map(|_| start(&table, &tree, None)).collect();
        for _ in 0..1000 {
            drop(start(&table, &tree, None));
            table.ended();
            assert!(table.homes.borrow().len() <= living.len() + living.len() / 4);
            assert!(table.ids.borrow().len() <= living.len() + living.len() / 4);
        }
    }

    #[test]
    fn ids_of_the_dead_are_found_when_all_others_are_taken() {
        let (table, tree) = (ProcessTable::default(), TestTree::new());
        let pid = start(&table, &tree, None).pid;
        let living = start(&table, &tree, None);
        let taken = |id: &i32| *id != pid.0 && *id != living.pid.0;
        for id in (1..=PID_MAX).filter(taken) {
            table.ids.borrow_mut().insert(id);
        }
        assert_eq!(table.next_id(), None);
        assert_eq!(table.allocate_id(), Ok(living.pid.0 + 1), "nobody bears the others");
    }
}
