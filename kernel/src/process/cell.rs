//! Where the halves of a process are, and what changes when they part or meet.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wayfarer_proto::id::{CallSeq, NodeId, ProcessKey, Tid};

use super::thread::Delivered;
use super::{Body, Home, HomeThread};
use crate::executor::WaitQueue;
use crate::split::{BodyDriver, DeputyDriver};
use crate::syscall::Reply;

/// Where the halves of a process are.
pub enum Process {
    /// Both halves are here, at home.
    Whole {
        /// The user context.
        body: Rc<Body>,
        /// The system context.
        home: Rc<Home>,
    },
    /// The body is away.
    Deputy {
        /// The system context.
        home: Rc<Home>,
        /// Its session.
        session: Rc<DeputyDriver>,
    },
    /// A body whose home is elsewhere.
    Guest {
        /// The user context.
        body: Rc<Body>,
        /// Its session.
        session: Rc<BodyDriver>,
    },
}

/// Both sessions of a process that is whole, while it prepares to part or has just met: everything
/// between the halves then goes through them.
pub struct Joint {
    /// The deputy's.
    pub deputy: Rc<DeputyDriver>,
    /// The body's.
    pub body: Rc<BodyDriver>,
}

/// A process as this node knows it.
pub struct ProcessCell {
    /// Its name in the cluster.
    pub key: ProcessKey,
    state: RefCell<Process>,
    joint: RefCell<Option<Joint>>,
    /// While the body is between two places nobody touches its memory.
    in_transit: Cell<bool>,
    /// Woken when the body has arrived somewhere.
    pub settled: WaitQueue,
}

impl ProcessCell {
    fn new(key: ProcessKey, state: Process) -> Rc<Self> {
        Rc::new(Self {
            key,
            state: RefCell::new(state),
            joint: RefCell::new(None),
            in_transit: Cell::new(false),
            settled: WaitQueue::new(),
        })
    }

    /// A process whose halves are both here.
    pub fn whole(body: Rc<Body>, home: Rc<Home>) -> Rc<Self> {
        let cell = Self::new(body.key, Process::Whole { body, home: Rc::clone(&home) });
        home.attach(&cell);
        cell
    }

    /// A process whose body is away.
    pub fn deputy(key: ProcessKey, home: Rc<Home>, session: Rc<DeputyDriver>) -> Rc<Self> {
        let cell = Self::new(key, Process::Deputy { home: Rc::clone(&home), session });
        home.attach(&cell);
        cell
    }

    /// A body whose home is elsewhere.
    pub fn guest(body: Rc<Body>, session: Rc<BodyDriver>) -> Rc<Self> {
        Self::new(body.key, Process::Guest { body, session })
    }

    /// The home half, if it is here.
    pub fn home(&self) -> Option<Rc<Home>> {
        match &*self.state.borrow() {
            Process::Whole { home, .. } | Process::Deputy { home, .. } => Some(Rc::clone(home)),
            Process::Guest { .. } => None,
        }
    }

    /// The body, if it is here.
    pub fn body(&self) -> Option<Rc<Body>> {
        match &*self.state.borrow() {
            Process::Whole { body, .. } | Process::Guest { body, .. } => Some(Rc::clone(body)),
            Process::Deputy { .. } => None,
        }
    }

    /// Whether both halves are here and nothing between them goes through sessions.
    pub fn is_whole(&self) -> bool {
        matches!(*self.state.borrow(), Process::Whole { .. }) && self.joint.borrow().is_none()
    }

    /// The deputy's session, if there is one here.
    pub fn deputy_driver(&self) -> Option<Rc<DeputyDriver>> {
        match &*self.state.borrow() {
            Process::Deputy { session, .. } => Some(Rc::clone(session)),
            _ => self.joint.borrow().as_ref().map(|joint| Rc::clone(&joint.deputy)),
        }
    }

    /// The body's session, if there is one here.
    pub fn body_driver(&self) -> Option<Rc<BodyDriver>> {
        match &*self.state.borrow() {
            Process::Guest { session, .. } => Some(Rc::clone(session)),
            _ => self.joint.borrow().as_ref().map(|joint| Rc::clone(&joint.body)),
        }
    }

    /// The session through which a handler reaches a body that is away.
    pub fn away(&self) -> Option<Rc<DeputyDriver>> {
        match &*self.state.borrow() {
            Process::Deputy { session, .. } => Some(Rc::clone(session)),
            _ => None,
        }
    }

    /// The node the body is on, as far as this node knows.
    pub fn place(&self) -> NodeId {
        match &*self.state.borrow() {
            Process::Deputy { session, .. } => session.place(),
            Process::Whole { .. } | Process::Guest { .. } => self.key.home,
        }
    }

    /// Lets everything between the halves go through their sessions, or no longer.
    pub fn set_joint(&self, joint: Option<Joint>) {
        let old = self.joint.replace(joint);
        if let Some(old) = old {
            old.deputy.retire();
            old.body.retire();
        }
    }

    /// Parts the halves if nothing is open between their sessions any more.
    pub fn part_if_quiet(&self) {
        let quiet = self.joint.borrow().as_ref().is_some_and(|joint| joint.deputy.is_quiet());
        if quiet {
            self.set_joint(None);
        }
    }

    /// The body has left.
    pub fn become_deputy(&self, home: &Rc<Home>, session: &Rc<DeputyDriver>) {
        self.joint.borrow_mut().take();
        let state = Process::Deputy { home: Rc::clone(home), session: Rc::clone(session) };
        drop(self.state.replace(state));
        self.settle();
    }

    /// The body has come home.
    pub fn come_home(&self, body: &Rc<Body>, driver: &Rc<BodyDriver>) {
        let Some(home) = self.home() else { return };
        let deputy = self.deputy_driver();
        let whole = Process::Whole { body: Rc::clone(body), home: Rc::clone(&home) };
        drop(self.state.replace(whole));
        home.maps.end_loans();
        if let Some(deputy) = deputy {
            *self.joint.borrow_mut() = Some(Joint { deputy, body: Rc::clone(driver) });
        }
        self.settle();
    }

    /// Whether the body is between two places.
    pub fn is_in_transit(&self) -> bool {
        self.in_transit.get()
    }

    /// The threads of a body that is here stop.
    pub fn begin_transit(&self) {
        self.in_transit.set(true);
    }

    /// The body is somewhere again.
    pub fn settle(&self) {
        self.in_transit.set(false);
        self.settled.wake_all();
    }

    /// Stops or resumes the body, wherever it is.
    pub fn set_stopped(&self, stopped: bool) {
        if let Some(deputy) = self.deputy_driver() {
            let input = if stopped {
                wayfarer_deputy::Input::Stop
            } else {
                wayfarer_deputy::Input::Continue
            };
            deputy.input(input);
        } else if let Some(body) = self.body() {
            body.set_stopped(stopped);
        }
    }

    /// Asks a thread of the body to make a null request (rule 4).
    pub fn attention(&self, tid: Tid) {
        if let Some(deputy) = self.deputy_driver() {
            deputy.attention(tid);
        } else if let Some(body) = self.body() {
            body.attention(tid);
        }
    }

    /// Hands the answer of a handler to the body, wherever it is.
    pub fn answer(&self, thread: &HomeThread, seq: CallSeq, reply: Reply) {
        if let Some(deputy) = self.deputy_driver() {
            deputy.finish(thread.tid, seq, reply);
        } else if let Some(body) = self.body()
            && let Some(thread) = body.thread(thread.tid)
        {
            thread.deliver(seq, Delivered { outs: alloc::vec![], reply });
        }
    }
}
