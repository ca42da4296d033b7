//! A host that is played here: what it is asked is counted, and it may answer anything.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use proptest::prelude::*;
use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType};

use super::reply::{Message, Reply};
use super::request::kind;
use super::wire::Writer;
use super::{Carrier, Fetches, Parts, Share};
use crate::fs::testing::TestAsker;
use crate::fs::{Inode, NewContent, NewInode};

/// Room for requests before a reply makes more.
const ROOM: usize = 2;

/// What the host was asked, and what it will answer.
#[derive(Default)]
struct Host {
    asked: RefCell<Vec<Vec<u8>>>,
    replies: RefCell<VecDeque<Vec<u8>>>,
    silent: Cell<bool>,
    /// What the next request is answered with, whatever it is.
    garbage: RefCell<Option<Vec<u8>>>,
}

impl Host {
    /// How often it was asked for this.
    fn count(&self, wanted: u8) -> usize {
        self.asked.borrow().iter().filter(|request| request[4] == wanted).count()
    }

    fn answer(request: &[u8]) -> Vec<u8> {
        let tag = u16::from_le_bytes([request[5], request[6]]);
        let mut w = Writer::new(request[4] + 1, tag);
        match request[4] {
            kind::VERSION => drop(w.u32(65536).string(b"9P2000.L")),
            kind::ATTACH => drop(w.bytes(&[0; 5]).u64(1)),
            kind::WALK if request[15] == 0 => drop(w.u16(0)),
            // A name's first letter is the number of its file.
            kind::WALK => drop(w.u16(1).bytes(&[0; 5]).u64(request[19].into())),
            kind::GETATTR => {
                let fid = request[7];
                let mode = if fid == 0 { 0o40755 } else { 0o100644 };
                // The second fid in use is that of the file `a`.
                let file = if fid == 0 { 1 } else { u64::from(b'a') };
                w.u64(0).bytes(&[0; 5]).u64(file).u32(mode).u32(0).u32(0);
                w.u64(1).u64(0).u64(5).u64(4096).u64(8).bytes(&[0; 80]);
            }
            kind::MKDIR => drop(w.bytes(&[0; 5]).u64(u64::from(b'a'))),
            kind::OPEN => drop(w.bytes(&[0; 5]).u64(u64::from(b'a')).u32(0)),
            kind::READ => drop(w.u32(5).bytes(b"hello")),
            _ => {}
        }
        w.finish()
    }
}

struct Wire(Rc<Host>);

impl Carrier for Wire {
    fn send(&mut self, request: &[u8]) -> bool {
        if self.0.replies.borrow().len() >= ROOM {
            return false;
        }
        self.0.asked.borrow_mut().push(request.to_vec());
        let garbage = self.0.garbage.borrow_mut().take();
        let reply = garbage.unwrap_or_else(|| Host::answer(request));
        if !self.0.silent.get() {
            self.0.replies.borrow_mut().push_back(reply);
        }
        true
    }

    fn announce(&mut self) {}

    fn receive(&mut self, reply: &mut dyn FnMut(&[u8])) -> bool {
        let next = self.0.replies.borrow_mut().pop_front();
        next.is_some_and(|bytes| {
            reply(&bytes);
            true
        })
    }
}

struct Connected {
    host: Rc<Host>,
    share: Rc<Share>,
    root: Rc<dyn Inode>,
    fetches: Rc<Fetches>,
}

fn connect() -> Connected {
    let (host, fetches) = (Rc::<Host>::default(), Rc::<Fetches>::default());
    let parts = Parts {
        carrier: Box::new(Wire(host.clone())),
        largest: 65536,
        fetches: fetches.clone(),
        device: DeviceNumber::new(0, 16),
        pool: FramePool::arena(8),
    };
    let (share, root) = Share::connect(parts, &mut || false).unwrap();
    Connected { host, share, root, fetches }
}

impl Connected {
    /// Makes a try until it is done; how often the host's replies were taken in meanwhile.
    fn settle<T>(&self, attempt: impl FnMut() -> Result<T, Errno>) -> (Result<T, Errno>, usize) {
        let mut settled = pin!(self.fetches.settle(attempt));
        for rounds in 0..100 {
            let context = &mut Context::from_waker(Waker::noop());
            if let Poll::Ready(outcome) = settled.as_mut().poll(context) {
                return (outcome, rounds);
            }
            assert!(self.share.receive(), "it waits for what was never asked");
        }
        panic!("it never ends");
    }

    fn lookup(&self, name: &[u8]) -> Result<Rc<dyn Inode>, Errno> {
        self.root.lookup(name, &TestAsker::default())
    }
}

#[test]
fn each_request_is_made_once_however_often_the_try_is_made() {
    let c = connect();
    assert_eq!((c.host.count(kind::VERSION), c.host.count(kind::ATTACH)), (1, 1));
    let (found, rounds) = c.settle(|| c.lookup(b"a"));
    let found = found.unwrap();
    assert_eq!((c.host.count(kind::WALK), c.host.count(kind::GETATTR)), (1, 2), "the root's, too");
    assert_eq!(rounds, 2);
    assert_eq!((found.metadata().size, found.file_type()), (5, FileType::Regular));
    // The second lookup asks again, and finds the same inode.
    let (again, _) = c.settle(|| c.lookup(b"a"));
    assert!(Rc::ptr_eq(&found, &again.unwrap()));
    assert_eq!(c.host.count(kind::WALK), 2);
}

#[test]
fn content_is_read_through_one_open_file() {
    let c = connect();
    let found = c.settle(|| c.lookup(b"a")).0.unwrap();
    let mut buffer = [0; 5];
    assert_eq!(c.settle(|| found.read_at(0, &mut buffer)).0, Ok(5));
    assert_eq!(&buffer, b"hello");
    assert_eq!(c.settle(|| found.read_at(0, &mut buffer)).0, Ok(5));
    assert_eq!(c.host.count(kind::OPEN), 1);
}

#[test]
fn fids_are_given_back() {
    let c = connect();
    for round in 1..50 {
        drop(c.settle(|| c.lookup(b"a")).0.unwrap());
        while c.share.receive() {}
        assert_eq!(c.host.count(kind::CLUNK), round);
    }
    let asked = c.host.asked.borrow();
    let walks = asked.iter().filter(|request| request[4] == kind::WALK);
    assert!(walks.map(|walk| walk[11]).all(|new| new == 1), "the number is used again");
}

#[test]
fn nobody_who_cannot_wait_is_kept_waiting() {
    let c = connect();
    assert_eq!(c.lookup(b"a").err(), Some(Errno::EIO));
}

#[test]
fn what_changes_the_host_is_not_done_twice() {
    let c = connect();
    let tries = Cell::new(0);
    let make = || {
        tries.set(tries.get() + 1);
        // What is asked for depends on something that changes between the tries.
        let name: &[u8] = if tries.get() == 1 { b"one" } else { b"two" };
        let new = NewInode { content: NewContent::Directory, permissions: 0o755 };
        c.root.create(name, &new).map(drop)
    };
    assert_eq!(c.settle(make).0, Err(Errno::EIO));
    assert_eq!(c.host.count(kind::MKDIR), 1);
}

#[test]
fn a_silent_host_is_waited_for_at_boot_as_long_as_told() {
    let host = Rc::<Host>::default();
    host.silent.set(true);
    let parts = Parts {
        carrier: Box::new(Wire(host)),
        largest: 65536,
        fetches: Rc::default(),
        device: DeviceNumber::new(0, 16),
        pool: FramePool::arena(8),
    };
    let mut patience = 3;
    let mut wait = || {
        patience -= 1;
        patience > 0
    };
    assert_eq!(Share::connect(parts, &mut wait).err(), Some(Errno::ETIMEDOUT));
}

#[test]
fn an_error_is_the_hosts_but_never_one_of_the_kernels_own() {
    for (number, expected) in [(2, Errno::ENOENT), (39, Errno::ENOTEMPTY), (0, Errno::EIO)] {
        assert_eq!(error_reply(number), Err(expected));
    }
    for number in [512, 516, 529, 4096, 65538, u32::MAX] {
        assert_eq!(error_reply(number), Err(Errno::EIO));
    }
}

fn error_reply(number: u32) -> Result<Reply, Errno> {
    let mut w = Writer::new(kind::ERROR_REPLY, 1);
    w.u32(number);
    Message::parse(&w.finish()).unwrap().answer(kind::WALK)
}

#[test]
fn reads_longer_than_asked_for_are_refused() {
    let c = connect();
    let found = c.settle(|| c.lookup(b"a")).0.unwrap();
    let mut buffer = [0; 5];
    assert_eq!(c.settle(|| found.read_at(0, &mut buffer[..1])).0, Err(Errno::EIO));
}

#[test]
fn names_that_no_file_can_have_are_refused() {
    for name in [&b""[..], b"a/b", b"a\0b", &[b'x'; 256]] {
        let mut entries = Writer::new(0, 0);
        entries.bytes(&[0; 5]).u64(7).u64(1).u8(8).string(name);
        let entries = entries.finish();
        let mut w = Writer::new(kind::READDIR + 1, 0);
        w.u32(entries.len() as u32 - 7).bytes(&entries[7..]);
        let bytes = w.finish();
        assert_eq!(Message::parse(&bytes).unwrap().answer(kind::READDIR), Err(Errno::EIO));
    }
}

/// All kinds of request.
const KINDS: [u8; 16] = [
    kind::STATFS,
    kind::OPEN,
    kind::CREATE,
    kind::READLINK,
    kind::GETATTR,
    kind::SETATTR,
    kind::READDIR,
    kind::FSYNC,
    kind::LINK,
    kind::MKDIR,
    kind::RENAME_AT,
    kind::WALK,
    kind::READ,
    kind::WRITE,
    kind::ATTACH,
    kind::VERSION,
];

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_an_error(
        asked in 0..KINDS.len(),
        mut body in prop::collection::vec(any::<u8>(), 0..200),
        told in prop::option::of(0u32..250),
    ) {
        let asked = KINDS[asked];
        let length = told.unwrap_or(body.len() as u32 + 7);
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([asked + 1, 0, 0]);
        bytes.append(&mut body);
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.answer(asked);
        }
    }

    #[test]
    fn a_host_that_answers_anything_is_an_error_at_most(
        garbage in prop::collection::vec(any::<u8>(), 0..60),
        tagged in any::<bool>(),
    ) {
        let c = connect();
        let mut bytes = garbage;
        if tagged && bytes.len() >= 7 {
            let length = bytes.len() as u32;
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            bytes[5..7].copy_from_slice(&[0, 0]);
        }
        c.host.garbage.replace(Some(bytes));
        let mut settled = pin!(c.fetches.settle(|| c.lookup(b"a")));
        for _ in 0..5 {
            let context = &mut Context::from_waker(Waker::noop());
            if settled.as_mut().poll(context).is_ready() {
                break;
            }
            c.share.receive();
        }
    }
}
