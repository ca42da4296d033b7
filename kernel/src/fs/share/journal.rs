//! Operations that wait, made of steps that do not.
//!
//! Everything in [`crate::fs`] is a synchronous try. A try that needs to know what only the host
//! knows asks for it and fails with `EIOCBQUEUED`; whoever made the try waits for the answer and
//! makes it again. The journal of the try remembers what was asked and answered, so that each try
//! comes one request further, and each request is made once: a try may ask any number of questions
//! and need not know that it is made again.
//!
//! A try that finds things changed in between, and asks something else than before, goes on with
//! that; but what was changed on the host is never changed a second time: then it fails with
//! `EIO`.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::pin;

use wayfarer_proto::errno::Errno;

use super::client::{Client, Fid};
use super::reply::Reply;
use super::request::Request;
use crate::executor::WaitQueue;

/// What has come for a request: the reply, and the fid of a walk.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) fid: Option<Rc<Fid>>,
}

/// Where an answer is put.
pub(super) type Slot = RefCell<Option<Result<Answer, Errno>>>;

/// Who waits for answers of hosts. One for each node.
#[derive(Default)]
pub struct Fetches {
    /// The journal of the try that is being made; none while nobody could wait.
    current: RefCell<Option<Rc<Journal>>>,
    answered: WaitQueue,
    runs: Cell<u64>,
    used: Cell<bool>,
}

/// What one operation has asked, in order.
#[derive(Default)]
struct Journal {
    entries: RefCell<Vec<Entry>>,
    /// How many of them this try has asked for again.
    position: Cell<usize>,
    /// Which try it is, of all that were made.
    run: Cell<u64>,
}

struct Entry {
    request: Rc<Request>,
    slot: Rc<Slot>,
}

/// Makes a journal the current one, until it is dropped.
struct Scope<'a> {
    fetches: &'a Fetches,
    before: Option<Rc<Journal>>,
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        self.fetches.current.replace(self.before.take());
    }
}

impl Fetches {
    /// Whether there is anything to ask.
    pub fn is_used(&self) -> bool {
        self.used.get()
    }

    /// Notes that a directory of the host is shared.
    pub(super) fn use_it(&self) {
        self.used.set(true);
    }

    /// Makes a try as often as it has to wait for an answer.
    ///
    /// # Errors
    /// The try's.
    pub async fn settle<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let journal = Rc::new(Journal::default());
        loop {
            self.rewind(&journal);
            let outcome = {
                let _scope = self.enter(&journal);
                attempt()
            };
            match outcome {
                Err(Errno::EIOCBQUEUED) => self.wait(&journal).await?,
                outcome => return outcome,
            }
        }
    }

    /// Runs an operation from its beginning as often as a try in it has to wait for an answer:
    /// what it does besides can be done again.
    ///
    /// # Errors
    /// The operation's.
    pub async fn replay<T, F: Future<Output = Result<T, Errno>>>(
        &self,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, Errno> {
        let journal = Rc::new(Journal::default());
        loop {
            self.rewind(&journal);
            let mut run = pin!(operation());
            let outcome = poll_fn(|context| {
                let _scope = self.enter(&journal);
                run.as_mut().poll(context)
            })
            .await;
            match outcome {
                Err(Errno::EIOCBQUEUED) => self.wait(&journal).await?,
                outcome => return outcome,
            }
        }
    }

    fn enter(&self, journal: &Rc<Journal>) -> Scope<'_> {
        Scope { fetches: self, before: self.current.replace(Some(Rc::clone(journal))) }
    }

    fn rewind(&self, journal: &Journal) {
        self.runs.set(self.runs.get() + 1);
        journal.run.set(self.runs.get());
        journal.position.set(0);
    }

    /// Waits until all is answered that was asked.
    async fn wait(&self, journal: &Journal) -> Result<(), Errno> {
        if journal.is_answered() {
            return Err(Errno::EIO);
        }
        self.answered.wait_until(|| journal.is_answered().then_some(())).await;
        Ok(())
    }

    /// Wakes those whose answers may have come.
    pub(super) fn answered(&self) {
        self.answered.wake_all();
    }

    /// The number of the try that is being made: what was learnt in it is news.
    pub(super) fn run(&self) -> u64 {
        self.current.borrow().as_ref().map_or(0, |journal| journal.run.get())
    }

    /// Asks the host.
    ///
    /// # Errors
    /// The host's; `EIOCBQUEUED` if the answer is not there yet; `EIO` if nobody could wait for it.
    pub(super) fn ask(&self, client: &Client, request: Request) -> Result<Answer, Errno> {
        let journal = self.current.borrow().clone().ok_or(Errno::EIO)?;
        journal.ask(client, request)
    }
}

impl Journal {
    fn is_answered(&self) -> bool {
        self.entries.borrow().iter().all(|entry| entry.slot.borrow().is_some())
    }

    fn ask(&self, client: &Client, request: Request) -> Result<Answer, Errno> {
        let position = self.position.get();
        let mut entries = self.entries.borrow_mut();
        let asked = entries[position..].iter().position(|entry| *entry.request == request);
        let skipped = position..asked.map_or(entries.len(), |asked| position + asked);
        if entries[skipped.clone()].iter().any(|entry| entry.request.changes()) {
            return Err(Errno::EIO);
        }
        let forgotten: Vec<Entry> = entries.drain(skipped).collect();
        if asked.is_none() {
            let entry = Entry { request: Rc::new(request), slot: Rc::default() };
            client.submit(&entry.request, &entry.slot);
            entries.push(entry);
        }
        self.position.set(position + 1);
        let slot = Rc::clone(&entries[position].slot);
        drop(entries);
        drop(forgotten);
        let answer = slot.borrow().clone();
        answer.unwrap_or(Err(Errno::EIOCBQUEUED))
    }
}
