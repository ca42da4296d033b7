//! Objects by key and by id (svipc(7)).

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::ipc::{IPC_CREAT, IPC_EXCL, IPC_PRIVATE, IpcPerm};
use wayfarer_proto::sorted::SortedMap;

/// How many objects of a kind there may be.
const MOST: usize = 4096;

/// Who may do what with an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permission {
    /// The key.
    pub key: i32,
    /// Owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Who made it.
    pub creator: (u32, u32),
    /// Permission bits.
    pub mode: u32,
}

impl Permission {
    /// As `IPC_STAT` tells it; `flags` are added to the mode.
    pub fn describe(&self, flags: u32) -> IpcPerm {
        IpcPerm {
            key: self.key,
            uid: self.uid,
            gid: self.gid,
            creator_uid: self.creator.0,
            creator_gid: self.creator.1,
            mode: self.mode | flags,
            sequence: 0,
            padding: [0; 20],
        }
    }

    /// The three permission bits that count for somebody.
    pub fn bits_for(&self, uid: u32, in_group: impl Fn(u32) -> bool) -> u32 {
        let shift = match () {
            () if uid == self.uid || uid == self.creator.0 => 6,
            () if in_group(self.gid) || in_group(self.creator.1) => 3,
            () => 0,
        };
        self.mode >> shift & 7
    }
}

/// What every object has.
pub trait Object {
    /// Who may do what.
    fn permission(&self) -> &Cell<Permission>;
    /// It exists no more: who waits for it is told.
    fn gone(&self);
}

/// Which object shmget(2) and its kin ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The key.
    pub key: i32,
    /// `IPC_CREAT`, `IPC_EXCL`, permissions.
    pub flags: u32,
}

/// The objects of a kind.
pub struct Table<T> {
    objects: RefCell<SortedMap<i32, Rc<T>>>,
    next: Cell<i32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { objects: RefCell::default(), next: Cell::new(0) }
    }
}

impl<T: Object> Table<T> {
    /// Finds an object by its key, or makes one.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOSPC`; what `fits` says of one that exists, and `make` of a new one.
    pub fn get(
        &self,
        Key { key, flags }: Key,
        fits: impl FnOnce(&T) -> Result<(), Errno>,
        make: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<i32, Errno> {
        let found = match key {
            IPC_PRIVATE => None,
            key => self.find(|object| object.permission().get().key == key),
        };
        if let Some((id, object)) = found {
            if flags & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL {
                return Err(Errno::EEXIST);
            }
            return fits(&object).map(|()| id);
        }
        if key != IPC_PRIVATE && flags & IPC_CREAT == 0 {
            return Err(Errno::ENOENT);
        }
        self.insert(make()?)
    }

    fn insert(&self, object: T) -> Result<i32, Errno> {
        let mut objects = self.objects.borrow_mut();
        if objects.len() >= MOST {
            return Err(Errno::ENOSPC);
        }
        let mut id = self.next.get();
        while objects.contains_key(&id) {
            id = id.checked_add(1).unwrap_or(0);
        }
        self.next.set(id.checked_add(1).unwrap_or(0));
        objects.insert(id, Rc::new(object));
        Ok(id)
    }

    /// The object that `is_it` means.
    pub fn find_by(&self, is_it: impl Fn(&T) -> bool) -> Option<Rc<T>> {
        self.find(is_it).map(|(_, object)| object)
    }

    fn find(&self, is_it: impl Fn(&T) -> bool) -> Option<(i32, Rc<T>)> {
        let objects = self.objects.borrow();
        objects.iter().find(|(_, object)| is_it(object)).map(|(id, object)| (*id, object.clone()))
    }

    /// The object with this id.
    ///
    /// # Errors
    /// `EINVAL` if there is none.
    pub fn by_id(&self, id: i32) -> Result<Rc<T>, Errno> {
        self.objects.borrow().get(&id).cloned().ok_or(Errno::EINVAL)
    }

    /// Removes an object.
    pub fn remove(&self, id: i32) {
        let removed = self.objects.borrow_mut().remove(&id);
        if let Some(object) = removed {
            object.gone();
        }
    }

    /// Removes every object of which `is_over` says so.
    pub fn sweep(&self, is_over: impl Fn(&T) -> bool) {
        self.objects.borrow_mut().retain(|_, object| !is_over(object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(Cell<Permission>);

    impl Object for Thing {
        fn permission(&self) -> &Cell<Permission> {
            &self.0
        }

        fn gone(&self) {}
    }

    fn thing(key: i32) -> Result<Thing, Errno> {
        let permission = Permission { key, uid: 1, gid: 2, creator: (3, 4), mode: 0o640 };
        Ok(Thing(Cell::new(permission)))
    }

    #[test]
    fn a_key_names_one_object_and_the_private_key_none() {
        let table = Table::default();
        let get = |key, flags| table.get(Key { key, flags }, |_| Ok(()), || thing(key));
        assert_eq!(get(7, 0), Err(Errno::ENOENT));
        let id = get(7, IPC_CREAT).unwrap();
        assert_eq!(get(7, 0), Ok(id));
        assert_eq!(get(7, IPC_CREAT | IPC_EXCL), Err(Errno::EEXIST));
        assert_ne!(get(IPC_PRIVATE, 0), get(IPC_PRIVATE, 0));
        table.remove(id);
        assert!(table.by_id(id).is_err());
        assert_ne!(get(7, IPC_CREAT), Ok(id), "an old id must not name a new object");
    }

    #[test]
    fn owner_group_and_others_have_bits_of_their_own() {
        let permission = thing(1).unwrap().0.get();
        assert_eq!(permission.bits_for(1, |_| false), 6);
        assert_eq!(permission.bits_for(3, |_| false), 6);
        assert_eq!(permission.bits_for(9, |gid| gid == 4), 4);
        assert_eq!(permission.bits_for(9, |_| false), 0);
    }
}
