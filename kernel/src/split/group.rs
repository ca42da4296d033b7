//! Processes that share memory move as one: all or none.
//!
//! Each has its deputy, and each deputy takes its move to the point where the new body is whole.
//! When the last has come there, all are committed in one step of home, which decides alone where
//! bodies live (decision D6). The first that fails calls the others off.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt::Write as _;

use wayfarer_deputy::Input;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::limits;
use wayfarer_proto::message::Refusal;
use wayfarer_proto::session::MovePhase;

use super::DeputyDriver;
use super::recall::is_moving;
use crate::executor::Promise;
use crate::kernel::Kernel;
use crate::process::Home;

/// Processes that move together.
pub(super) struct Group {
    members: Vec<Rc<Home>>,
    /// How many are whole where they go.
    whole: Cell<usize>,
    /// How many moves have ended, one way or the other.
    ended: Cell<usize>,
    failure: RefCell<Option<Refusal>>,
    done: RefCell<Option<Promise<Result<(), Refusal>>>>,
}

/// A refusal.
pub(super) fn refusal(errno: Errno, reason: &str) -> Refusal {
    Refusal { errno, reason: String::from(reason) }
}

impl Group {
    /// Processes about to be moved; `done` is told once all are, or none.
    pub(super) fn new(members: Vec<Rc<Home>>, done: Promise<Result<(), Refusal>>) -> Rc<Self> {
        Rc::new(Self {
            members,
            whole: Cell::new(0),
            ended: Cell::new(0),
            failure: RefCell::new(None),
            done: RefCell::new(Some(done)),
        })
    }

    /// The deputies of those that have one.
    pub(super) fn deputies(&self) -> Vec<Rc<DeputyDriver>> {
        let deputy = |home: &Rc<Home>| home.cell().and_then(|cell| cell.deputy_driver());
        self.members.iter().filter_map(deputy).collect()
    }

    /// The move of a member has ended.
    pub(super) fn ended(self: &Rc<Self>, pid: Pid, result: Result<(), Refusal>) {
        self.ended.set(self.ended.get() + 1);
        if let Err(refusal) = result
            && self.failure.borrow().is_none()
        {
            let refusal = self.named(pid, refusal);
            *self.failure.borrow_mut() = Some(refusal.clone());
            self.call_off(&refusal);
        }
        if self.ended.get() == self.members.len()
            && let Some(done) = self.done.take()
        {
            done.fulfil(self.failure.take().map_or(Ok(()), Err));
        }
    }

    /// The refusal of one member as that of the group: who they are, and whose it is.
    fn named(&self, pid: Pid, refusal: Refusal) -> Refusal {
        if self.members.len() == 1 {
            return refusal;
        }
        let mut reason = String::new();
        for (index, member) in self.members.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(reason, "{comma}{} ({})", member.pid, member.program.borrow().comm);
        }
        let _ = write!(reason, " share memory; of {pid}: {}", refusal.reason);
        while reason.len() > limits::TEXT {
            reason.pop();
        }
        // Without the one that has ended the others may move.
        let errno = if refusal.errno == Errno::ESRCH { Errno::EAGAIN } else { refusal.errno };
        Refusal { errno, reason }
    }

    fn call_off(&self, refusal: &Refusal) {
        for deputy in self.deputies() {
            deputy.later(Input::CallOff(refusal.clone()));
        }
    }

    /// Whether every member's new body is whole, and stays so until this step of home ends.
    fn is_whole(&self, deputies: &[Rc<DeputyDriver>]) -> bool {
        let whole = |deputy: &Rc<DeputyDriver>| {
            deputy.session.borrow().move_phase() == Some(MovePhase::Stream)
        };
        self.whole.get() == self.members.len()
            && self.failure.borrow().is_none()
            && deputies.len() == self.members.len()
            && deputies.iter().all(whole)
    }
}

impl Kernel {
    /// The group of a process, once none of it lends its memory over vfork(2) or is about to end.
    pub(super) async fn ready_group(&self, home: &Rc<Home>) -> Vec<Rc<Home>> {
        loop {
            memory_is_own(home).await;
            let group = self.sharers(home);
            if let Some(leaving) = self.leaving_sharer(&group) {
                let returned = || leaving.maps.lent().is_empty().then_some(());
                leaving.maps.returned.wait_until(returned).await;
                continue;
            }
            match group.iter().find(|member| lends_memory(member)) {
                Some(member) => memory_is_own(member).await,
                None => return group,
            }
        }
    }

    /// Waits until a process may lend its memory over vfork(2): until it is in no move. The child
    /// would write to what has been sent, and stay behind.
    pub async fn may_lend(&self, home: &Home) {
        while is_moving(home) {
            self.move_ended(home).await;
        }
    }

    /// Whether the group that moves is still all that must move.
    fn is_complete(&self, group: &Group) -> bool {
        let moves = |one: &Rc<Home>| group.members.iter().any(|member| Rc::ptr_eq(member, one));
        self.leaving_sharer(&group.members).is_none()
            && group.members.iter().all(|member| self.sharers(member).iter().all(moves))
    }
}

impl DeputyDriver {
    /// The new body is whole. With the last of a group all are committed.
    pub(super) fn whole(self: &Rc<Self>) {
        let Some(group) = self.order.borrow().as_ref().map(|watch| Rc::clone(&watch.group)) else {
            return;
        };
        group.whole.set(group.whole.get() + 1);
        let deputies = group.deputies();
        if !group.is_whole(&deputies) {
            return;
        }
        if !self.kernel.is_complete(&group) {
            let reason = "its memory came to be shared with others";
            return self.later(Input::CallOff(refusal(Errno::EAGAIN, reason)));
        }
        let now = self.kernel.now();
        for deputy in &deputies {
            deputy.session.borrow_mut().handle_input(now, Input::Commit);
        }
        for deputy in &deputies {
            deputy.drain();
        }
    }
}

fn lends_memory(home: &Home) -> bool {
    home.borrows_memory.get()
        || home.children.borrow().values().any(|child| child.borrows_memory.get())
}

/// A process that shares its memory over vfork(2) moves once the child has executed or ended.
async fn memory_is_own(home: &Home) {
    loop {
        let lent =
            home.children.borrow().values().find(|child| child.borrows_memory.get()).cloned();
        let borrower = match lent {
            Some(child) => child,
            None if home.borrows_memory.get() => {
                home.memory_returned
                    .wait_until(|| (!home.borrows_memory.get()).then_some(()))
                    .await;
                continue;
            }
            None => return,
        };
        let returned = || (!borrower.borrows_memory.get()).then_some(());
        borrower.memory_returned.wait_until(returned).await;
    }
}
