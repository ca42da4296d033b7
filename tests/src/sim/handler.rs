//! Takes handlers of calls at a model home from step to step.

use wayfarer_deputy::{BodyLost, Input, MemoryOp, MemoryStart, Session, Target};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, NodeId, Pid, ProcessKey, Tid, UserAddr};
use wayfarer_proto::message::{MemoryReply, MemoryRequest};
use wayfarer_proto::table::Sysno;

use super::rng::mix;
use super::steps::{Asked, Handler, Want};
use super::world::{DeputyTold, Happening, Work, World};

impl World {
    /// Takes a handler as far as it goes.
    pub(super) fn advance_handler(
        &mut self,
        key: ProcessKey,
        thread: Tid,
        mut answer: Option<MemoryReply>,
    ) {
        loop {
            let Some(home) = self.homes.get_mut(&key) else { return };
            let Some(mut handler) = home.handlers.get(&thread).cloned() else { return };
            handler.sleeping = false;
            let want = self.handler_step(key, thread, &mut handler, answer.take());
            let Some(home) = self.homes.get_mut(&key) else { return };
            let seq = handler.seq;
            home.handlers.insert(thread, handler);
            match want {
                Want::Memory(request) => match self.ask_memory(key, thread, seq, vec![request]) {
                    Some(reply) => answer = Some(reply),
                    None => return,
                },
                Want::Windows(requests) => match self.ask_memory(key, thread, seq, requests) {
                    Some(reply) => answer = Some(reply),
                    None => return,
                },
                Want::Sleep(micros) => {
                    if let Some(handler) = home.handlers.get_mut(&thread) {
                        handler.sleeping = true;
                    }
                    let delay = core::time::Duration::from_micros(micros);
                    self.after(delay, Happening::Handler(key, thread, seq));
                    return self.interrupt_if_pending(key, thread);
                }
                Want::Nothing => return,
                Want::Done(result) => return self.handler_done(key, thread, seq, result),
                Want::Fail(problem) => return self.fail(problem),
            }
        }
    }

    /// Asks for these; the oldest answer, if it is there.
    fn ask_memory(
        &mut self,
        key: ProcessKey,
        thread: Tid,
        seq: CallSeq,
        requests: Vec<MemoryRequest>,
    ) -> Option<MemoryReply> {
        for request in requests {
            let home = self.homes.get_mut(&key)?;
            let asked = match home.session.memory(thread, seq, request) {
                MemoryStart::Ready(reply) => Asked::Answered(reply),
                MemoryStart::Asked(op) => Asked::Open(op),
                MemoryStart::Lost => {
                    self.drop_handler(key, thread);
                    return None;
                }
            };
            home.handlers.get_mut(&thread)?.asked.push_back(asked);
        }
        self.work.push_back(Work::Deputy(key, DeputyTold::Drain));
        self.homes.get_mut(&key)?.handlers.get_mut(&thread)?.next_answer()
    }

    fn interrupt_if_pending(&mut self, key: ProcessKey, thread: Tid) {
        let Some(home) = self.homes.get(&key) else { return };
        if !home.pending.is_empty() && !home.masked.contains(&thread) {
            self.interrupt(key, thread);
        }
    }

    fn handler_done(
        &mut self,
        key: ProcessKey,
        thread: Tid,
        seq: CallSeq,
        result: Result<u64, Errno>,
    ) {
        let Some(home) = self.homes.get_mut(&key) else { return };
        let Some(handler) = home.handlers.remove(&thread) else { return };
        if let Some(problem) = self.checks.done(key, handler.args.get(5), result) {
            return self.fail(problem);
        }
        self.finish(key, thread, seq, result);
        if handler.sysno == Some(Sysno::execve) && result.is_ok() && thread != key.pid.leader() {
            self.tell_deputy(key, Input::ThreadGone { thread });
            if let Some(home) = self.homes.get_mut(&key) {
                home.threads.remove(&thread);
                home.threads.insert(key.pid.leader());
                if home.masked.remove(&thread) {
                    home.masked.insert(key.pid.leader());
                }
            }
        }
        if handler.sysno == Some(Sysno::execve) {
            if let Some(home) = self.homes.get_mut(&key) {
                home.execs.take_if(|caller| *caller == thread);
            }
            self.call_attention(key);
        }
    }

    fn handler_step(
        &mut self,
        key: ProcessKey,
        thread: Tid,
        handler: &mut Handler,
        answer: Option<MemoryReply>,
    ) -> Want {
        let nap = self.rng.range(100..30_000);
        let forks = matches!(handler.sysno, Some(Sysno::fork | Sysno::vfork));
        if let (false, Some(MemoryReply::Failed { errno })) = (forks, &answer) {
            // The thread was killed: the handler ends (decision D3).
            return Want::Done(Err(*errno));
        }
        match handler.sysno {
            Some(Sysno::read) => handler.read(answer, nap),
            Some(Sysno::write) => {
                handler.write(answer, |addr, len| self.checks.read(key, addr, len))
            }
            Some(Sysno::lseek) => Want::Done(Ok(mix(handler.args.get(1)) >> 16)),
            Some(Sysno::unlink) => match Handler::path(answer, UserAddr(handler.args.get(0))) {
                Ok(()) => Want::Done(Ok(0)),
                Err(want) => want,
            },
            Some(Sysno::fork | Sysno::vfork) => self.fork_step(key, handler, answer, nap),
            Some(Sysno::clone) => {
                let tid = Tid(self.fresh_id());
                if let Some(home) = self.homes.get_mut(&key) {
                    home.threads.insert(tid);
                }
                Want::Done(Ok(u64::from(tid.0.unsigned_abs())))
            }
            Some(Sysno::execve) => {
                if handler.step == 1 && !self.may_exec(key, thread) {
                    return Want::Nothing;
                }
                if handler.step == 2 {
                    self.others_killed(key, thread);
                }
                handler.exec(answer, key.pid.leader())
            }
            Some(Sysno::migrate) => self.migrate_step(key, handler),
            Some(Sysno::kill) => {
                self.post_signal(key);
                Want::Done(Ok(0))
            }
            other => Want::Fail(format!("no handler for {other:?}")),
        }
    }

    fn fork_step(
        &mut self,
        key: ProcessKey,
        handler: &mut Handler,
        answer: Option<MemoryReply>,
        nap: u64,
    ) -> Want {
        handler.step += 1;
        let vfork = handler.sysno == Some(Sysno::vfork);
        match (handler.child, answer) {
            (None, _) => {
                let child = ProcessKey { home: key.home, pid: Pid(self.fresh_id()) };
                let token = mix(child.pid.0.unsigned_abs().into());
                let session = Session::child(self.config(), self.now, child);
                let Some(node) = self.homes.get(&key).map(|home| home.node) else {
                    return Want::Nothing;
                };
                self.add_home(session, token, node);
                handler.child = Some(child);
                Want::Memory(MemoryRequest::MakeChild { child, token, vfork })
            }
            (Some(child), Some(MemoryReply::Failed { errno })) => {
                self.end_process(child);
                Want::Done(Err(errno))
            }
            (Some(child), Some(MemoryReply::Done)) => {
                let leader = child.pid.leader();
                // The node is where the body was when it made the child.
                let node = self.bodies.values().find(|b| b.session.process() == child);
                if let (Some(node), Some(home)) = (node.map(|b| b.node), self.homes.get_mut(&child))
                {
                    home.node = node;
                }
                self.finish(child, leader, CallSeq(1), Ok(0));
                if vfork {
                    Want::Sleep(nap)
                } else {
                    Want::Done(Ok(child.pid.0.unsigned_abs().into()))
                }
            }
            (Some(child), None) => {
                if self.homes.contains_key(&child) && !self.healed {
                    return Want::Sleep(nap);
                }
                Want::Done(Ok(child.pid.0.unsigned_abs().into()))
            }
            (_, answer) => Want::Fail(format!("fork got {answer:?}")),
        }
    }

    /// One thread at a time may end the others; a second that would waits, to be ended itself.
    fn may_exec(&mut self, key: ProcessKey, thread: Tid) -> bool {
        let Some(home) = self.homes.get_mut(&key) else { return false };
        *home.execs.get_or_insert(thread) == thread
    }

    /// The body has no other threads any more: their calls end, and their replies are for nobody.
    fn others_killed(&mut self, key: ProcessKey, caller: Tid) {
        let Some(home) = self.homes.get(&key) else { return };
        let others: Vec<_> = home.threads.iter().copied().filter(|t| *t != caller).collect();
        for thread in others {
            let Some(home) = self.homes.get_mut(&key) else { return };
            home.threads.remove(&thread);
            home.masked.remove(&thread);
            if let Some(number) = home.took.remove(&thread) {
                self.checks.forgive(key, number);
            }
            let handler = home.handlers.remove(&thread);
            self.work.push_back(Work::Deputy(key, DeputyTold::Input(Input::ThreadGone { thread })));
            if let Some(Handler { seq, child, step, .. }) = handler {
                let result = Err(Errno::EINTR);
                let input = Input::Finish { thread, seq, result, actions: Vec::new() };
                self.work.push_back(Work::Deputy(key, DeputyTold::Input(input)));
                if let Some(child) = child.filter(|_| step == 1) {
                    self.end_process(child);
                }
            }
        }
    }

    fn migrate_step(&mut self, key: ProcessKey, handler: &mut Handler) -> Want {
        handler.step = 1;
        let node = NodeId(handler.args.get(0) as u16);
        if self.begin_move(key, node) { Want::Nothing } else { Want::Done(Err(Errno::EINVAL)) }
    }

    /// Moves a process; false if it is there or no such node exists.
    pub fn begin_move(&mut self, key: ProcessKey, node: NodeId) -> bool {
        let Some(home) = self.homes.get(&key) else { return false };
        let exists = node.0 >= 1 && node.0 <= self.options.nodes;
        if home.ended || home.node == node || !exists || self.healed {
            return false;
        }
        let target = if node == key.home {
            Target::Here
        } else {
            Target::Away { node, channel: self.net.number() }
        };
        self.checks.move_targets.insert(key, node);
        self.tell_deputy(key, Input::Move { target });
        true
    }

    /// A move came to its end: so do the migrate() calls that wait for it.
    pub(super) fn migrate_done(&mut self, key: ProcessKey, result: Result<u64, Errno>) {
        let Some(home) = self.homes.get_mut(&key) else { return };
        let waiting: Vec<_> = home
            .handlers
            .iter()
            .filter(|(_, handler)| handler.sysno == Some(Sysno::migrate))
            .map(|(thread, handler)| (*thread, handler.seq))
            .collect();
        for (thread, seq) in waiting {
            self.handler_done(key, thread, seq, result);
        }
    }

    pub(super) fn handler_woken(&mut self, key: ProcessKey, thread: Tid, seq: CallSeq) {
        let handler = self.homes.get(&key).and_then(|home| home.handlers.get(&thread));
        if handler.is_some_and(|handler| handler.seq == seq && handler.sleeping) {
            self.advance_handler(key, thread, None);
        }
    }

    /// Interrupts a handler that sleeps; false if there is none, and no attention is needed if
    /// there is a call that ends by itself.
    pub(super) fn interrupt(&mut self, key: ProcessKey, thread: Tid) -> bool {
        let Some(home) = self.homes.get_mut(&key) else { return false };
        let Some(handler) = home.handlers.get(&thread) else { return false };
        if !handler.sleeping || handler.sysno != Some(Sysno::read) {
            return true;
        }
        let seq = handler.seq;
        home.handlers.remove(&thread);
        self.finish(key, thread, seq, Err(Errno::ERESTARTSYS));
        true
    }

    pub(super) fn memory_done(
        &mut self,
        key: ProcessKey,
        op: MemoryOp,
        result: Result<MemoryReply, BodyLost>,
    ) {
        let Some(home) = self.homes.get_mut(&key) else { return };
        let is_it = |asked: &&mut Asked| matches!(asked, Asked::Open(open) if *open == op);
        let owner = home.handlers.iter_mut().find_map(|(thread, handler)| {
            handler.asked.iter_mut().find(is_it).map(|asked| (*thread, asked))
        });
        let Some((thread, asked)) = owner else { return };
        let Ok(reply) = result else { return self.drop_handler(key, thread) };
        *asked = Asked::Answered(reply);
        let answer = home.handlers.get_mut(&thread).and_then(Handler::next_answer);
        if answer.is_some() {
            self.advance_handler(key, thread, answer);
        }
    }

    /// The body is lost: the handler ends.
    fn drop_handler(&mut self, key: ProcessKey, thread: Tid) {
        let Some(home) = self.homes.get_mut(&key) else { return };
        let Some(handler) = home.handlers.remove(&thread) else { return };
        if let Some(child) = handler.child_unmade() {
            self.end_process(child);
        }
    }
}
