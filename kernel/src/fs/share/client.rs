//! The connection to the host: which requests are under way, and which fids are in use.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::sorted::SortedMap;

use super::journal::{Answer, Fetches, Slot};
use super::reply::{FileInfo, Message, Reply};
use super::request::{self, Request};

/// What carries messages to the host and back.
pub trait Carrier {
    /// Takes a request; false if there is no room until a reply has come.
    fn send(&mut self, request: &[u8]) -> bool;

    /// Lets the host know of what it was sent.
    fn announce(&mut self);

    /// Hands the next reply over; false if there is none.
    fn receive(&mut self, reply: &mut dyn FnMut(&[u8])) -> bool;
}

/// A name that the host knows a file by. Dropping it gives the name back.
#[derive(Debug)]
pub(super) struct Fid {
    number: u32,
    /// The number of the file on the host.
    file: Cell<u64>,
    /// Whether it is an open file, and no longer any name of it.
    open: Cell<bool>,
    client: Weak<Client>,
}

impl Fid {
    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    pub(super) const fn file(&self) -> u64 {
        self.file.get()
    }
}

impl PartialEq for Fid {
    /// Whether it does not matter which of the two is named in a request.
    fn eq(&self, other: &Self) -> bool {
        let closed = !self.open.get() && !other.open.get();
        self.number == other.number || (closed && self.file == other.file)
    }
}

impl Eq for Fid {}

impl Drop for Fid {
    fn drop(&mut self) {
        if let Some(client) = self.client.upgrade() {
            client.clunk(self.number);
        }
    }
}

/// A request under way.
enum Pending {
    /// Somebody waits for the answer. The fid is the one that a walk makes.
    Request { request: Rc<Request>, new: u32, slot: Rc<Slot> },
    /// A fid is given back.
    Clunk(u32),
}

/// The side of the connection that asks.
pub(super) struct Client {
    carrier: RefCell<Box<dyn Carrier>>,
    /// By tag.
    pending: RefCell<SortedMap<u16, Pending>>,
    /// Requests that the carrier has no room for.
    waiting: RefCell<VecDeque<Vec<u8>>>,
    next_tag: Cell<u16>,
    /// Fids given back, and the lowest that was never in use.
    fids: RefCell<Vec<u32>>,
    next_fid: Cell<u32>,
    /// Bytes of the largest message.
    largest: Cell<u32>,
    fetches: Rc<Fetches>,
    this: Weak<Client>,
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} requests under way", self.pending.borrow().len())
    }
}

impl Client {
    pub(super) fn new(carrier: Box<dyn Carrier>, fetches: Rc<Fetches>, largest: u32) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            carrier: RefCell::new(carrier),
            pending: RefCell::default(),
            waiting: RefCell::default(),
            next_tag: Cell::new(0),
            fids: RefCell::default(),
            next_fid: Cell::new(0),
            largest: Cell::new(largest),
            fetches,
            this: this.clone(),
        })
    }

    /// Bytes of data that one request can carry either way.
    pub(super) fn data_max(&self) -> usize {
        /// The largest header: that of a write.
        const HEADER: u32 = 23;
        self.largest.get().saturating_sub(HEADER) as usize
    }

    /// Agrees on the protocol and names the top of what is shared. `wait` waits for an interrupt
    /// and says whether to go on.
    ///
    /// # Errors
    /// `EIO` for a host that speaks otherwise; `ETIMEDOUT`; the host's.
    pub(super) fn begin(
        &self,
        wait: &mut dyn FnMut() -> bool,
    ) -> Result<(Rc<Fid>, FileInfo), Errno> {
        let largest = self
            .exchange(&request::version(self.largest.get()), wait, |message| message.version())?;
        /// Less is no use, and could not hold the longest path.
        const LEAST: u32 = 8192;
        if largest < LEAST {
            return Err(Errno::EIO);
        }
        self.largest.set(largest.min(self.largest.get()));
        let number = self.new_fid();
        let attach = request::attach(number);
        let reply =
            self.exchange(&attach, wait, |message| message.answer(request::kind::ATTACH))?;
        let Reply::File(file) = reply else { return Err(Errno::EIO) };
        let fid = self.fid(number, file);
        let ask = Request::Attributes(Rc::clone(&fid));
        let reply = self.exchange(&ask.encode(0, 0), wait, |message| message.answer(ask.kind()))?;
        match reply {
            Reply::Attributes(info) => Ok((fid, info)),
            _ => Err(Errno::EIO),
        }
    }

    /// One request alone, before anybody else asks.
    fn exchange<T>(
        &self,
        request: &[u8],
        wait: &mut dyn FnMut() -> bool,
        read: impl Fn(Message<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut carrier = self.carrier.borrow_mut();
        carrier.send(request);
        carrier.announce();
        let mut answer = None;
        while !carrier.receive(&mut |bytes| answer = Some(Message::parse(bytes).and_then(&read))) {
            if !wait() {
                return Err(Errno::ETIMEDOUT);
            }
        }
        answer.unwrap_or(Err(Errno::EIO))
    }

    fn fid(&self, number: u32, file: u64) -> Rc<Fid> {
        let (file, open, client) = (Cell::new(file), Cell::new(false), self.this.clone());
        Rc::new(Fid { number, file, open, client })
    }

    fn new_fid(&self) -> u32 {
        let free = self.fids.borrow_mut().pop();
        free.unwrap_or_else(|| self.next_fid.replace(self.next_fid.get() + 1))
    }

    fn new_tag(&self) -> u16 {
        let pending = self.pending.borrow();
        let mut tag = self.next_tag.get();
        while tag == request::NO_TAG || pending.contains_key(&tag) {
            tag = tag.wrapping_add(1);
        }
        self.next_tag.set(tag.wrapping_add(1));
        tag
    }

    /// Sends a request; the answer comes into the slot.
    pub(super) fn submit(&self, request: &Rc<Request>, slot: &Rc<Slot>) {
        let new = if matches!(**request, Request::Walk(..)) { self.new_fid() } else { 0 };
        let tag = self.new_tag();
        let bytes = request.encode(tag, new);
        let (request, slot) = (Rc::clone(request), Rc::clone(slot));
        self.pending.borrow_mut().insert(tag, Pending::Request { request, new, slot });
        self.send(bytes);
    }

    fn clunk(&self, fid: u32) {
        let tag = self.new_tag();
        self.pending.borrow_mut().insert(tag, Pending::Clunk(fid));
        self.send(request::clunk(tag, fid));
    }

    /// Sends bytes as soon as there is room.
    fn send(&self, bytes: Vec<u8>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.is_empty() || !self.carrier.borrow_mut().send(&bytes) {
            waiting.push_back(bytes);
        }
    }

    /// Lets the host know of what was sent.
    pub(super) fn announce(&self) {
        self.carrier.borrow_mut().announce();
    }

    /// Takes in the replies that have come; whether there were any.
    pub(super) fn receive(&self) -> bool {
        let mut any = false;
        loop {
            let mut completed = None;
            let more = self.carrier.borrow_mut().receive(&mut |bytes| {
                completed = Some(self.complete(bytes));
            });
            if !more {
                break;
            }
            any = true;
            // A request that ends may hold the last use of a fid, and then sends.
            drop(completed);
            self.send_waiting();
        }
        if any {
            self.fetches.answered();
        }
        any
    }

    fn send_waiting(&self) {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(bytes) = waiting.front() {
            if !self.carrier.borrow_mut().send(bytes) {
                break;
            }
            waiting.pop_front();
        }
    }

    /// Reads a reply and puts it where it is waited for. What is returned is to be dropped once
    /// the carrier is free again. A reply to nothing is nobody's.
    fn complete(&self, bytes: &[u8]) -> Option<Pending> {
        let message = Message::parse(bytes).ok()?;
        let pending = self.pending.borrow_mut().remove(&message.tag)?;
        match &pending {
            Pending::Clunk(fid) => self.fids.borrow_mut().push(*fid),
            Pending::Request { request, new, slot } => {
                let reply = message.answer(request.kind());
                let answer = reply.and_then(|reply| self.answer(request, *new, reply));
                if matches!(**request, Request::Walk(..)) && answer.is_err() {
                    self.fids.borrow_mut().push(*new);
                }
                slot.replace(Some(answer));
            }
        }
        Some(pending)
    }

    /// What a reply means for the fids.
    ///
    /// # Errors
    /// `EIO` for a reply that does not fit its request.
    fn answer(&self, request: &Request, new: u32, reply: Reply) -> Result<Answer, Errno> {
        match (request, &reply) {
            (Request::Walk(_, Some(_)), Reply::File(file)) => {
                return Ok(Answer { reply: Reply::Done, fid: Some(self.fid(new, *file)) });
            }
            (Request::Walk(fid, None), Reply::Done) => {
                let fid = self.fid(new, fid.file());
                return Ok(Answer { reply: Reply::Done, fid: Some(fid) });
            }
            (Request::Walk(..), _) => return Err(Errno::EIO),
            (Request::Open(fid, _) | Request::Create { directory: fid, .. }, Reply::File(file)) => {
                fid.file.set(*file);
                fid.open.set(true);
            }
            (Request::Read { count, .. }, Reply::Data(data)) if data.len() > *count as usize => {
                return Err(Errno::EIO);
            }
            (Request::Write { data, .. }, Reply::Written(count)) if *count > data.len() => {
                return Err(Errno::EIO);
            }
            _ => {}
        }
        Ok(Answer { reply, fid: None })
    }
}
