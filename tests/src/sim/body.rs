//! A model kernel that hosts a body: it does what the body's session says.

use std::collections::{BTreeMap, VecDeque};

use wayfarer_body as body;
use wayfarer_body::{DestroyReason, Event, Input, Output};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, ChannelId, NodeId, ProcessKey, Tid};
use wayfarer_proto::limits::PAGE;
use wayfarer_proto::message::{
    ByeReason, FilePages, MemoryReply, MemoryRequest, Refusal, Requirements, StringEnd, Ticket,
    Usage,
};
use wayfarer_proto::session::Mutant;
use wayfarer_proto::time::Instant;

use super::arrival::Sink;
use super::faults::Point;
use super::memory::{MAP, Memory, file_page_of};
use super::net::{Owner, Port};
use super::program::{Open, Registers, register};
use super::world::{BodyTold, DeputyTold, Happening, Work, World};

/// Names a body for the length of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BodyId(pub i32);

/// Where a model thread stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It has something to do.
    Running,
    /// It waits in a local call.
    LocalWait,
    /// It waits for a reply.
    AwaitReply(CallSeq),
    /// It waits for a page; frozen, it faults again.
    PageWait,
}

/// A model thread: registers and where it stands.
#[derive(Clone, Debug)]
pub struct Thread {
    /// What moves.
    pub registers: Registers,
    /// Where it stands.
    pub state: State,
    /// Which of the planned turns is meant.
    pub turn: u64,
}

/// Who waits for a page.
#[derive(Clone, Debug)]
pub enum Blocked {
    /// A thread that touched it.
    Thread(Tid),
    /// A memory request.
    Memory(body::MemoryOp, MemoryRequest),
}

/// An image that is being sent.
#[derive(Debug)]
pub struct Departure {
    /// Its connection.
    pub channel: ChannelId,
    /// What the target gave out for it.
    pub ticket: Ticket,
    /// Frames that are not sent yet.
    pub frames: VecDeque<Vec<u8>>,
    /// What all of them hold.
    pub writer: body::ImageWriter,
}

/// A body and what its kernel knows.
#[derive(Debug)]
pub struct Body {
    /// The real thing.
    pub session: body::Session,
    /// Where it is.
    pub node: NodeId,
    /// Its channel; none at home.
    pub link: Option<ChannelId>,
    /// Its address space.
    pub memory: Memory,
    /// What its node has kept of that, while it arrives.
    pub remnant: Option<Memory>,
    /// Its threads.
    pub threads: BTreeMap<Tid, Thread>,
    /// It is stopped by a signal.
    pub stopped: bool,
    /// Its threads are held for a move.
    pub frozen: bool,
    /// What waits for pages.
    pub blocked: BTreeMap<body::PageOp, Blocked>,
    /// The image on its way out.
    pub departure: Option<Departure>,
    /// When its session's timer is planned.
    pub timer: Instant,
    /// Threads that an exec killed; a reply on its way to the kernel may still name them.
    pub killed: Vec<Tid>,
    /// A thread has had a turn: it is no body that never was the one.
    pub ran: bool,
}

impl Body {
    /// A body around a session.
    pub fn new(session: body::Session, node: NodeId) -> Self {
        Self {
            session,
            node,
            link: None,
            memory: Memory::default(),
            remnant: None,
            threads: BTreeMap::new(),
            stopped: false,
            frozen: false,
            blocked: BTreeMap::new(),
            departure: None,
            timer: Instant(0),
            killed: Vec::new(),
            ran: false,
        }
    }
}

impl World {
    pub(super) fn work_body(&mut self, id: BodyId, told: BodyTold) {
        let now = self.now;
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let mut sink = Sink::default();
        match told {
            BodyTold::Drain => {}
            BodyTold::Input(input) => body.session.handle_input(now, input),
            BodyTold::Bytes(bytes) => body.session.handle_input(now, Input::Received(&bytes)),
            BodyTold::Image(bytes) => {
                body.session.image_received(now, &bytes, &mut sink);
            }
        }
        let mut outputs = Vec::new();
        let wanted = loop {
            match body.session.poll_output() {
                Output::Timeout(at) => break at,
                output => outputs.push(output),
            }
        };
        let planned = body.timer;
        if self.plan_timer(planned, wanted, Happening::BodyTimer(id))
            && let Some(body) = self.bodies.get_mut(&id)
        {
            body.timer = wanted;
        }
        self.install(id, sink);
        for output in outputs {
            self.body_says(id, output);
        }
    }

    fn body_says(&mut self, id: BodyId, output: Output) {
        let Some(body) = self.bodies.get(&id) else { return };
        match output {
            Output::Timeout(_) => {}
            Output::Transmit(frame) => {
                let Some(link) = body.link else { return };
                if let Some(end) = self.end_of(link, |o| matches!(o, Owner::Body(b) if *b == id)) {
                    self.send(link, end, frame.to_vec());
                }
            }
            Output::TransmitImage(frame) => self.image_end(id, frame.to_vec()),
            Output::Here(envelope) => {
                let key = body.session.process();
                let input = wayfarer_deputy::Input::Here(envelope);
                self.work.push_back(Work::Deputy(key, DeputyTold::Input(input)));
            }
            Output::Event(event) => self.body_event(id, event),
        }
    }

    fn body_event(&mut self, id: BodyId, event: Event) {
        match event {
            Event::Reply { thread, seq, reply } => self.replied(id, thread, seq, reply),
            Event::Attention { thread } => self.poke(id, thread),
            Event::Memory { op, thread, request } => self.memory(id, op, thread, request),
            Event::PageData { op, result } => self.page_came(id, op, result),
            Event::PageVoid { op } => self.page_void(id, op),
            Event::Stop => self.set_body_stopped(id, true),
            Event::Continue => {
                self.set_body_stopped(id, false);
                self.poke_all(id);
            }
            Event::Query { id: query, .. } => {
                let input = Input::Answer { id: query, bytes: b"maps".to_vec() };
                self.tell_body(id, BodyTold::Input(input));
            }
            Event::ClockStep { .. } => {}
            Event::Survey => self.survey(id),
            Event::Freeze => self.freeze(id),
            Event::Depart { node, ticket } => self.depart(id, node, ticket),
            Event::Thaw { stopped } => self.thaw(id, stopped),
            Event::ImageComplete => self.image_complete(id),
            Event::Run { stopped, .. } => {
                self.check_memory(id);
                self.check_stopped(id, stopped);
                self.thaw(id, stopped);
            }
            Event::Reconnect => self.reconnect(id),
            Event::Destroy { reason } => self.destroy(id, &reason),
            Event::Closed => self.drop_body(id),
        }
    }

    fn set_body_stopped(&mut self, id: BodyId, stopped: bool) {
        if let Some(body) = self.bodies.get_mut(&id) {
            body.stopped = stopped;
        }
    }

    fn survey(&mut self, id: BodyId) {
        let refused = self.rng.one_in(20);
        let result = if refused {
            Err(Refusal { errno: Errno::EPERM, reason: "it shares memory".into() })
        } else {
            Ok(Requirements {
                frames: 50,
                shared_frames: 0,
                features: vec![1],
                xcr0: 7,
                xsave_bytes: 832,
            })
        };
        self.tell_body(id, BodyTold::Input(Input::Surveyed(result)));
    }

    fn freeze(&mut self, id: BodyId) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        body.frozen = true;
        let key = body.session.process();
        let delay = self.rng.micros(1..300);
        self.after(delay, Happening::Stopped(id));
        self.fault_point(Point::Freeze, key);
    }

    /// The threads stand. What the body has stored to a file goes there before it says Frozen.
    pub(super) fn threads_stopped(&mut self, id: BodyId) {
        let (gives, page) = (self.rng.one_in(2), self.rng.range(0..4));
        let content = [self.rng.range(0..256) as u8; PAGE].to_vec();
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let key = body.session.process();
        let given = gives.then(|| body.session.page_out(MAP, page, content.clone())).flatten();
        let Some(op) = given else {
            return self.tell_body(id, BodyTold::Input(Input::Frozen));
        };
        self.checks.giving.insert((id, op), page);
        self.checks.sent(key, page, content);
        self.tell_body(id, BodyTold::Drain);
    }

    /// Home says that a file has what the body gave.
    fn page_kept_for(&mut self, id: BodyId, page: u64) {
        let Some(body) = self.bodies.get(&id) else { return };
        let key = body.session.process();
        if !self.checks.is_kept(key, page) {
            self.fail(format!("{key}: page {page} is not what the body gave back"));
        }
        self.tell_body(id, BodyTold::Input(Input::Frozen));
    }

    fn thaw(&mut self, id: BodyId, stopped: bool) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        body.frozen = false;
        body.stopped = stopped;
        if let Some(departure) = body.departure.take() {
            self.close_image(departure.channel, id);
        }
        self.poke_all(id);
    }

    fn image_complete(&mut self, id: BodyId) {
        let Some(key) = self.bodies.get(&id).map(|body| body.session.process()) else { return };
        let input = if self.rng.one_in(40) {
            Input::ArrivalFailed { errno: Errno::ENOMEM }
        } else {
            Input::Installed
        };
        self.tell_body(id, BodyTold::Input(input));
        self.fault_point(Point::Complete, key);
    }

    fn reconnect(&mut self, id: BodyId) {
        let Some(body) = self.bodies.get(&id) else { return };
        let (node, home, old) = (body.node, body.session.home(), body.link);
        if let Some(old) = old
            && let Some(end) = self.end_of(old, |o| matches!(o, Owner::Body(b) if *b == id))
        {
            self.close(old, end);
        }
        let channel = self.net.number();
        if let Some(body) = self.bodies.get_mut(&id) {
            body.link = Some(channel);
        }
        self.dial(channel, node, Owner::Body(id), home, Port::Deputy);
    }

    fn destroy(&mut self, id: BodyId, reason: &DestroyReason) {
        if *reason == DestroyReason::Violation {
            self.fail(format!("body {id:?} met a violation of the protocol"));
        }
        let Some(body) = self.bodies.get_mut(&id) else { return };
        if *reason == DestroyReason::Lost && body.ran {
            self.expect_fault("a body lost its channel");
        }
        let Some(body) = self.bodies.get_mut(&id) else { return };
        body.frozen = true;
        body.threads.clear();
        let memory = std::mem::take(&mut body.memory);
        let left = body.departure.as_ref().is_some_and(|departure| departure.frames.is_empty())
            || self.options.mutant == Mutant::RememberCalledOff;
        if left && *reason == DestroyReason::Bye(ByeReason::Moved) {
            let (key, epoch) = (body.session.process(), body.session.epoch());
            self.remnants.insert((body.node, key), (memory, epoch));
        }
        if let Some(departure) = body.departure.take() {
            self.close_image(departure.channel, id);
        }
        self.tell_body(id, BodyTold::Input(Input::Destroyed { usage: Usage::cpu(1) }));
    }

    fn drop_body(&mut self, id: BodyId) {
        let Some(body) = self.bodies.remove(&id) else { return };
        self.checks.collect(body.session.marks());
        let held = |owner: &Owner| match owner {
            Owner::Body(b) | Owner::ImageIn(b) | Owner::ImageOut(b) => *b == id,
            _ => false,
        };
        let channels: Vec<_> = self.net.connections.keys().copied().collect();
        for channel in channels {
            if let Some(end) = self.end_of(channel, held) {
                self.close(channel, end);
            }
        }
    }

    /// Does a memory request, after a page-in if it must be.
    fn memory(&mut self, id: BodyId, op: body::MemoryOp, thread: Tid, request: MemoryRequest) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let (addr, len) = match &request {
            MemoryRequest::CopyIn { addr, len }
            | MemoryRequest::ProbeIn { addr, len }
            | MemoryRequest::ProbeOut { addr, len }
            | MemoryRequest::CopyInStr { addr, max: len } => (*addr, *len as usize),
            MemoryRequest::CopyOut { addr, bytes } => (*addr, bytes.len()),
            _ => return self.special_memory(id, op, thread, request),
        };
        let there = Memory::accessible(addr, len);
        if let Some(page) = body.memory.absent(addr, there).filter(|_| there > 0) {
            return self.page_in(id, page, Blocked::Memory(op, request));
        }
        let count = MemoryReply::Count { bytes: there as u32 };
        let reply = match request {
            MemoryRequest::CopyIn { .. } => {
                MemoryReply::Bytes { bytes: body.memory.read(addr, there) }
            }
            MemoryRequest::CopyInStr { .. } => text(body.memory.read(addr, there), len),
            MemoryRequest::CopyOut { bytes, .. } => {
                body.memory.write(addr, &bytes[..there]);
                count
            }
            _ => count,
        };
        self.tell_body(id, BodyTold::Input(Input::MemoryDone { op, reply }));
    }

    /// Asks home for a page on somebody's behalf.
    pub(super) fn page_in(&mut self, id: BodyId, page: u64, blocked: Blocked) {
        let count = self.rng.range(1..4) as usize;
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let Some(file) = file_page_of(page) else { return };
        let Some(op) = body.session.page_in(MAP, file, count) else { return };
        if let Blocked::Thread(thread) = &blocked
            && let Some(thread) = body.threads.get_mut(thread)
        {
            thread.state = State::PageWait;
        }
        body.blocked.insert(op, blocked);
        self.checks.page_base.insert((id, op), page);
        self.tell_body(id, BodyTold::Drain);
    }

    fn page_came(&mut self, id: BodyId, op: body::PageOp, result: Result<FilePages, Errno>) {
        if let Some(page) = self.checks.giving.remove(&(id, op)) {
            return self.page_kept_for(id, page);
        }
        let Some(first) = self.checks.page_base.remove(&(id, op)) else { return };
        let Some(body) = self.bodies.get_mut(&id) else { return };
        for (index, bytes) in
            result.map_or(Vec::new(), |pages| pages.bytes).chunks(PAGE).enumerate()
        {
            let page = first + index as u64;
            if file_page_of(page).is_some() {
                body.memory.pages.entry(page).or_insert_with(|| bytes.to_vec());
            }
        }
        match body.blocked.remove(&op) {
            Some(Blocked::Thread(thread)) => self.resume(id, thread),
            Some(Blocked::Memory(op, request)) => {
                self.memory(id, op, Tid(i32::MAX), request);
            }
            None => {}
        }
    }

    fn page_void(&mut self, id: BodyId, op: body::PageOp) {
        self.checks.page_base.remove(&(id, op));
        self.checks.giving.remove(&(id, op));
        let Some(body) = self.bodies.get_mut(&id) else { return };
        // A memory request can only be one of a killed thread: it was answered then.
        if let Some(Blocked::Thread(thread)) = body.blocked.remove(&op) {
            self.resume(id, thread);
        }
    }

    fn resume(&mut self, id: BodyId, thread: Tid) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        if let Some(state) = body.threads.get_mut(&thread)
            && state.state == State::PageWait
        {
            let waits = state.registers[register::DEADLINE] != 0;
            state.state = if waits { State::LocalWait } else { State::Running };
            self.poke(id, thread);
        }
    }

    /// The body of a process that is made whole at home.
    pub fn whole_body(&mut self, key: ProcessKey, memory: Memory) -> BodyId {
        let id = BodyId(self.fresh_id());
        let session = body::Session::at_home(self.config(), key, wayfarer_proto::id::Epoch(0));
        let mut body = Body::new(session, key.home);
        body.memory = memory;
        self.bodies.insert(id, body);
        id
    }
}

/// The first thread of a new process, or the only one of a child.
pub fn thread(draw: u64, left: u64, slot: u64, depth: u64) -> Thread {
    let mut registers = [0; register::COUNT];
    registers[register::DRAW] = draw;
    registers[register::LEFT] = left;
    registers[register::SLOT] = slot;
    registers[register::DEPTH] = depth;
    registers[register::OPEN] = Open::Nothing as u64;
    Thread { registers, state: State::Running, turn: 0 }
}

fn text(mut bytes: Vec<u8>, max: usize) -> MemoryReply {
    let end = match bytes.iter().position(|byte| *byte == 0) {
        Some(nul) => {
            bytes.truncate(nul);
            StringEnd::Nul
        }
        None if bytes.len() == max => StringEnd::Max,
        None => StringEnd::Fault,
    };
    MemoryReply::Text { bytes, end }
}
