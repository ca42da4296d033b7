//! A model thread's turns: operations begun, signals answered, replies taken.

use wayfarer_body::{Gather, Input, Memory as Piece, Request, Supply};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, ProcessKey, Tid};
use wayfarer_proto::linux::signal::{SA_RESTART, SigDetail, SigInfo, Signal};
use wayfarer_proto::message::Usage;
use wayfarer_proto::message::{Action, Call, MemoryReply, MemoryRequest, Reply};
use wayfarer_proto::table::{Class, Sysno, route};
use wayfarer_proto::time::Instant;

use super::body::{Blocked, Body, BodyId, State, Thread};
use super::memory::{self, Memory};
use super::program::{Op, Open, register};
use super::rng::mix;
use super::world::{BodyTold, Happening, World};

/// What a gather came to.
enum Gathered {
    /// The call is complete.
    Call(Call),
    /// This page must come first.
    Absent(u64),
}

impl World {
    /// Gives a thread a turn soon.
    pub fn poke(&mut self, id: BodyId, thread: Tid) {
        let delay = self.rng.micros(1..60);
        let Some(body) = self.bodies.get_mut(&id) else { return };
        if let Some(state) = body.threads.get_mut(&thread) {
            state.turn += 1;
            let turn = state.turn;
            self.after(delay, Happening::Turn(id, thread, turn));
        }
    }

    /// Gives every thread a turn soon.
    pub fn poke_all(&mut self, id: BodyId) {
        let Some(body) = self.bodies.get(&id) else { return };
        for thread in body.threads.keys().copied().collect::<Vec<_>>() {
            self.poke(id, thread);
        }
    }

    pub(super) fn turn(&mut self, id: BodyId, tid: Tid, turn: u64) {
        let now = self.now;
        let Some(body) = self.bodies.get_mut(&id) else { return };
        if !body.session.may_run() || body.frozen || body.stopped {
            return;
        }
        body.ran = true;
        let attention = body.session.attention_pending(tid);
        let Some(thread) = body.threads.get_mut(&tid).filter(|t| t.turn == turn) else { return };
        if !matches!(thread.state, State::Running | State::LocalWait) {
            return;
        }
        if attention {
            return self.begin(id, tid, Request::Null, Open::Null);
        }
        if thread.registers[register::FRAMES] > 0 {
            return self.begin(id, tid, Request::SigReturn { mask: 0 }, Open::SigReturn);
        }
        if thread.registers[register::LEFT] == 0 {
            return self.finish_thread(id, tid);
        }
        if thread.state == State::LocalWait {
            let deadline = Instant(thread.registers[register::DEADLINE]);
            if deadline > now {
                return self.at(deadline, Happening::Turn(id, tid, turn));
            }
            return self.complete_local(id, tid);
        }
        self.operate(id, tid);
    }

    /// Begins the thread's next operation.
    fn operate(&mut self, id: BodyId, tid: Tid) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let Some(thread) = body.threads.get_mut(&tid) else { return };
        let registers = thread.registers;
        match Op::of(&registers) {
            Op::Compute { addr, value } => {
                body.memory.set_word(addr, value);
                self.checks.write(body.session.process(), addr, &value.to_le_bytes());
                self.complete_local(id, tid);
            }
            Op::Touch { addr, value } => {
                if let Some(page) = body.memory.absent(addr, 8) {
                    return self.page_in(id, page, Blocked::Thread(tid));
                }
                body.memory.set_word(addr, value);
                self.checks.write(body.session.process(), addr, &value.to_le_bytes());
                self.complete_local(id, tid);
            }
            Op::Fault => {
                let detail = SigDetail::Fault { address: 8 };
                let info = SigInfo { signal: Signal::SIGSEGV, code: 1, detail };
                self.begin(id, tid, Request::Fault(info), Open::Call);
            }
            Op::Call { sysno, args } => {
                let [a, b, c, d] = args;
                match route(sysno, &[a, b, c, d, 0, 0]) {
                    Class::Local => self.local_call(id, tid, sysno, args),
                    Class::Remote | Class::Special => self.call(id, tid, sysno, args),
                }
            }
        }
    }

    /// Serves a call where the body is.
    fn local_call(&mut self, id: BodyId, tid: Tid, sysno: Sysno, args: [u64; 4]) {
        if sysno != Sysno::nanosleep {
            return self.fail(format!("{sysno:?} is local, which the model does not know"));
        }
        let now = self.now;
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let Some(thread) = body.threads.get_mut(&tid) else { return };
        // The model's sleeper says in a register for how many microseconds.
        thread.registers[register::DEADLINE] = now.0 + args[0] * 1000;
        thread.state = State::LocalWait;
        self.poke(id, tid);
    }

    fn call(&mut self, id: BodyId, tid: Tid, sysno: Sysno, args: [u64; 4]) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let registers = body.threads[&tid].registers;
        let making = |thread: &&Thread| {
            matches!(thread.state, State::AwaitReply(_))
                && matches!(Op::of(&thread.registers), Op::Call { sysno: Sysno::clone, .. })
        };
        let coming = body.threads.values().filter(making).count();
        let crowded = (body.threads.len() + coming) as u64 >= memory::SLOTS;
        let deep = registers[register::DEPTH] >= 2;
        let impossible = match sysno {
            Sysno::clone => crowded,
            Sysno::fork | Sysno::vfork => deep,
            Sysno::execve => registers[register::DEPTH] == 0 && body.threads.len() > 5,
            _ => false,
        };
        if impossible {
            return self.complete_local(id, tid);
        }
        if self.post(id, tid, sysno, args) || self.read_ahead(id, tid, sysno, args) {
            return;
        }
        let Some(body) = self.bodies.get(&id) else { return };
        match gather(body, sysno, &registers, args) {
            Gathered::Absent(page) => self.page_in(id, page, Blocked::Thread(tid)),
            Gathered::Call(call) => self.begin(id, tid, Request::Call(call), Open::Call),
        }
    }

    /// Begins a transaction. A body that freezes begins none: the thread does it again later.
    fn begin(&mut self, id: BodyId, tid: Tid, request: Request, open: Open) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let is_call = open == Open::Call;
        let Some(seq) = body.session.request(tid, request) else { return };
        let key = body.session.process();
        let Some(thread) = body.threads.get_mut(&tid) else { return };
        thread.state = State::AwaitReply(seq);
        thread.registers[register::OPEN] = open as u64;
        if is_call {
            self.checks.begun(key, seq);
        }
        self.tell_body(id, BodyTold::Drain);
    }

    /// A thread without operations left: the leader ends the process when every signal has been
    /// taken and the others are done; the others just end.
    fn finish_thread(&mut self, id: BodyId, tid: Tid) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let key = body.session.process();
        let leader = key.pid.leader();
        if tid != leader {
            let request = Request::Exit { status: 0, group: false, usage: Usage::cpu(1) };
            if body.session.request(tid, request).is_some() {
                body.threads.remove(&tid);
                self.tell_body(id, BodyTold::Drain);
                self.poke(id, leader);
            }
            return;
        }
        let impatient = body.threads[&tid].registers[register::DRAW].is_multiple_of(4);
        let alone = body.threads.len() == 1 || impatient;
        if !alone || !self.checks.all_signals_taken(key) {
            if let Some(thread) = body.threads.get_mut(&tid) {
                thread.state = State::LocalWait;
                thread.registers[register::DEADLINE] = Instant::NEVER.0;
            }
            return;
        }
        self.check_memory(id);
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let request = Request::Exit { status: 0, group: true, usage: Usage::cpu(1) };
        if body.session.request(tid, request).is_some() {
            body.threads.clear();
            self.checks.exited(key);
            self.tell_body(id, BodyTold::Drain);
        }
    }

    /// A reply: memory, result, actions.
    pub(super) fn replied(&mut self, id: BodyId, tid: Tid, seq: CallSeq, reply: Reply) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let Reply { result, outs, actions } = reply;
        for out in outs {
            body.memory.write(out.addr, &out.bytes);
        }
        let Some(thread) = body.threads.get_mut(&tid) else {
            // Killed by exec, or by an exit of all whose Bye is on its way.
            if body.killed.contains(&tid) || body.threads.is_empty() {
                return;
            }
            return self.fail(format!("a reply for thread {tid} that does not exist"));
        };
        let state = thread.state;
        if state != State::AwaitReply(seq) {
            return self.fail(format!("a reply {seq} for a thread that is {state:?}"));
        }
        let open = Open::from_register(thread.registers[register::OPEN]);
        thread.registers[register::OPEN] = Open::Nothing as u64;
        let waits = thread.registers[register::DEADLINE] != 0;
        thread.state = if waits { State::LocalWait } else { State::Running };
        let mut tid = tid;
        match open {
            Open::Nothing => self.fail("a reply to nothing".into()),
            Open::Start => {}
            Open::Null => {
                let sleeping = thread.registers[register::LEFT] > 0;
                if waits && sleeping && !actions.is_empty() {
                    self.complete_local(id, tid);
                }
            }
            Open::SigReturn => thread.registers[register::FRAMES] -= 1,
            Open::Call => tid = self.call_ended(id, tid, result.0, &actions),
        }
        self.deliver_signals(id, tid, &actions);
        self.poke(id, tid);
    }

    /// Restarts a call or ends it, as signal(7) says; the thread's id from now on.
    fn call_ended(
        &mut self,
        id: BodyId,
        tid: Tid,
        result: Result<u64, Errno>,
        actions: &[Action],
    ) -> Tid {
        let restarts = |action: &Action| {
            let Action::Deliver { action, .. } = action;
            action.flags & SA_RESTART != 0
        };
        if result == Err(Errno::ERESTARTSYS) {
            if actions.iter().all(restarts) {
                return tid;
            }
            self.advance(id, tid);
            return tid;
        }
        self.complete_call(id, tid, result)
    }

    fn deliver_signals(&mut self, id: BodyId, tid: Tid, actions: &[Action]) {
        for action in actions {
            let Action::Deliver { info, .. } = action;
            let Some(body) = self.bodies.get_mut(&id) else { return };
            let key = body.session.process();
            let Some(thread) = body.threads.get_mut(&tid) else { return };
            thread.registers[register::FRAMES] += 1;
            let counter = memory::counters(thread.registers[register::SLOT]);
            let count = body.memory.word(counter) + 1;
            body.memory.set_word(counter, count);
            self.checks.write(key, counter, &count.to_le_bytes());
            if let Some(problem) = self.checks.taken(key, tid, info.code) {
                self.fail(problem);
            }
            self.poke(id, key.pid.leader());
        }
    }

    /// The thread's operation is done, with no effect beyond itself.
    pub(super) fn complete_local(&mut self, id: BodyId, tid: Tid) {
        if let Some(body) = self.bodies.get_mut(&id)
            && let Some(thread) = body.threads.get_mut(&tid)
        {
            thread.registers[register::DEADLINE] = 0;
            thread.state = State::Running;
        }
        self.advance(id, tid);
        self.poke(id, tid);
    }

    /// On to the next operation.
    pub(super) fn advance(&mut self, id: BodyId, tid: Tid) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let key = body.session.process();
        let Some(thread) = body.threads.get_mut(&tid) else { return };
        let registers = &mut thread.registers;
        registers[register::DRAW] = mix(registers[register::DRAW]);
        registers[register::LEFT] = registers[register::LEFT].saturating_sub(1);
        let counter = memory::counters(registers[register::SLOT]).offset(8);
        let count = body.memory.word(counter) + 1;
        body.memory.set_word(counter, count);
        self.checks.write(key, counter, &count.to_le_bytes());
    }

    /// Memory requests that are more than memory.
    pub(super) fn special_memory(
        &mut self,
        id: BodyId,
        op: wayfarer_body::MemoryOp,
        tid: Tid,
        request: MemoryRequest,
    ) {
        if self.bodies.get(&id).is_none_or(|body| !body.threads.contains_key(&tid)) {
            // The event before this one ended the thread; the session has answered.
            return;
        }
        let reply = match request {
            MemoryRequest::MakeChild { child, token, .. } => self.make_child(id, tid, child, token),
            MemoryRequest::KillOthers => {
                self.kill_others(id, tid);
                MemoryReply::Done
            }
            MemoryRequest::Exec { image } => {
                if let Some(body) = self.bodies.get_mut(&id) {
                    body.memory = fresh_memory();
                    self.checks.reset(body.session.process(), fresh_memory());
                    debug_assert_eq!(image.leader, body.session.process().pid.leader());
                }
                MemoryReply::Done
            }
            _ => MemoryReply::Failed { errno: Errno::EIO },
        };
        self.tell_body(id, BodyTold::Input(Input::MemoryDone { op, reply }));
    }

    fn make_child(&mut self, id: BodyId, tid: Tid, child: ProcessKey, token: u64) -> MemoryReply {
        if self.rng.one_in(15) {
            return MemoryReply::Failed { errno: Errno::ENOMEM };
        }
        let config = self.config();
        let gone = MemoryReply::Failed { errno: Errno::ESRCH };
        let Some(body) = self.bodies.get(&id) else { return gone };
        let (node, memory) = (body.node, body.memory.forked());
        let Some(mut thread) = body.threads.get(&tid).cloned() else { return gone };
        let registers = &mut thread.registers;
        registers[register::DRAW] = mix(child.pid.0.unsigned_abs().into());
        registers[register::LEFT] = registers[register::LEFT].min(6);
        registers[register::DEPTH] += 1;
        registers[register::OPEN] = Open::Start as u64;
        thread.state = State::AwaitReply(CallSeq(1));
        self.checks.add(child, memory.clone());
        if node == child.home && !self.homes.contains_key(&child) {
            // It was killed before it was made.
            return gone;
        }
        let new = if node == child.home {
            let new = self.whole_body(child, memory);
            self.tell_deputy(child, wayfarer_deputy::Input::ChildHere);
            if let Some(body) = self.bodies.get_mut(&new) {
                body.session.adopt(child.pid.leader(), CallSeq(1));
            }
            new
        } else {
            let new = BodyId(self.fresh_id());
            let session = wayfarer_body::Session::child(config, child, token);
            self.bodies.insert(new, Body::new(session, node));
            new
        };
        if let Some(body) = self.bodies.get_mut(&new) {
            body.memory = self.checks.reference(child);
            body.threads.insert(child.pid.leader(), thread);
        }
        self.tell_body(new, BodyTold::Drain);
        MemoryReply::Done
    }

    fn kill_others(&mut self, id: BodyId, tid: Tid) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let others: Vec<_> = body.threads.keys().copied().filter(|t| *t != tid).collect();
        for thread in &others {
            body.threads.remove(thread);
            body.killed.push(*thread);
        }
        for thread in others {
            self.tell_body(id, BodyTold::Input(Input::ThreadGone { thread }));
        }
    }
}

/// The memory of a new program.
pub fn fresh_memory() -> Memory {
    let mut memory = Memory::default();
    for slot in 0..memory::SLOTS {
        memory.write(memory::counters(slot).offset(64), b"wander\0");
    }
    memory
}

/// Runs the real gather over the model's memory.
fn gather(
    body: &Body,
    sysno: Sysno,
    registers: &super::program::Registers,
    args: [u64; 4],
) -> Gathered {
    let mut gather = Gather::new(sysno.row(), Op::args(args, registers));
    while let Some(wanted) = gather.wanted() {
        let there = Memory::accessible(wanted.addr, wanted.len);
        if let Some(page) = body.memory.absent(wanted.addr, there).filter(|_| there > 0) {
            return Gathered::Absent(page);
        }
        match wanted.memory {
            Piece::Read | Piece::Text => {
                gather.supply(Supply::Read(body.memory.read(wanted.addr, there)));
            }
            Piece::Write => gather.supply(Supply::Writable(there)),
        }
    }
    Gathered::Call(gather.into_call())
}
