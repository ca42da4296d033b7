//! Processes: a body that can move and a home that cannot (decision D7).
//!
//! [`Process`] says where the halves are; [`ProcessCell`] is what the rest of the kernel holds, so
//! that a process keeps its identity while its halves part and meet again.

mod apply;
mod asker;
mod body;
mod child;
mod exit;
mod files;
mod home;
mod home_thread;
mod init;
mod limits;
mod local_memory;
mod program;
mod run;
mod table;
mod thread;
mod transact;
pub mod wait;

pub use asker::HomeAsker;
pub use body::{Body, Clocks, Counts, Memory};
pub use child::{CloneArgs, Kind, first_context};
pub use exit::spawn_reaper;
pub use files::{Files, MappedFile, MappedFiles};
pub use home::{Home, ProgramName, RealTimer};
pub use home_thread::{HomeThread, OpenCall};
pub use init::make_init;
pub use limits::ResourceLimits;
pub use local_memory::LocalMemory;
pub use program::{ExecRequest, NewProgram};
pub use run::{Next, Running};
pub use table::ProcessTable;
pub use thread::{BodyThread, InCall, NO_ALT_STACK};

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wayfarer_proto::id::{ProcessKey, Tid};

use crate::executor::WaitQueue;

/// Where the halves of a process are.
pub enum Process {
    /// Both halves are here, at home.
    Whole {
        /// The user context.
        body: Rc<Body>,
        /// The system context.
        home: Rc<Home>,
    },
}

/// A process as this node knows it.
pub struct ProcessCell {
    /// Its name in the cluster.
    pub key: ProcessKey,
    state: RefCell<Process>,
    /// While the body is between two places nobody touches its memory.
    in_transit: Cell<bool>,
    /// Woken when the body has arrived somewhere.
    pub settled: WaitQueue,
}

impl ProcessCell {
    /// A process whose halves are both here.
    pub fn whole(body: Rc<Body>, home: Rc<Home>) -> Rc<Self> {
        let cell = Rc::new(Self {
            key: body.key,
            state: RefCell::new(Process::Whole { body, home: Rc::clone(&home) }),
            in_transit: Cell::new(false),
            settled: WaitQueue::new(),
        });
        home.attach(&cell);
        cell
    }

    /// The home half, if it is here.
    pub fn home(&self) -> Option<Rc<Home>> {
        match &*self.state.borrow() {
            Process::Whole { home, .. } => Some(Rc::clone(home)),
        }
    }

    /// The body, if it is here.
    pub fn body(&self) -> Option<Rc<Body>> {
        match &*self.state.borrow() {
            Process::Whole { body, .. } => Some(Rc::clone(body)),
        }
    }

    /// Takes the process apart: nobody finds its halves through it any more.
    pub fn dissolve(&self) -> Rc<Body> {
        match &*self.state.borrow() {
            Process::Whole { body, .. } => Rc::clone(body),
        }
    }

    /// Tells the body that a call of its thread is answered. A whole process's thread waits for
    /// that at home.
    pub fn answered(&self, _thread: &HomeThread) {}

    /// Whether the body is between two places.
    pub fn is_in_transit(&self) -> bool {
        self.in_transit.get()
    }

    /// Stops or resumes the body, wherever it is.
    pub fn set_stopped(&self, stopped: bool) {
        match &*self.state.borrow() {
            Process::Whole { body, .. } => body.set_stopped(stopped),
        }
    }

    /// Asks a thread of the body to make a null request (rule 4).
    pub fn attention(&self, tid: Tid) {
        match &*self.state.borrow() {
            Process::Whole { body, .. } => body.attention(tid),
        }
    }
}
