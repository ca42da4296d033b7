//! Drives the session of a body.

use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_body::{DestroyReason, Event, Input, Output, PageOp, Request as Asked, Session};
use wayfarer_machine::FrameReservation;
use wayfarer_proto::console::Stage;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::DEPUTY_PORT;
use wayfarer_proto::id::{CallSeq, NodeId, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::linux::signal::SignalSet;
use wayfarer_proto::message::{
    Action as WireAction, ByeReason, FilePages, Reply as WireReply, Usage,
};
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::time::Instant;

use super::deputy::DeputyDriver;
use super::queue::{Queue, Step};
use super::wire::{Heard, Why, Wire};
use crate::executor::{Either, Priority, Promise, TaskHandle, WaitQueue, select, yield_now};
use crate::kernel::Kernel;
use crate::memory::FileCache;
use crate::net::{ConnectError, Connection, Kind, ReadError};
use crate::process::{Body, BodyThread, Delivered, Memory, ProcessCell, Running};
use crate::signal::Action;
use crate::syscall::Reply;

/// What a page-in brings: the pages, fewer past the end of the file.
type PageResult = Result<FilePages, Errno>;

/// The session of one body on this node, and what it is connected to.
pub struct BodyDriver {
    pub(super) kernel: Rc<Kernel>,
    pub(super) session: RefCell<Session>,
    queue: Queue<Input<'static>>,
    wire: RefCell<Option<Rc<Wire>>>,
    /// The connection an image leaves or arrives by.
    pub(super) image: RefCell<Option<Rc<Wire>>>,
    pub(super) pages: RefCell<SortedMap<PageOp, Promise<PageResult>>>,
    /// The body: `None` while it arrives.
    pub(super) body: RefCell<Option<Rc<Body>>>,
    pub(super) process: RefCell<Option<Rc<ProcessCell>>>,
    pub(super) arrival: RefCell<Option<super::arrive::Parts>>,
    /// What was promised to a body that is whole, and not used: until the verdict, when the others
    /// of its group are whole.
    pub(super) room: RefCell<Option<FrameReservation>>,
    /// The whole body has been sent to another node, and has not been told to stay.
    pub(super) departed: Cell<bool>,
    /// The deputy session of this node, while both halves are here.
    pub(super) partner: RefCell<Option<Rc<DeputyDriver>>>,
    /// Why the channel broke, if it did.
    broken: Cell<Option<ReadError>>,
    deadline: Cell<Instant>,
    earlier: WaitQueue,
    /// Tasks that give changed pages back to their files.
    pub(super) giving: Cell<usize>,
    /// Woken when a memory request is done, or pages are given back.
    pub(super) served: WaitQueue,
    timer: RefCell<Option<TaskHandle>>,
}

impl BodyDriver {
    /// Drives `session`; `body` is `None` for one that arrives.
    pub fn new(kernel: &Rc<Kernel>, session: Session, body: Option<Rc<Body>>) -> Rc<Self> {
        let driver = Rc::new(Self {
            kernel: Rc::clone(kernel),
            session: RefCell::new(session),
            queue: Queue::default(),
            wire: RefCell::new(None),
            image: RefCell::new(None),
            pages: RefCell::default(),
            body: RefCell::new(body),
            process: RefCell::new(None),
            arrival: RefCell::new(None),
            room: RefCell::new(None),
            departed: Cell::new(false),
            partner: RefCell::new(None),
            broken: Cell::new(None),
            deadline: Cell::new(Instant::NEVER),
            earlier: WaitQueue::new(),
            giving: Cell::new(0),
            served: WaitQueue::new(),
            timer: RefCell::new(None),
        });
        let task = kernel.spawner.spawn(Priority::Service, watch(Rc::downgrade(&driver)));
        *driver.timer.borrow_mut() = Some(task);
        driver
    }

    /// Whether no thread has a transaction open and nothing waits to be done.
    pub(super) fn is_quiet(&self) -> bool {
        let session = self.session.borrow();
        let idle = |body: &Rc<Body>| {
            let threads = body.threads.borrow();
            threads
                .keys()
                .all(|tid| session.open_call(*tid).is_none() && !session.attention_pending(*tid))
        };
        self.queue.is_empty() && session.may_run() && self.body.borrow().as_ref().is_none_or(idle)
    }

    /// Says which process the body belongs to.
    pub fn set_process(&self, process: &Rc<ProcessCell>) {
        *self.process.borrow_mut() = Some(Rc::clone(process));
    }

    /// Uses `connection` as the channel to the deputy.
    pub fn attach(self: &Rc<Self>, connection: Connection) {
        let driver = Rc::downgrade(self);
        let wire = Wire::start(&self.kernel.spawner, connection, move |heard| {
            let Some(driver) = driver.upgrade() else { return };
            match heard {
                Heard::Bytes(bytes) => {
                    driver.kernel.laps.mark(Stage::Receiving);
                    let now = driver.kernel.now();
                    driver.session.borrow_mut().handle_input(now, Input::Received(bytes));
                    driver.drain();
                }
                Heard::Broken(reason) => {
                    driver.broken.set(Some(reason));
                    driver.input(Input::Broken);
                }
            }
        });
        let old = self.wire.borrow_mut().replace(wire);
        if let Some(old) = old {
            old.close();
        }
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
        }
    }

    fn carry_out(self: &Rc<Self>) {
        let mut events = VecDeque::new();
        loop {
            let output = self.session.borrow_mut().poll_output();
            match output {
                Output::Transmit(frame) => {
                    if let Some(wire) = &*self.wire.borrow() {
                        self.kernel.laps.mark(Stage::Packaging);
                        wire.send(&frame);
                        self.kernel.laps.mark(Stage::Sending);
                    }
                }
                Output::TransmitImage(frame) => self.send_image_end(&frame),
                Output::Here(envelope) => {
                    let partner = self.partner.borrow().clone();
                    if let Some(partner) = partner {
                        partner.later(wayfarer_deputy::Input::Here(envelope));
                    }
                }
                Output::Event(event) => events.push_back(event),
                Output::Timeout(at) => {
                    self.set_deadline(at);
                    break;
                }
            }
        }
        for event in events {
            self.handle(event);
        }
    }

    fn send_image_end(&self, end: &[u8]) {
        let image = self.image.borrow_mut().take();
        if let Some(image) = image {
            image.send(end);
            image.close();
        }
    }

    fn handle(self: &Rc<Self>, event: Event) {
        match event {
            Event::Reply { thread, seq, reply } => self.deliver(thread, seq, reply),
            Event::Attention { thread } => self.with_body(|body| body.attention(thread)),
            Event::Memory { op, thread, request } => self.memory_request(op, thread, request),
            Event::PageData { op, result } => {
                if let Some(promise) = self.pages.borrow_mut().remove(&op) {
                    promise.fulfil(result);
                }
            }
            Event::PageVoid { op } => drop(self.pages.borrow_mut().remove(&op)),
            Event::Stop => self.with_body(|body| body.set_stopped(true)),
            Event::Continue => self.with_body(|body| body.set_stopped(false)),
            Event::Query { id, query } => self.answer(id, &query),
            Event::ClockStep { realtime_offset_ns } => {
                self.with_body(|body| body.step_clock(realtime_offset_ns));
            }
            Event::Survey => self.survey(),
            Event::Freeze => self.freeze(),
            Event::Depart { node, ticket } => self.depart(node, ticket),
            Event::Thaw { stopped } => self.thaw(stopped),
            Event::ImageComplete => self.complete(),
            Event::Run { stopped, .. } => self.run(stopped),
            Event::Reconnect => self.reconnect(),
            Event::Destroy { reason } => self.destroy(&reason),
            Event::Closed => self.over(),
        }
    }

    pub(super) fn with_body(&self, act: impl FnOnce(&Body)) {
        let body = self.body.borrow().clone();
        if let Some(body) = body {
            act(&body);
        }
    }

    /// A thread of the body, as a call needs it.
    pub(super) fn running(&self, tid: Tid) -> Option<Running> {
        let body = self.body.borrow().clone()?;
        let thread = body.thread(tid)?;
        let process = self.process.borrow().clone()?;
        Some(Running { kernel: Rc::clone(&self.kernel), process, body, thread })
    }

    /// Hands the deputy's answer to its thread, which does the rest.
    fn deliver(&self, tid: Tid, seq: CallSeq, reply: WireReply) {
        let thread = self.body.borrow().as_ref().and_then(|body| body.thread(tid));
        let Some(thread) = thread else { return };
        let deliver = |action| match action {
            WireAction::Deliver { info, action, mask } => {
                Action::Deliver { info, action, mask: SignalSet(mask) }
            }
        };
        let actions = reply.actions.into_iter().map(deliver).collect();
        let reply_here = Reply { result: reply.result.0, actions };
        thread.deliver(seq, Delivered { outs: reply.outs, reply: reply_here });
    }

    /// Begins a transaction. `None` if the body may begin nothing now: it is frozen or lost.
    pub fn request(self: &Rc<Self>, thread: Tid, request: Asked) -> Option<CallSeq> {
        let seq = self.session.borrow_mut().request(thread, request);
        self.drain();
        seq
    }

    /// Pages of files kept on this node.
    pub fn file_cache(&self) -> &FileCache {
        &self.kernel.file_cache
    }

    /// The node that has the body's files.
    pub fn home(&self) -> NodeId {
        self.session.borrow().home()
    }

    fn reconnect(self: &Rc<Self>) {
        let old = self.wire.borrow_mut().take();
        if let Some(old) = old {
            old.close();
        }
        let driver = Rc::clone(self);
        self.kernel.spawner.spawn(Priority::Service, async move {
            match driver.call_home().await {
                Ok(connection) => {
                    driver.attach(connection);
                    driver.input(Input::Connected);
                }
                Err(error) => {
                    let process = driver.session.borrow().process();
                    driver
                        .kernel
                        .console
                        .log(format_args!("body of {process} does not reach its home: {error}"));
                    driver.input(Input::Broken);
                }
            }
        });
    }

    /// Connects to home. A child is not given up before a body with a silent channel would be: its
    /// deputy waits for it as long.
    async fn call_home(&self) -> Result<Connection, ConnectError> {
        let home = self.session.borrow().home();
        let Some(network) = &self.kernel.network else { return Err(ConnectError::NoRoute(home)) };
        let limit = self.kernel.now() + self.kernel.keep_alive;
        loop {
            let error = match network.connect(home, DEPUTY_PORT, Kind::Call).await {
                Err(error) if self.session.borrow().is_calling() => error,
                connected => return connected,
            };
            let again = self.kernel.now() + limits::CALL_RETRY;
            if again > limit {
                return Err(error);
            }
            self.kernel.timers.sleep_until(again).await;
        }
    }

    fn destroy(self: &Rc<Self>, reason: &DestroyReason) {
        let key = self.session.borrow().process();
        if !matches!(reason, DestroyReason::Bye(_)) {
            let end = Why(self.broken.get());
            self.kernel.console.log(format_args!("body of {key} destroyed: {reason:?}{end}"));
        }
        self.arrival.borrow_mut().take();
        self.room.take();
        self.pages.take();
        let body = self.body.borrow_mut().take();
        let mut usage = Usage::cpu(0);
        if let Some(body) = body {
            let threads = body.threads.borrow().values().cloned().collect();
            body.end();
            usage = body.usage();
            let moved = *reason == DestroyReason::Bye(ByeReason::Moved);
            if moved && self.departed.get() {
                let epoch = self.session.borrow().epoch();
                if let Some(old) = self.kernel.remnants.keep(key, body.memory(), epoch) {
                    self.kernel.spawner.spawn(Priority::Service, Memory::dissolve(old));
                }
            } else if !moved {
                self.release_locks(threads);
            }
        }
        // A guest is gone with its body; at home the process goes on in its deputy.
        if key.home != self.kernel.node {
            self.kernel.processes.remove(key);
        }
        self.input(Input::Destroyed { usage });
    }

    /// Lets go of the locks of threads that have ended where they were, for those who share them.
    fn release_locks(&self, threads: Vec<Rc<BodyThread>>) {
        let memory = self.process.borrow().as_ref().and_then(|process| process.local_memory());
        let Some(memory) = memory else { return };
        let kernel = Rc::clone(&self.kernel);
        self.kernel.spawner.spawn(Priority::Service, async move {
            let limit = kernel.now() + limits::BYE;
            for thread in &threads {
                // A page that only home has may never come.
                let released = memory.release_robust(&kernel.futexes, thread);
                if kernel.timers.timeout(Some(limit), released).await.is_err() {
                    break;
                }
            }
        });
    }

    fn over(&self) {
        for wire in [&self.wire, &self.image].into_iter().filter_map(RefCell::take) {
            wire.close();
        }
        self.kernel.forget_arrival(self);
        self.retire();
    }

    /// Ends what would keep the driver alive.
    pub fn retire(&self) {
        self.partner.take();
        self.process.take();
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    fn set_deadline(&self, at: Instant) {
        let earlier = at < self.deadline.get();
        self.deadline.set(at);
        if earlier {
            self.earlier.wake_all();
        }
    }
}

/// Tells the session when its time has come. An idle session has no deadline and costs nothing.
async fn watch(driver: Weak<BodyDriver>) {
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
