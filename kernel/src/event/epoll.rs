//! epoll(7): a set of files, and the list of those that have become ready.

use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Fd;
use wayfarer_proto::linux::event::{
    EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP, EpollEvent,
};
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::sorted::SortedMap;

use crate::executor::{Listener, WaitQueue};
use crate::fs::{FileObject, OpenFile};

/// How many epoll descriptors may watch each other above and below two that are to (`EP_MAX_NESTS`
/// of Linux is one more).
const MAX_NESTING: usize = 3;

/// What an entry is found by: a file watched through two descriptors has two entries.
type Key = (Fd, u64);

/// The object behind an epoll descriptor.
pub struct Epoll {
    me: Weak<Self>,
    items: RefCell<SortedMap<Key, Rc<Item>>>,
    /// Entries that may be ready, each once.
    ready: RefCell<VecDeque<Key>>,
    /// Epoll descriptors that watch this one, or have.
    watchers: RefCell<Vec<Weak<Self>>>,
    changes: WaitQueue,
}

/// A watched file.
struct Item {
    epoll: Weak<Epoll>,
    key: Key,
    file: Weak<OpenFile>,
    /// What was asked for, flags included.
    asked: Cell<EpollEvent>,
    /// Whether it is in the ready list.
    queued: Cell<bool>,
}

impl Epoll {
    /// An epoll descriptor that watches nothing.
    pub fn new() -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            items: RefCell::default(),
            ready: RefCell::default(),
            watchers: RefCell::default(),
            changes: WaitQueue::new(),
        })
    }

    /// The epoll descriptor behind an open file, if it is one.
    pub fn of(object: &dyn FileObject) -> Option<&Self> {
        let any: &dyn Any = object;
        any.downcast_ref()
    }

    /// `EPOLL_CTL_ADD`.
    ///
    /// # Errors
    /// `EEXIST`; `EPERM` for a file that is always ready; `ELOOP` if epoll descriptors would watch
    /// each other in a circle or too deep; `EINVAL` for itself, or for flags that exclude each
    /// other.
    pub fn add(&self, fd: Fd, file: &Rc<OpenFile>, event: EpollEvent) -> Result<(), Errno> {
        let changes = file.object().changes().ok_or(Errno::EPERM)?;
        if let Some(other) = Self::of(&**file.object()) {
            self.check_nesting(other, event)?;
        }
        if event.events & EPOLLEXCLUSIVE != 0 && event.events & !EXCLUSIVE_OK != 0 {
            return Err(Errno::EINVAL);
        }
        let key = (fd, file.number());
        if self.items.borrow().contains_key(&key) {
            return Err(Errno::EEXIST);
        }
        let item = Rc::new(Item {
            epoll: self.me.clone(),
            key,
            file: Rc::downgrade(file),
            asked: Cell::new(event),
            queued: Cell::new(false),
        });
        self.forget_closed();
        self.items.borrow_mut().insert(key, item.clone());
        let listener: Rc<dyn Listener> = item.clone();
        changes.listen(&listener);
        self.look_at(&item);
        Ok(())
    }

    /// `EPOLL_CTL_MOD`.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` for an exclusive entry.
    pub fn modify(&self, fd: Fd, file: &OpenFile, event: EpollEvent) -> Result<(), Errno> {
        let item = self.find(fd, file)?;
        if (event.events | item.asked.get().events) & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        item.asked.set(event);
        self.look_at(&item);
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn delete(&self, fd: Fd, file: &OpenFile) -> Result<(), Errno> {
        let item = self.find(fd, file)?;
        self.items.borrow_mut().remove(&item.key);
        Ok(())
    }

    /// The queue that wakes when something may have become ready.
    pub const fn queue(&self) -> &WaitQueue {
        &self.changes
    }

    /// Takes up to `max` events out of the list. An entry that is watched by level goes to its end.
    pub fn collect(&self, max: usize) -> Vec<EpollEvent> {
        let (mut found, mut again) = (Vec::new(), Vec::new());
        let waiting = self.ready.borrow().len();
        for _ in 0..waiting {
            if found.len() == max {
                break;
            }
            let Some(item) = self.take_ready() else { continue };
            let events = item.ready_events();
            if events == 0 {
                continue;
            }
            let asked = item.asked.get();
            found.push(EpollEvent { events, data: asked.data });
            if asked.events & EPOLLONESHOT != 0 {
                let events = asked.events & FLAGS;
                item.asked.set(EpollEvent { events, ..asked });
            } else if asked.events & EPOLLET == 0 {
                again.push(item);
            }
        }
        for item in again {
            self.enqueue(&item);
        }
        found
    }

    /// The next entry of the ready list, unless it is no longer watched.
    fn take_ready(&self) -> Option<Rc<Item>> {
        let key = self.ready.borrow_mut().pop_front()?;
        let item = self.items.borrow().get(&key).cloned()?;
        item.queued.set(false);
        Some(item)
    }

    fn find(&self, fd: Fd, file: &OpenFile) -> Result<Rc<Item>, Errno> {
        self.items.borrow().get(&(fd, file.number())).cloned().ok_or(Errno::ENOENT)
    }

    fn look_at(&self, item: &Item) {
        if item.ready_events() != 0 {
            self.enqueue(item);
            self.changes.wake(PollEvents::READABLE);
        }
    }

    fn enqueue(&self, item: &Item) {
        if !item.queued.replace(true) {
            self.ready.borrow_mut().push_back(item.key);
        }
    }

    /// Drops entries whose file is closed everywhere: closing a file is not told to those that
    /// watch it.
    fn forget_closed(&self) {
        self.items.borrow_mut().retain(|_, item| item.file.strong_count() > 0);
    }

    /// Whether this may watch `other`.
    fn check_nesting(&self, other: &Self, event: EpollEvent) -> Result<(), Errno> {
        let itself = core::ptr::eq(self, other);
        if itself || event.events & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        let limit = MAX_NESTING.checked_sub(self.height()).ok_or(Errno::ELOOP)?;
        other.depth_without(self, limit).ok_or(Errno::ELOOP)?;
        other.watchers.borrow_mut().push(self.me.clone());
        Ok(())
    }

    /// How many epoll descriptors above this one watch each other.
    fn height(&self) -> usize {
        let mut watchers = core::mem::take(&mut *self.watchers.borrow_mut());
        watchers.retain(|watcher| watcher.upgrade().is_some_and(|watcher| watcher.watches(self)));
        let above = watchers.iter().filter_map(Weak::upgrade);
        let height = above.map(|watcher| watcher.height() + 1).max().unwrap_or(0);
        self.watchers.replace(watchers);
        height
    }

    fn watches(&self, other: &Self) -> bool {
        let items = self.items.borrow();
        let mut files = items.values().filter_map(|item| item.file.upgrade());
        files.any(|file| Self::of(&**file.object()).is_some_and(|it| core::ptr::eq(it, other)))
    }

    /// How deep the epoll descriptors below this one go; `None` if `banned` is among them or they
    /// go deeper than `limit`.
    fn depth_without(&self, banned: &Self, limit: usize) -> Option<usize> {
        if core::ptr::eq(self, banned) {
            return None;
        }
        let files: Vec<_> =
            self.items.borrow().values().filter_map(|item| item.file.upgrade()).collect();
        let mut depth = 0;
        for file in files {
            if let Some(below) = Self::of(&**file.object()) {
                depth = depth.max(below.depth_without(banned, limit.checked_sub(1)?)? + 1);
            }
        }
        Some(depth)
    }
}

/// The bits of an entry that are no events.
const FLAGS: u32 = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;
/// The bits that may accompany `EPOLLEXCLUSIVE` (epoll_ctl(2)).
const EXCLUSIVE_OK: u32 = EPOLLEXCLUSIVE
    | EPOLLET
    | EPOLLWAKEUP
    | PollEvents::READABLE
        .union(PollEvents::WRITABLE)
        .union(PollEvents::ERR)
        .union(PollEvents::HUP)
        .bits() as u32;

impl Item {
    /// What it is watched for. An entry that has fired once only is watched for nothing.
    fn watched(&self) -> PollEvents {
        let asked = self.asked.get().events;
        if asked & EPOLLONESHOT != 0 && asked & !FLAGS == 0 {
            return PollEvents::empty();
        }
        PollEvents::from_bits_truncate(asked as u16) | PollEvents::ERR | PollEvents::HUP
    }

    /// The events to report now.
    fn ready_events(&self) -> u32 {
        let Some(file) = self.file.upgrade() else { return 0 };
        (file.poll() & self.watched()).bits().into()
    }
}

impl Listener for Item {
    fn woken(&self, events: PollEvents) {
        if !events.intersects(self.watched()) {
            return;
        }
        if let Some(epoll) = self.epoll.upgrade() {
            epoll.enqueue(self);
            epoll.changes.wake(PollEvents::READABLE);
        }
    }
}

impl FileObject for Epoll {
    fn poll(&self) -> PollEvents {
        let ready = self.ready.borrow().clone();
        let items = self.items.borrow().clone();
        let any = ready.iter().filter_map(|key| items.get(key)).any(|i| i.ready_events() != 0);
        if any { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.changes)
    }
}
