//! The model cluster: what happens when, and who hears of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use wayfarer_body as body;
use wayfarer_deputy as deputy;
use wayfarer_proto::id::{CallSeq, ChannelId, Epoch, NodeId, ProcessKey, Tid};
use wayfarer_proto::session::Config;
use wayfarer_proto::time::Instant;

use super::Options;
use super::body::{Body, BodyId};
use super::check::Checks;
use super::faults::External;
use super::home::Home;
use super::memory::Memory;
use super::net::Net;
use super::rng::Rng;

/// The keep-alive limit of the model's links.
pub const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Something that happens at a time.
#[derive(Debug)]
pub enum Happening {
    /// A thread's turn; the number tells whether it is still meant.
    Turn(BodyId, Tid, u64),
    /// The timer of a body's session.
    BodyTimer(BodyId),
    /// The timer of a deputy's session.
    DeputyTimer(ProcessKey),
    /// Something may arrive at an end of a connection.
    Deliver(ChannelId, usize),
    /// An end of a connection learns that it is broken.
    Broken(ChannelId, usize),
    /// A connection is answered, or not.
    Dialled(ChannelId),
    /// The threads of a body have stopped.
    Stopped(BodyId),
    /// The next records of an image are sent.
    Stream(BodyId),
    /// A handler's wait ends.
    Handler(ProcessKey, Tid, CallSeq),
    /// Pages of a file have been read.
    Pages(ProcessKey, deputy::PageOp, u64, usize),
    /// Pages that a body gave back are in their file.
    Kept(ProcessKey, deputy::PageOp),
    /// Home decides on a move whose new body is whole.
    Decide(ProcessKey),
    /// Somebody outside does something.
    External(External),
    /// Faults end and progress is demanded.
    Heal,
}

/// What a body's session is told at once.
#[derive(Debug)]
pub enum BodyTold {
    /// Nothing: only drain it.
    Drain,
    /// This.
    Input(body::Input<'static>),
    /// Bytes of the deputy.
    Bytes(Vec<u8>),
    /// Bytes of the image.
    Image(Vec<u8>),
}

/// What a deputy's session is told at once.
#[derive(Debug)]
pub enum DeputyTold {
    /// Nothing: only drain it.
    Drain,
    /// This.
    Input(deputy::Input<'static>),
    /// Bytes of a connection.
    Bytes(ChannelId, Vec<u8>),
}

/// An input that waits until the session that caused it is drained.
#[derive(Debug)]
pub enum Work {
    /// For a body.
    Body(BodyId, BodyTold),
    /// For a deputy.
    Deputy(ProcessKey, DeputyTold),
}

/// The cluster.
#[derive(Debug)]
pub struct World {
    /// What was drawn for this run.
    pub options: Options,
    /// Chance.
    pub rng: Rng,
    /// Virtual time.
    pub now: Instant,
    /// The network.
    pub net: Net,
    /// Nodes that run.
    pub alive: BTreeSet<NodeId>,
    /// Bodies, also those that arrive, depart or are in doubt.
    pub bodies: BTreeMap<BodyId, Body>,
    /// Processes at their homes.
    pub homes: BTreeMap<ProcessKey, Home>,
    /// The memory that bodies left behind on nodes, and the epoch that ended then.
    pub remnants: BTreeMap<(NodeId, ProcessKey), (Memory, Epoch)>,
    /// What must hold.
    pub checks: Checks,
    /// Whether faults are over.
    pub healed: bool,
    /// Faults that may still be injected.
    pub faults_left: u64,
    pub(super) work: VecDeque<Work>,
    pub(super) last_id: i32,
    agenda: BTreeMap<(Instant, u64), Happening>,
    serial: u64,
}

impl World {
    /// An empty cluster.
    pub fn new(options: Options) -> Self {
        Self {
            rng: Rng(options.seed),
            now: Instant(1_000_000),
            net: Net::default(),
            alive: (1..=options.nodes).map(NodeId).collect(),
            bodies: BTreeMap::new(),
            homes: BTreeMap::new(),
            remnants: BTreeMap::new(),
            checks: Checks::default(),
            healed: false,
            faults_left: if options.faults { 3 } else { 0 },
            work: VecDeque::new(),
            last_id: 100,
            agenda: BTreeMap::new(),
            serial: 0,
            options,
        }
    }

    /// How sessions are set up.
    pub const fn config(&self) -> Config {
        Config { keep_alive: KEEP_ALIVE, mutant: self.options.mutant }
    }

    /// A number for a process, a thread or a body.
    pub const fn fresh_id(&mut self) -> i32 {
        self.last_id += 1;
        self.last_id
    }

    /// Plans something.
    pub fn at(&mut self, time: Instant, happening: Happening) {
        if time != Instant::NEVER {
            self.serial += 1;
            self.agenda.insert((time, self.serial), happening);
        }
    }

    /// Plans something after a while.
    pub fn after(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    /// Tells a body's session something when the present drain is over.
    pub fn tell_body(&mut self, id: BodyId, told: BodyTold) {
        self.work.push_back(Work::Body(id, told));
    }

    /// Tells a deputy's session something when the present drain is over.
    pub fn tell_deputy(&mut self, key: ProcessKey, input: deputy::Input<'static>) {
        self.work.push_back(Work::Deputy(key, DeputyTold::Input(input)));
    }

    /// Lets the next thing happen; false when nothing is planned any more.
    pub fn step(&mut self) -> bool {
        let Some(((time, _), happening)) = self.agenda.pop_first() else { return false };
        self.now = self.now.max(time);
        self.happen(happening);
        self.settle();
        self.check_one_body();
        true
    }

    /// Does what is to be done at once.
    pub fn settle(&mut self) {
        while let Some(work) = self.work.pop_front() {
            self.trace(&work);
            match work {
                Work::Body(id, told) => self.work_body(id, told),
                Work::Deputy(key, told) => self.work_deputy(key, told),
            }
        }
    }

    /// Prints what is told to whom, to follow one run (`sim --seed N --trace`).
    fn trace(&self, work: &Work) {
        if self.options.trace {
            let mut line = format!("{:>12} {work:?}", self.now.0 / 1000);
            line.truncate(300);
            println!("{line}");
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Turn(id, thread, turn) => self.turn(id, thread, turn),
            Happening::BodyTimer(id) => {
                self.tell_body(id, BodyTold::Input(body::Input::Timeout));
            }
            Happening::DeputyTimer(key) => self.tell_deputy(key, deputy::Input::Timeout),
            Happening::Deliver(id, end) => self.deliver(id, end),
            Happening::Broken(id, end) => self.broken(id, end),
            Happening::Dialled(id) => self.dialled(id),
            Happening::Stopped(id) => self.threads_stopped(id),
            Happening::Stream(id) => self.stream(id),
            Happening::Handler(key, thread, seq) => self.handler_woken(key, thread, seq),
            Happening::Pages(key, op, page, count) => self.pages_read(key, op, page, count),
            Happening::Kept(key, op) => self.page_kept(key, op),
            Happening::Decide(key) => self.decide(key),
            Happening::External(external) => self.external(external),
            Happening::Heal => self.heal(),
        }
    }
}
