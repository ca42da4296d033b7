//! What must hold in every run, whatever fails.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wayfarer_body::PageOp;
use wayfarer_deputy::Request;
use wayfarer_proto::codec::FrameReader;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, NodeId, ProcessKey, Tid, UserAddr};
use wayfarer_proto::session::Marks;

use super::ahead::Offsets;
use super::body::{BodyId, State};
use super::memory::Memory;
use super::program::register;
use super::world::World;

/// What is known of a process that never moved.
#[derive(Debug, Default)]
struct Reference {
    memory: Memory,
    posted: i32,
    taken: BTreeSet<i32>,
    executed: BTreeSet<CallSeq>,
    done: BTreeSet<u64>,
    ended: bool,
    closed: bool,
}

/// The checkers' knowledge, and what a run is counted by.
#[derive(Debug, Default)]
pub struct Checks {
    processes: BTreeMap<ProcessKey, Reference>,
    /// The marks reached by sessions that are over.
    pub marks: Marks,
    /// Moves committed.
    pub moves: u64,
    /// Moves refused or called off.
    pub refusals: u64,
    /// Processes lost.
    pub losses: u64,
    /// Calls begun.
    pub calls: u64,
    /// Signals taken.
    pub signals: u64,
    /// A fault has happened that may cost a process.
    pub faulted: bool,
    /// A fault has happened that may cost a move.
    pub disturbed: bool,
    /// The first rule that was broken.
    pub failure: Option<String>,
    /// Where the processes were last told to go.
    pub move_targets: BTreeMap<ProcessKey, NodeId>,
    /// Whether the processes were stopped when their last move was committed.
    pub stopped_at_commit: BTreeMap<ProcessKey, bool>,
    /// First pages of page-ins.
    pub page_base: BTreeMap<(BodyId, PageOp), u64>,
    /// Answers of image doors that are being read.
    pub answers: BTreeMap<BodyId, FrameReader>,
    /// Pages that bodies give back before they say Frozen.
    pub giving: BTreeMap<(BodyId, PageOp), u64>,
    sent: BTreeMap<(ProcessKey, u64), Vec<u8>>,
    given: BTreeMap<(ProcessKey, u64), Vec<u8>>,
    /// Writes on credit that have not come home.
    pub(super) ahead: BTreeMap<ProcessKey, VecDeque<(CallSeq, Vec<u8>)>>,
    /// How far the files are read that homes lend.
    pub(super) offsets: BTreeMap<ProcessKey, Offsets>,
    queries: BTreeMap<u32, ProcessKey>,
}

impl Checks {
    fn process(&mut self, key: ProcessKey) -> &mut Reference {
        self.processes.entry(key).or_default()
    }

    /// A process begins with this memory.
    pub fn add(&mut self, key: ProcessKey, memory: Memory) {
        self.process(key).memory = memory;
    }

    /// A process has a new program.
    pub fn reset(&mut self, key: ProcessKey, memory: Memory) {
        self.process(key).memory = memory;
    }

    /// The memory that never moved.
    pub fn reference(&self, key: ProcessKey) -> Memory {
        self.processes.get(&key).map(|process| process.memory.clone()).unwrap_or_default()
    }

    /// Reads the memory that never moved.
    pub fn read(&self, key: ProcessKey, addr: UserAddr, len: usize) -> Vec<u8> {
        self.processes.get(&key).map(|p| p.memory.read(addr, len)).unwrap_or_default()
    }

    /// Something was written to both memories.
    pub fn write(&mut self, key: ProcessKey, addr: UserAddr, bytes: &[u8]) {
        self.process(key).memory.write(addr, bytes);
    }

    /// A call was begun.
    pub fn begun(&mut self, _key: ProcessKey, _seq: CallSeq) {
        self.calls += 1;
    }

    /// A request was executed at home: each once.
    pub fn executed(
        &mut self,
        key: ProcessKey,
        thread: Tid,
        seq: CallSeq,
        request: &Request,
    ) -> Option<String> {
        if self.overtakes(key, seq) {
            return Some(format!("{key}: {request:?} overtook a call that awaited no answer"));
        }
        let first = self.process(key).executed.insert(seq);
        (!first).then(|| format!("{key}: {request:?} of thread {thread} was executed twice"))
    }

    /// An operation's call came to its result: once, however often it was restarted.
    pub fn done(
        &mut self,
        key: ProcessKey,
        name: u64,
        result: Result<u64, Errno>,
    ) -> Option<String> {
        let first = self.process(key).done.insert(name);
        (!first).then(|| format!("{key}: operation {name:#x} ended twice, now {result:?}"))
    }

    /// A signal was posted.
    pub fn posted(&mut self, key: ProcessKey) {
        self.process(key).posted += 1;
    }

    /// How many were.
    pub fn signals(&mut self, key: ProcessKey) -> i32 {
        self.process(key).posted
    }

    /// A thread took a signal: each once.
    pub fn taken(&mut self, key: ProcessKey, thread: Tid, number: i32) -> Option<String> {
        self.signals += 1;
        let first = self.process(key).taken.insert(number);
        (!first).then(|| format!("{key}: thread {thread} took signal {number} again"))
    }

    /// A thread was killed that had been given this signal: it may have died with it.
    pub fn forgive(&mut self, key: ProcessKey, number: i32) {
        self.process(key).taken.insert(number);
    }

    /// Whether every signal posted was taken.
    pub fn all_signals_taken(&mut self, key: ProcessKey) -> bool {
        let process = self.process(key);
        i32::try_from(process.taken.len()) == Ok(process.posted)
    }

    /// The process has ended, or is lost.
    pub fn exited(&mut self, key: ProcessKey) {
        self.process(key).ended = true;
    }

    /// Its session is over.
    pub fn closed(&mut self, key: ProcessKey) {
        self.process(key).closed = true;
    }

    /// A question was asked.
    pub fn asked(&mut self, key: ProcessKey) -> u32 {
        let id = self.queries.keys().next_back().map_or(1, |id| id + 1);
        self.queries.insert(id, key);
        id
    }

    /// It was answered.
    pub fn answered(&mut self, key: ProcessKey, id: u32) {
        if self.queries.get(&id) == Some(&key) {
            self.queries.remove(&id);
        }
    }

    /// A body gives a page back.
    pub fn sent(&mut self, key: ProcessKey, page: u64, bytes: Vec<u8>) {
        self.sent.insert((key, page), bytes);
    }

    /// A page came back; whether it is as it was sent.
    pub fn written_back(&mut self, key: ProcessKey, page: u64, bytes: &[u8]) -> bool {
        self.given.insert((key, page), bytes.to_vec());
        self.sent.get(&(key, page)).is_some_and(|sent| sent == bytes)
    }

    /// Whether the file has what a body has last given back.
    pub fn is_kept(&self, key: ProcessKey, page: u64) -> bool {
        self.given.get(&(key, page)) == self.sent.get(&(key, page))
    }

    /// Questions that were never answered.
    pub fn unanswered(&self, homes: impl Fn(&ProcessKey) -> bool) -> Option<u32> {
        self.queries.iter().find(|(_, key)| homes(key)).map(|(id, _)| *id)
    }

    /// Keeps the marks of a session that is over.
    pub fn collect(&mut self, marks: Marks) {
        self.marks = self.marks.union(marks);
    }
}

impl World {
    /// A rule was broken.
    pub fn fail(&mut self, problem: String) {
        self.checks.failure.get_or_insert(problem);
    }

    /// This may happen only after a fault.
    pub fn expect_fault(&mut self, what: &str) {
        if !self.checks.faulted {
            self.fail(format!("{what}, without any fault"));
        }
    }

    /// At most one body of a process runs.
    pub(super) fn check_one_body(&mut self) {
        let mut running: Vec<ProcessKey> = Vec::new();
        for body in self.bodies.values().filter(|body| body.session.may_run()) {
            let key = body.session.process();
            if running.contains(&key) {
                return self.fail(format!("{key} has two bodies that run"));
            }
            running.push(key);
        }
    }

    /// The memory of threads that are in no call equals the memory that never moved.
    pub(super) fn check_memory(&mut self, id: BodyId) {
        let Some(body) = self.bodies.get(&id) else { return };
        let key = body.session.process();
        let Some(process) = self.checks.processes.get(&key) else { return };
        let settled = |state: State| matches!(state, State::Running | State::LocalWait);
        for (tid, thread) in body.threads.iter().filter(|(_, thread)| settled(thread.state)) {
            let slot = thread.registers[register::SLOT];
            if let Some(addr) = body.memory.difference(&process.memory, slot) {
                let problem = format!("{key}: memory of thread {tid} differs at {:#x}", addr.0);
                return self.fail(problem);
            }
        }
    }

    /// A process that was stopped when its move was committed stays stopped.
    pub(super) fn check_stopped(&mut self, id: BodyId, stopped: bool) {
        let Some(key) = self.bodies.get(&id).map(|body| body.session.process()) else { return };
        if self.checks.stopped_at_commit.get(&key).is_some_and(|at_home| *at_home != stopped) {
            self.fail(format!("{key} was stopped: {}, arrived so: {stopped}", !stopped));
        }
    }

    /// After healing and silence nothing may be left, and everything must have ended.
    pub(super) fn check_end(&mut self) {
        let stuck = self.homes.keys().next().copied();
        if let Some(key) = stuck {
            let home = &self.homes[&key];
            let bodies: Vec<_> = self
                .bodies
                .values()
                .filter(|body| body.session.process() == key)
                .map(|body| (body.node, body.session.may_run(), &body.threads))
                .collect();
            let problem = format!(
                "{key} made no progress: node {}, moving {}, handlers {:?}, pending {:?}, \
                 bodies {bodies:?}",
                home.node,
                home.session.is_moving(),
                home.handlers,
                home.pending,
            );
            return self.fail(problem);
        }
        if let Some((id, body)) = self.bodies.iter().next() {
            let problem = format!("body {id:?} of {} is left over", body.session.process());
            return self.fail(problem);
        }
        if let Some((id, connection)) = self.net.connections.iter().next() {
            let problem = format!("connection {id} is left over: {:?}", connection.ends);
            return self.fail(problem);
        }
        if let Some(id) = self.checks.unanswered(|key| self.alive.contains(&key.home)) {
            self.fail(format!("question {id} was never answered"));
        }
    }
}
