//! Files that are on their way in messages (`SCM_RIGHTS`, unix(7)).
//!
//! A socket can be sent through itself, or two through each other; when their descriptors are
//! closed nobody can receive them any more, but each keeps the other. [`Flight`] knows all sockets
//! that are on their way and throws away those that cannot be reached.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::sorted::SortedMap;

use super::Socket;
use crate::fs::OpenFile;

/// All sockets of a node that are on their way.
#[derive(Default)]
pub struct Flight {
    sockets: RefCell<SortedMap<u64, Travelling>>,
    /// Files to be dropped, one after the other: a recursion would be as deep as a program nests
    /// sockets in sockets.
    discarded: RefCell<Vec<Rc<OpenFile>>>,
    busy: Cell<bool>,
}

struct Travelling {
    file: Weak<OpenFile>,
    /// In how many messages it is.
    times: usize,
}

/// A socket that only messages keep.
struct Suspect {
    file: Rc<OpenFile>,
    times: usize,
}

impl Flight {
    /// Notes that these files are put into a message.
    pub fn depart(&self, files: &[Rc<OpenFile>]) {
        let mut sockets = self.sockets.borrow_mut();
        for file in files.iter().filter(|file| is_socket(file)) {
            let new = || Travelling { file: Rc::downgrade(file), times: 0 };
            sockets.get_or_insert_with(file.number(), new).times += 1;
        }
    }

    /// Notes that these files were taken out of a message.
    pub fn arrive(&self, files: &[Rc<OpenFile>]) {
        let mut sockets = self.sockets.borrow_mut();
        for file in files.iter().filter(|file| is_socket(file)) {
            if let Some(travelling) = sockets.get_mut(&file.number()) {
                travelling.times -= 1;
                if travelling.times == 0 {
                    sockets.remove(&file.number());
                }
            }
        }
    }

    /// Drops files of messages that nobody will receive.
    pub fn discard(&self, files: Vec<Rc<OpenFile>>) {
        if files.is_empty() {
            return;
        }
        self.arrive(&files);
        self.discarded.borrow_mut().extend(files);
        if self.busy.replace(true) {
            return;
        }
        loop {
            let next = self.discarded.borrow_mut().pop();
            match next {
                Some(file) => drop(file),
                None => break,
            }
        }
        self.busy.set(false);
    }

    /// Throws away the sockets that only messages to each other keep.
    pub fn collect(&self) {
        if self.busy.get() || self.sockets.borrow().is_empty() {
            return;
        }
        let lost = self.lost();
        let files = lost.iter().flat_map(|suspect| contents(&suspect.file, true)).collect();
        drop(lost);
        self.discard(files);
    }

    fn lost(&self) -> Vec<Suspect> {
        let mut suspects = Vec::new();
        for Travelling { file, times } in self.sockets.borrow().values() {
            let Some(file) = file.upgrade() else { continue };
            // One more is this function's own.
            if Rc::strong_count(&file) == times + 1 {
                suspects.push(Suspect { file, times: *times });
            }
        }
        loop {
            let mut inside = SortedMap::<u64, usize>::new();
            for file in suspects.iter().flat_map(|suspect| contents(&suspect.file, false)) {
                *inside.get_or_default(file.number()) += 1;
            }
            let before = suspects.len();
            // One that is in a message to a socket that is no suspect can still be received.
            suspects.retain(|suspect| {
                inside.get(&suspect.file.number()).copied() == Some(suspect.times)
            });
            if suspects.len() == before {
                return suspects;
            }
        }
    }
}

fn is_socket(file: &OpenFile) -> bool {
    Socket::of(&**file.object()).is_some()
}

/// The files on their way to a socket; they are taken out if `take` says so.
fn contents(file: &OpenFile, take: bool) -> Vec<Rc<OpenFile>> {
    let Some(socket) = Socket::of(&**file.object()) else { return Vec::new() };
    if take { socket.protocol().discard() } else { socket.protocol().files() }
}
