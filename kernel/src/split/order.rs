//! A move, from who asked for it to what it cost.

use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;

use wayfarer_body::Session as BodySession;
use wayfarer_deputy::{Input, Session as DeputySession, Target};
use wayfarer_proto::console::{FromNode, Moved, Refused};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Epoch, NodeId, Pid, ProcessKey};
use wayfarer_proto::message::{Refusal, Requirements, Ticket};
use wayfarer_proto::session::MovePhase;
use wayfarer_proto::time::Instant;

use super::arrive::Parts;
use super::berths::Berth;
use super::body::BodyDriver;
use super::deputy::DeputyDriver;
use super::doors::arriving;
use super::group::{Group, refusal};
use super::recall::{is_moving, is_ordered};
use crate::executor::{Priority, Slot};
use crate::kernel::Kernel;
use crate::process::{Home, Joint, ProcessCell};

/// How often a move is begun whose group changes while it goes on.
const TRIES: u32 = 8;

/// A move that goes on, and what was measured of it.
pub(super) struct Watch {
    from: NodeId,
    to: NodeId,
    began: Instant,
    pub(super) group: Rc<Group>,
}

impl Kernel {
    /// Moves a process of this home to `node`, with all who share memory with it, and waits until
    /// they have moved, or have not.
    ///
    /// # Errors
    /// The refusal: all run on where they were.
    pub async fn migrate(self: &Rc<Self>, home: &Rc<Home>, node: NodeId) -> Result<(), Refusal> {
        // Who comes home may be what those wait for that leave.
        let _berth = match node == self.node {
            true => None,
            false => Some(self.departures.take().await),
        };
        let mut result = self.move_once(home, node).await;
        for _ in 1..TRIES {
            // Another came to share the group's memory meanwhile, or one of them has ended.
            if !matches!(&result, Err(refusal) if refusal.errno == Errno::EAGAIN) {
                break;
            }
            result = self.move_once(home, node).await;
        }
        if let Err(refusal) = &result {
            let (pid, errno, reason) = (home.pid, refusal.errno, refusal.reason.clone());
            self.console.send(&FromNode::Refused(Refused { pid, node, errno, reason }));
        }
        result
    }

    async fn move_once(self: &Rc<Self>, home: &Rc<Home>, node: NodeId) -> Result<(), Refusal> {
        let slot = self.begin_moves(home, node).await?;
        let ended = || Err(refusal(Errno::ESRCH, "the process has ended"));
        slot.take().await.unwrap_or_else(ended)
    }

    /// Moves a process to its home, unless it is there.
    ///
    /// # Errors
    /// As [`Kernel::migrate`].
    pub async fn bring_home(self: &Rc<Self>, home: &Rc<Home>) -> Result<(), Refusal> {
        if home.cell().is_some_and(|cell| cell.place() == self.node) {
            return Ok(());
        }
        self.migrate(home, self.node).await
    }

    /// Begins the moves of a group.
    async fn begin_moves(
        self: &Rc<Self>,
        home: &Rc<Home>,
        node: NodeId,
    ) -> Result<Slot<Result<(), Refusal>>, Refusal> {
        if node.0 == 0 || node.0 > self.nodes {
            let reason = alloc::format!("there is no node {node}: nodes are 1 to {}", self.nodes);
            return Err(Refusal { errno: Errno::EHOSTUNREACH, reason });
        }
        let leaving = self.leaving_group(home, node).await?;
        let (done, slot) = Slot::new();
        if leaving.is_empty() {
            done.fulfil(Ok(()));
            return Ok(slot);
        }
        let group = Group::new(leaving.iter().map(|(member, _)| Rc::clone(member)).collect(), done);
        for (member, cell) in leaving {
            let deputy = self.deputy_of(&cell, &member);
            let (from, group) = (cell.place(), Rc::clone(&group));
            *deputy.order.borrow_mut() = Some(Watch { from, to: node, began: self.now(), group });
        }
        for deputy in group.deputies() {
            let target = deputy.target(node);
            deputy.input(Input::Move { target });
        }
        Ok(slot)
    }

    /// The members of a group that are not at `node` yet, none of them in a move. The end of
    /// another's move of the group is waited for.
    async fn leaving_group(
        self: &Rc<Self>,
        home: &Rc<Home>,
        node: NodeId,
    ) -> Result<Vec<(Rc<Home>, Rc<ProcessCell>)>, Refusal> {
        loop {
            let members = self.ready_group(home).await;
            if let Some(moving) = members.iter().find(|member| is_moving(member)) {
                if members.len() == 1 && is_ordered(moving) {
                    return Err(refusal(Errno::EBUSY, "it is already moving"));
                }
                self.move_ended(moving).await;
                continue;
            }
            let mut leaving = Vec::new();
            for member in members {
                // Its memory may be freed at this moment: no session may be made of it any more.
                if member.exiting().is_some() {
                    return Err(refusal(Errno::ESRCH, "it has ended"));
                }
                let cell = member.cell().ok_or_else(|| refusal(Errno::ESRCH, "it has no body"))?;
                if cell.place() != node {
                    leaving.push((member, cell));
                }
            }
            return Ok(leaving);
        }
    }

    /// The driver of the process's deputy session. A whole process gets both sessions, joined, and
    /// they are told of the calls that are open.
    fn deputy_of(self: &Rc<Self>, cell: &Rc<ProcessCell>, home: &Rc<Home>) -> Rc<DeputyDriver> {
        if let Some(deputy) = cell.deputy_driver() {
            return deputy;
        }
        let config = self.session_config();
        let epoch = Epoch(home.epoch.get());
        let mut deputy = DeputySession::at_home(config, cell.key, epoch);
        let mut body = BodySession::at_home(config, cell.key, epoch);
        for thread in home.threads.borrow().values() {
            if let Some(seq) = thread.open_call() {
                deputy.adopt(thread.tid, seq);
                body.adopt(thread.tid, seq);
            }
        }
        if let Some(whole) = cell.body() {
            deputy.count_from(whole.last_seq());
            body.count_from(whole.last_seq());
        }
        let deputy = DeputyDriver::new(self, home, deputy);
        let body = BodyDriver::new(self, body, cell.body());
        body.set_process(cell);
        join(&deputy, &body);
        cell.set_joint(Some(Joint { deputy: Rc::clone(&deputy), body }));
        deputy
    }

    /// A process told from outside to move (`/proc/PID/goto`, the runner).
    ///
    /// # Errors
    /// As [`Kernel::migrate`].
    pub async fn order_move(self: &Rc<Self>, pid: Pid, node: NodeId) -> Result<(), Refusal> {
        match self.processes.home(pid) {
            Some(home) => self.migrate(&home, node).await,
            None => {
                let refused = Refused {
                    pid,
                    node,
                    errno: Errno::ESRCH,
                    reason: alloc::format!("no process {pid} is at home on node {}", self.node),
                };
                self.console.send(&FromNode::Refused(refused));
                Err(Refusal { errno: Errno::ESRCH, reason: "no such process".into() })
            }
        }
    }

    /// Remembers whose image a token announces.
    pub(super) fn expect_image(&self, token: u64, driver: &Rc<BodyDriver>) {
        self.arrivals.borrow_mut().insert(token, Rc::clone(driver));
    }

    /// The body whose image a token announces.
    pub(super) fn arrival(&self, token: u64) -> Option<Rc<BodyDriver>> {
        self.arrivals.borrow().get(&token).cloned()
    }

    /// Forgets the token of a body that has arrived or never will.
    pub(super) fn forget_arrival(&self, driver: &BodyDriver) {
        self.arrivals.borrow_mut().retain(|_, other| !core::ptr::eq(&**other, driver));
    }

    /// Remembers which deputy awaits the body of a child.
    pub(super) fn expect_child(&self, token: u64, deputy: &Rc<DeputyDriver>) {
        self.children.borrow_mut().insert(token, Rc::downgrade(deputy));
    }

    /// The deputy that awaits the body which shows this token; each is good once.
    pub(super) fn take_child(&self, token: u64) -> Option<Rc<DeputyDriver>> {
        let deputy = self.children.borrow_mut().remove(&token);
        deputy.as_ref().and_then(Weak::upgrade)
    }

    /// Forgets the token of a child whose body could not be made.
    pub(super) fn forget_child(&self, token: u64) {
        self.children.borrow_mut().remove(&token);
    }
}

/// Joins the two sessions of a process that is whole.
fn join(deputy: &Rc<DeputyDriver>, body: &Rc<BodyDriver>) {
    *deputy.partner.borrow_mut() = Some(Rc::clone(body));
    *body.partner.borrow_mut() = Some(Rc::clone(deputy));
}

impl DeputyDriver {
    /// Home is the target: can it host the body?
    pub(super) fn admit(self: &Rc<Self>, requirements: Requirements, epoch: Epoch) {
        let (kernel, driver) = (Rc::clone(&self.kernel), Rc::clone(self));
        let later = requirements.clone();
        let at_once = self.kernel.spawner.run(
            Priority::Service,
            Box::pin(async move { kernel.berths.take().await }),
            move |berth| driver.admit_to(berth, &later, epoch),
        );
        if let Some(berth) = at_once {
            self.admit_to(berth, &requirements, epoch);
        }
    }

    fn admit_to(self: &Rc<Self>, berth: Berth, requirements: &Requirements, epoch: Epoch) {
        let comes_home =
            self.order.borrow().as_ref().is_some_and(|watch| watch.to == self.kernel.node);
        let phase = self.session.borrow().move_phase();
        if !comes_home || phase != Some(MovePhase::Admission) {
            // The move was called off while it waited for room.
            return;
        }
        let process = ProcessKey { home: self.kernel.node, pid: self.home.pid };
        // The files are here, with the pages that it shares.
        let frames = requirements.frames.saturating_sub(requirements.shared_frames);
        let requirements = Requirements { frames, ..requirements.clone() };
        match self.kernel.admit(process, &requirements, berth) {
            Ok(parts) => self.make_arrival(process, epoch, parts),
            Err(refusal) => self.input(Input::NotAdmitted(refusal)),
        }
    }

    fn make_arrival(self: &Rc<Self>, process: ProcessKey, epoch: Epoch, parts: Parts) {
        let token = self.kernel.random.borrow_mut().next_u64();
        let reader = wayfarer_proto::codec::FrameReader::new(wayfarer_proto::limits::HELLO);
        let ticket = Ticket { token, remembered: parts.remembered() };
        let arrival = wayfarer_body::Arrival { process, epoch, ticket, home: true, reader };
        let body = arriving(&self.kernel, arrival, parts);
        join(self, &body);
        body.drain();
        self.input(Input::Admitted { ticket });
    }

    /// The body has moved: the process changes its shape.
    pub(super) fn moved(self: &Rc<Self>, target: Target, epoch: Epoch) {
        self.home.epoch.set(epoch.0);
        if let Some(body) = self.process().and_then(|cell| cell.body()) {
            self.kernel.lend_files(&self.home, &body);
        }
        match (self.process(), target) {
            (Some(cell), Target::Away { node, .. }) => {
                // The old body's session, if it was here, says its own farewell.
                self.partner.take();
                self.set_place(node);
                self.home.away.ever.set(true);
                cell.become_deputy(&self.home, self);
            }
            _ => self.set_place(self.kernel.node),
        }
        self.home.renew_attention();
        self.hold_in(Some(MovePhase::Commit));
        self.report(Ok(()));
    }

    /// The body has not moved and runs where it was.
    pub(super) fn move_failed(self: &Rc<Self>, target: Target, refusal: Refusal) {
        if target == Target::Here {
            // The arriving body was called off, or never began.
            self.partner.take();
        }
        self.report(Err(refusal));
    }

    fn report(&self, result: Result<(), Refusal>) {
        let Some(watch) = self.order.take() else { return };
        let now = self.kernel.now();
        let cost = self.session.borrow().move_cost();
        let frozen_us = cost.frozen_since.map_or(0, |at| now.since(at).as_micros() as u64);
        self.kernel.console.send(&FromNode::Moved(Moved {
            program: self.home.program.borrow().comm.clone(),
            pid: self.home.pid,
            from: watch.from,
            to: watch.to,
            bytes: cost.bytes,
            total_us: now.since(watch.began).as_micros() as u64,
            frozen_us,
            round_trips: cost.round_trips,
            result: result.as_ref().map_err(|refusal| refusal.errno).copied(),
        }));
        watch.group.ended(self.home.pid, result);
    }
}
