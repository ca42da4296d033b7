//! Drives the session of a deputy.

use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::task::Poll;

use wayfarer_deputy::{
    BodyLost, Event, Input, MemoryOp, Output, Request as Asked, Session, Target,
};
use wayfarer_proto::codec::FrameReader;
use wayfarer_proto::console::Stage;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::MIGRATION_PORT;
use wayfarer_proto::id::{CallSeq, ChannelId, Epoch, NodeId, Tid};
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{Signal, SignalSet};
use wayfarer_proto::message::{Action as WireAction, MemoryReply, Usage};
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::table::{Class, Sysno};
use wayfarer_proto::time::Instant;

use super::ahead::Ahead;
use super::body::BodyDriver;
use super::hold::Hold;
use super::queue::{Queue, Step};
use super::wire::{Heard, Why, Wire};
use crate::executor::{Either, Priority, Promise, TaskHandle, WaitQueue, select, yield_now};
use crate::kernel::Kernel;
use crate::net::{Connection, Kind, ReadError};
use crate::process::{Home, ProcessCell};
use crate::signal::Action;
use crate::syscall::{Call, Caller, Reply, Request, UserMemory, serve};

/// What a body says when it is asked about itself.
pub(super) type QueryResult = Result<Vec<u8>, BodyLost>;

/// The session of one split process, and what it is connected to.
pub struct DeputyDriver {
    pub(super) kernel: Rc<Kernel>,
    /// The half that is here.
    pub home: Rc<Home>,
    pub(super) session: RefCell<Session>,
    queue: Queue<Input<'static>>,
    pub(super) hold: Hold,
    pub(super) ahead: Ahead,
    channels: RefCell<SortedMap<ChannelId, Rc<Wire>>>,
    next_channel: Cell<u32>,
    pub(super) operations: RefCell<SortedMap<MemoryOp, Promise<Result<MemoryReply, BodyLost>>>>,
    /// The body session of this node, while the process is whole but about to be split.
    pub(super) partner: RefCell<Option<Rc<BodyDriver>>>,
    pub(super) order: RefCell<Option<super::order::Watch>>,
    /// Woken when a move has ended.
    pub(super) ordered: WaitQueue,
    /// Why a channel broke last, if one did.
    broken: Cell<Option<ReadError>>,
    deadline: Cell<Instant>,
    earlier: WaitQueue,
    timer: RefCell<Option<TaskHandle>>,
    /// Round trips that calls of the process have made.
    pub round_trips: Cell<u64>,
    /// Segments sent again on channels that are closed.
    retransmissions: Cell<u64>,
    /// Woken when the session is over.
    pub closed: WaitQueue,
    over: Cell<bool>,
    /// The node the body is on.
    place: Cell<NodeId>,
    pub(super) queries: RefCell<SortedMap<u32, Promise<QueryResult>>>,
    pub(super) next_query: Cell<u32>,
}

impl DeputyDriver {
    /// Drives `session` for `home`.
    pub fn new(kernel: &Rc<Kernel>, home: &Rc<Home>, session: Session) -> Rc<Self> {
        let driver = Rc::new(Self {
            kernel: Rc::clone(kernel),
            home: Rc::clone(home),
            session: RefCell::new(session),
            queue: Queue::default(),
            hold: Hold::default(),
            ahead: Ahead::default(),
            channels: RefCell::default(),
            next_channel: Cell::new(1),
            operations: RefCell::default(),
            partner: RefCell::new(None),
            order: RefCell::new(None),
            ordered: WaitQueue::new(),
            broken: Cell::new(None),
            deadline: Cell::new(Instant::NEVER),
            earlier: WaitQueue::new(),
            timer: RefCell::new(None),
            round_trips: Cell::new(0),
            retransmissions: Cell::new(0),
            closed: WaitQueue::new(),
            over: Cell::new(false),
            place: Cell::new(kernel.node),
            queries: RefCell::default(),
            next_query: Cell::new(1),
        });
        let task = kernel.spawner.spawn(Priority::Service, watch(Rc::downgrade(&driver)));
        *driver.timer.borrow_mut() = Some(task);
        driver
    }

    /// A name for a connection that is not in use.
    pub fn new_channel(&self) -> ChannelId {
        let id = self.next_channel.get();
        self.next_channel.set(id + 1);
        ChannelId(id)
    }

    /// The node the body is on.
    pub fn place(&self) -> NodeId {
        self.place.get()
    }

    /// Notes the node the body is on.
    pub(super) fn set_place(&self, node: NodeId) {
        self.place.set(node);
    }

    /// Whether nothing is open between this session and its partner on this node: they can go.
    pub fn is_quiet(&self) -> bool {
        let partner = self.partner.borrow().clone();
        self.session.borrow().is_quiet()
            && self.order.borrow().is_none()
            && self.queue.is_empty()
            && partner.is_none_or(|partner| partner.is_quiet())
    }

    /// Ends what would keep the driver alive.
    pub fn retire(&self) {
        let away = &self.home.away;
        away.round_trips.set(away.round_trips.get() + self.round_trips.take());
        away.retransmissions.set(away.retransmissions.get() + self.retransmissions());
        self.retransmissions.set(0);
        self.partner.take();
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Segments sent again on all channels so far.
    pub fn retransmissions(&self) -> u64 {
        let open: u64 =
            self.channels.borrow().values().map(|wire| wire.counters().retransmissions).sum();
        self.retransmissions.get() + open
    }

    /// Tells the session something and does what it says.
    pub fn input(self: &Rc<Self>, input: Input<'static>) {
        if self.queue.push(input) {
            self.work();
        }
    }

    /// Tells the session something from within its partner's work: a task of its own does it, so
    /// that two sessions of one node never stand on each other's stack.
    pub(super) fn later(self: &Rc<Self>, input: Input<'static>) {
        if self.queue.push(input) {
            let driver = Rc::clone(self);
            self.kernel.spawner.spawn(Priority::Service, async move { driver.work() });
        }
    }

    /// Does what the session says after a change made directly.
    pub(super) fn drain(self: &Rc<Self>) {
        if self.queue.mark_changed() {
            self.work();
        }
    }

    fn work(self: &Rc<Self>) {
        while let Some(step) = self.queue.next() {
            if let Step::Input(input) = step {
                self.session.borrow_mut().handle_input(self.kernel.now(), input);
            }
            self.carry_out();
            self.hold_in(self.session.borrow().move_phase());
        }
        self.ordered.wake_all();
        // A process that is whole again needs its sessions only until nothing is open.
        if let Some(cell) = self.process() {
            cell.part_if_quiet();
        }
    }

    fn received(self: &Rc<Self>, channel: ChannelId, bytes: &[u8]) {
        self.kernel.laps.mark(Stage::Receiving);
        self.session
            .borrow_mut()
            .handle_input(self.kernel.now(), Input::Received { channel, bytes });
        self.drain();
    }

    /// Everything the session has to say, then the events among it.
    fn carry_out(self: &Rc<Self>) {
        let mut events = VecDeque::new();
        loop {
            let output = self.session.borrow_mut().poll_output();
            match output {
                Output::Transmit { channel, frame } => {
                    if let Some(wire) = self.channels.borrow().get(&channel) {
                        self.kernel.laps.mark(Stage::Packaging);
                        wire.send(&frame);
                        self.kernel.laps.mark(Stage::Sending);
                    }
                }
                Output::Here(envelope) => {
                    let partner = self.partner.borrow().clone();
                    if let Some(partner) = partner {
                        partner.later(wayfarer_body::Input::Here(envelope));
                    }
                }
                Output::Event(event) => events.push_back(event),
                Output::Timeout(at) => {
                    self.set_deadline(at);
                    break;
                }
            }
        }
        self.note_return();
        for event in events {
            self.handle(event);
        }
    }

    fn handle(self: &Rc<Self>, event: Event) {
        match event {
            Event::Execute { thread, seq, request } => self.execute(thread, seq, request),
            Event::Post { fd, bytes } => self.posted(fd, &bytes),
            Event::Took { fd, bytes, calls } => self.took(fd, bytes, calls),
            Event::MemoryDone { op, result } => {
                if let Some(promise) = self.operations.borrow_mut().remove(&op) {
                    promise.fulfil(result);
                }
            }
            Event::PageWanted { op, map, page, count } => self.page_wanted(op, map, page, count),
            Event::PageGiven { op, map, page, bytes } => self.page_given(op, map, page, &bytes),
            Event::ReleaseMap { map } => self.home.maps.release(map),
            Event::Answer { id, result } => self.answered(id, result),
            Event::Connect { channel, node } => self.connect(channel, node),
            Event::Close { channel } => self.close(channel),
            Event::Admit { requirements, epoch } => self.admit(requirements, epoch),
            Event::Whole => self.whole(),
            Event::Moved { target, epoch } => {
                self.moved(target, epoch);
                self.session.borrow_mut().shrink();
                self.queue.shrink();
            }
            Event::MoveFailed { target, refusal } => self.move_failed(target, refusal),
            Event::Lost { reason } => {
                let pid = self.home.pid;
                let (place, end) = (self.place(), Why(self.broken.get()));
                self.kernel.console.log(format_args!(
                    "process {pid}: body lost on node {place} ({reason:?}){end}"
                ));
                self.home.begin_exit(WaitStatus::Signaled(Signal::SIGKILL.number()));
            }
            Event::Closed { usage } => self.over(usage),
        }
    }

    fn over(&self, usage: Option<Usage>) {
        if let Some(usage) = usage {
            self.home.note_usage(&usage);
        }
        self.over.set(true);
        self.retire();
        self.closed.wake_all();
    }

    /// Executes what the body asks, through the one door of home.
    fn execute(self: &Rc<Self>, tid: Tid, seq: CallSeq, asked: Asked) {
        let sysno = match &asked {
            Asked::Call { number, .. } => Sysno::from_number((*number).into()),
            _ => None,
        };
        self.count(&asked, sysno);
        if let Asked::Call { args, .. } = &asked {
            self.note_write(sysno, args);
            self.note_read(seq, sysno, args);
        }
        let Some(thread) = self.home.thread(tid) else {
            return self.finish(tid, seq, Errno::ESRCH.into());
        };
        let request = match asked {
            Asked::Call { args, .. } => match sysno {
                Some(sysno) => Request::Call(Call { sysno, args: args.registers() }),
                None => return self.finish(tid, seq, Errno::ENOSYS.into()),
            },
            Asked::Fault(info) => Request::Fault(info),
            Asked::Null => Request::Null,
            Asked::SigReturn { mask } => Request::SignalReturn(SignalSet(mask)),
            Asked::Exit { status, group, usage } => {
                self.home.note_usage(&usage);
                Request::Exit { status: status as u8, group }
            }
        };
        let Some(process) = self.home.cell() else { return };
        let memory = UserMemory::new(&self.kernel, &process, tid, seq);
        let (kernel, home) = (Rc::clone(&self.kernel), Rc::clone(&self.home));
        let caller = Caller { kernel, home, thread, memory };
        self.kernel.laps.mark(Stage::Unpacking);
        let at_once = match &request {
            Request::Call(call) => serve::at_once(&caller, seq, call),
            _ => None,
        };
        let reply = at_once.unwrap_or_else(|| serve::begin(caller, seq, request));
        if let Poll::Ready(reply) = reply {
            self.kernel.laps.mark(Stage::Handler);
            self.finish(tid, seq, reply);
        }
    }

    /// Counts a request of a body that is away: a call, if the table has it.
    fn count(&self, asked: &Asked, sysno: Option<Sysno>) {
        if self.partner.borrow().is_some() {
            return;
        }
        self.round_trips.set(self.round_trips.get() + 1);
        let away = &self.home.away;
        let counter = match asked {
            Asked::Call { .. } => match sysno {
                Some(sysno) if sysno.row().class == Class::Special => &away.special,
                _ => &away.remote,
            },
            Asked::SigReturn { .. } | Asked::Exit { .. } => &away.special,
            Asked::Fault(_) | Asked::Null => return,
        };
        counter.set(counter.get() + 1);
    }

    /// A handler has ended. A reply to a thread that is to end is no reply: its body is destroyed.
    pub fn finish(self: &Rc<Self>, thread: Tid, seq: CallSeq, reply: Reply) {
        let mut actions = Vec::new();
        for action in reply.actions {
            match action {
                Action::Deliver { info, action, mask } => {
                    self.count_signal();
                    actions.push(WireAction::Deliver { info, action, mask: mask.0 });
                }
                Action::Exit(_) | Action::ThreadExit => return,
            }
        }
        self.lend_bytes(thread, seq, reply.result);
        self.input(Input::Finish { thread, seq, result: reply.result, actions });
        self.lend(thread, seq);
        if self.home.thread(thread).is_none() {
            // It executed a program and is the leader from now on.
            self.input(Input::ThreadGone { thread });
        }
    }

    fn count_signal(&self) {
        if self.partner.borrow().is_none() {
            self.home.away.signals.set(self.home.away.signals.get() + 1);
        }
    }

    fn connect(self: &Rc<Self>, channel: ChannelId, node: NodeId) {
        let Some(network) = self.kernel.network.clone() else {
            return self.input(Input::Broken { channel });
        };
        let driver = Rc::clone(self);
        self.kernel.spawner.spawn(Priority::Service, async move {
            match network.connect(node, MIGRATION_PORT, Kind::Call).await {
                Ok(connection) => {
                    driver.attach(channel, connection);
                    driver.input(Input::Connected { channel });
                }
                Err(_) => driver.input(Input::Broken { channel }),
            }
        });
    }

    fn attach(self: &Rc<Self>, channel: ChannelId, connection: Connection) {
        let driver = Rc::downgrade(self);
        let wire = Wire::start(&self.kernel.spawner, connection, move |heard| {
            let Some(driver) = driver.upgrade() else { return };
            driver.hear_or_hold(channel, heard);
        });
        self.channels.borrow_mut().insert(channel, wire);
    }

    pub(super) fn heard(self: &Rc<Self>, channel: ChannelId, heard: Heard<'_>) {
        match heard {
            Heard::Bytes(bytes) => self.received(channel, bytes),
            Heard::Broken(reason) => {
                self.broken.set(Some(reason));
                self.close(channel);
                self.input(Input::Broken { channel });
            }
        }
    }

    /// A connection that called home and said it is a child's body.
    pub fn child_called(self: &Rc<Self>, connection: Connection, reader: FrameReader) {
        // Its parent may have moved on before it made it.
        self.set_place(connection.peer());
        let channel = self.new_channel();
        self.attach(channel, connection);
        self.input(Input::ChildCalled { channel, reader });
    }

    /// A connection of a body that does not know what became of its move.
    pub fn doubt_called(
        self: &Rc<Self>,
        connection: Connection,
        epoch: Epoch,
        reader: FrameReader,
    ) {
        let channel = self.new_channel();
        self.attach(channel, connection);
        self.input(Input::DoubtCalled { channel, epoch, reader });
    }

    fn close(&self, channel: ChannelId) {
        let wire = self.channels.borrow_mut().remove(&channel);
        if let Some(wire) = wire {
            let repeated = wire.counters().retransmissions;
            self.retransmissions.set(self.retransmissions.get() + repeated);
            wire.close();
        }
    }

    fn set_deadline(&self, at: Instant) {
        let earlier = at < self.deadline.get();
        self.deadline.set(at);
        if earlier {
            self.earlier.wake_all();
        }
    }

    /// Asks a thread of the body to make a null request (rule 4).
    pub fn attention(self: &Rc<Self>, thread: Tid) {
        self.input(Input::Attention { thread });
    }

    /// The process this is the deputy of.
    pub(super) fn process(&self) -> Option<Rc<ProcessCell>> {
        self.home.cell()
    }

    /// Where a move would go, in the session's terms.
    pub(super) fn target(&self, node: NodeId) -> Target {
        if node == self.kernel.node {
            Target::Here
        } else {
            Target::Away { node, channel: self.new_channel() }
        }
    }
}

/// Tells the session when its time has come. An idle session has no deadline and costs nothing.
async fn watch(driver: Weak<DeputyDriver>) {
    loop {
        let Some(strong) = driver.upgrade() else { return };
        let at = strong.deadline.get();
        let timers = strong.kernel.timers.clone();
        let earlier = strong.earlier.wait_until(|| (strong.deadline.get() < at).then_some(()));
        if let Either::First(()) = select(timers.sleep_until(at), earlier).await
            && strong.deadline.get() <= strong.kernel.now()
        {
            strong.input(Input::Timeout);
            drop(strong);
            // Whoever is to work on it may have to be polled first.
            yield_now().await;
        }
    }
}
