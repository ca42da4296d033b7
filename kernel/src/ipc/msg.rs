//! A System V message queue (msgop(2)).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::ipc::{MSG_EXCEPT, MSG_NOERROR, MSGMNB, MsqidDs};

use super::{Object, Permission};
use crate::executor::WaitQueue;

/// A message: its type, and what it says.
type Message = (i64, Vec<u8>);

/// What msgrcv(2) wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// 0 for any, a type, or the negative of the highest type.
    pub kind: i64,
    /// Room for it.
    pub room: usize,
    /// `MSG_NOERROR`, `MSG_EXCEPT`.
    pub flags: u32,
}

/// A queue.
pub struct Queue {
    /// Who may do what.
    pub permission: Cell<Permission>,
    messages: RefCell<VecDeque<Message>>,
    /// Bytes it holds at most.
    pub room: Cell<u64>,
    /// Whether it exists no more.
    pub removed: Cell<bool>,
    /// Last msgsnd(2), msgrcv(2) and change, in seconds.
    pub times: [Cell<u64>; 3],
    /// Who sent and who received last.
    pub pids: [Cell<i32>; 2],
    /// Woken when messages come or go, and at the end.
    pub changes: WaitQueue,
}

impl Object for Queue {
    fn permission(&self) -> &Cell<Permission> {
        &self.permission
    }

    fn gone(&self) {
        self.removed.set(true);
        self.changes.wake_all();
    }
}

impl Queue {
    /// An empty queue.
    pub fn new(permission: Permission, now: u64) -> Self {
        Self {
            permission: Cell::new(permission),
            messages: RefCell::default(),
            room: Cell::new(MSGMNB),
            removed: Cell::new(false),
            times: [Cell::new(0), Cell::new(0), Cell::new(now)],
            pids: [Cell::new(0), Cell::new(0)],
            changes: WaitQueue::new(),
        }
    }

    fn bytes(&self) -> u64 {
        self.messages.borrow().iter().map(|(_, text)| text.len() as u64).sum()
    }

    /// As `IPC_STAT` tells it, after the permissions.
    pub fn describe(&self) -> MsqidDs {
        MsqidDs {
            sent: self.times[0].get(),
            received: self.times[1].get(),
            changed: self.times[2].get(),
            bytes: self.bytes(),
            count: self.messages.borrow().len() as u64,
            room: self.room.get(),
            sender: self.pids[0].get(),
            receiver: self.pids[1].get(),
            padding: [0; 16],
        }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// `EAGAIN` if there is no room; `EIDRM`.
    pub fn send(&self, kind: i64, text: &[u8]) -> Result<(), Errno> {
        if self.removed.get() {
            return Err(Errno::EIDRM);
        }
        let room = self.room.get();
        let full =
            self.bytes() + text.len() as u64 > room || self.messages.borrow().len() as u64 >= room;
        if full {
            return Err(Errno::EAGAIN);
        }
        self.messages.borrow_mut().push_back((kind, text.to_vec()));
        self.changes.wake_all();
        Ok(())
    }

    /// Takes the message that is wanted.
    ///
    /// # Errors
    /// `ENOMSG` if there is none; `E2BIG` if there is no room for it; `EIDRM`.
    pub fn receive(&self, wanted: &Wanted) -> Result<Message, Errno> {
        if self.removed.get() {
            return Err(Errno::EIDRM);
        }
        let mut messages = self.messages.borrow_mut();
        let index = choose(&messages, wanted).ok_or(Errno::ENOMSG)?;
        if messages[index].1.len() > wanted.room && wanted.flags & MSG_NOERROR == 0 {
            return Err(Errno::E2BIG);
        }
        let (kind, mut text) = messages.remove(index).ok_or(Errno::ENOMSG)?;
        drop(messages);
        text.truncate(wanted.room);
        self.changes.wake_all();
        Ok((kind, text))
    }
}

/// The message that is wanted: the first of its type, or that of the lowest type.
fn choose(messages: &VecDeque<Message>, wanted: &Wanted) -> Option<usize> {
    let kinds = || messages.iter().map(|(kind, _)| *kind);
    match wanted.kind {
        0 => (!messages.is_empty()).then_some(0),
        kind @ 1.. if wanted.flags & MSG_EXCEPT != 0 => kinds().position(|other| other != kind),
        kind @ 1.. => kinds().position(|other| other == kind),
        most => {
            let lowest = kinds().filter(|kind| kind.unsigned_abs() <= most.unsigned_abs()).min()?;
            kinds().position(|kind| kind == lowest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_chosen_by_type() {
        let permission = Permission { key: 0, uid: 0, gid: 0, creator: (0, 0), mode: 0o600 };
        let queue = Queue::new(permission, 0);
        for kind in [5, 3, 9, 3] {
            queue.send(kind, &[kind as u8]).unwrap();
        }
        let take = |kind, flags| queue.receive(&Wanted { kind, room: 8, flags });
        assert_eq!(take(-4, 0), Ok((3, alloc::vec![3])));
        assert_eq!(take(5, MSG_EXCEPT).unwrap().0, 9);
        assert_eq!(take(7, 0), Err(Errno::ENOMSG));
        assert_eq!(queue.receive(&Wanted { kind: 0, room: 0, flags: 0 }), Err(Errno::E2BIG));
        let cut = queue.receive(&Wanted { kind: 0, room: 0, flags: MSG_NOERROR });
        assert_eq!(cut, Ok((5, alloc::vec![])));
        assert_eq!(take(0, 0).unwrap().0, 3);
        queue.room.set(2);
        assert_eq!(queue.send(1, b"abc"), Err(Errno::EAGAIN));
        queue.gone();
        assert_eq!(take(0, 0), Err(Errno::EIDRM));
    }
}
