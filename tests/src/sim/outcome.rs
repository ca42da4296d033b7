//! What a finished call must have done: the body's memory is compared, the reference follows.

use wayfarer_body::Input;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Tid, UserAddr};
use wayfarer_proto::table::Sysno;

use super::body::{BodyId, State, Thread, thread};
use super::memory::{self, Memory, content};
use super::program::{Op, register};
use super::rng::mix;
use super::world::{BodyTold, World};

/// How many bytes an exec writes to the new stack.
pub const STACK: usize = 100;

/// Where.
pub fn stack() -> UserAddr {
    memory::counters(0).offset(128)
}

impl World {
    /// A call returned; the thread's id from now on.
    pub(super) fn complete_call(
        &mut self,
        id: BodyId,
        tid: Tid,
        result: Result<u64, Errno>,
    ) -> Tid {
        let Some(body) = self.bodies.get(&id) else { return tid };
        let registers = body.threads[&tid].registers;
        match (Op::of(&registers), result) {
            (Op::Call { sysno: Sysno::execve, .. }, Ok(0)) => return self.exec_done(id, tid),
            (Op::Call { sysno: Sysno::clone, .. }, Ok(new)) => self.add_thread(id, tid, new),
            (Op::Call { sysno, args }, result) => self.check_result(id, sysno, args, result),
            _ => {}
        }
        self.advance(id, tid);
        tid
    }

    fn check_result(
        &mut self,
        id: BodyId,
        sysno: Sysno,
        args: [u64; 4],
        result: Result<u64, Errno>,
    ) {
        let Some(body) = self.bodies.get(&id) else { return };
        let key = body.session.process();
        let (addr, wanted) = (UserAddr(args[1]), args[2] as usize);
        let there = match sysno {
            Sysno::read | Sysno::write => Memory::accessible(addr, wanted),
            _ => 0,
        };
        let transferred = if there == 0 { Err(Errno::EFAULT) } else { Ok(there as u64) };
        let expected = match sysno {
            Sysno::read | Sysno::write => transferred,
            Sysno::lseek => Ok(mix(args[1]) >> 16),
            Sysno::unlink | Sysno::kill => Ok(0),
            _ => result,
        };
        if result != expected {
            return self.fail(format!("{sysno:?} returned {result:?} instead of {expected:?}"));
        }
        if sysno == Sysno::read && there > 0 {
            let bytes = content(args[0], there);
            if body.memory.read(addr, there) != bytes {
                return self.fail(format!("{key}: a read of {there} bytes left other bytes"));
            }
            self.checks.write(key, addr, &bytes);
        }
    }

    /// A new thread, in the first free area.
    fn add_thread(&mut self, id: BodyId, parent: Tid, new: u64) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let used: Vec<_> = body.threads.values().map(|t| t.registers[register::SLOT]).collect();
        let free = (0..memory::SLOTS).find(|slot| !used.contains(slot));
        let registers = body.threads[&parent].registers;
        let left = registers[register::LEFT].min(8) + 1;
        let state = thread(mix(new), left, free.unwrap_or(0), registers[register::DEPTH]);
        let tid = Tid(new as i32);
        if free.is_none() || body.threads.insert(tid, state).is_some() {
            return self.fail(format!("thread {tid} cannot be made"));
        }
        self.poke(id, tid);
    }

    /// A new program runs, in the leader's name.
    fn exec_done(&mut self, id: BodyId, tid: Tid) -> Tid {
        let Some(body) = self.bodies.get_mut(&id) else { return tid };
        let key = body.session.process();
        let leader = key.pid.leader();
        let Some(Thread { registers, turn, .. }) = body.threads.remove(&tid) else { return tid };
        let bytes = content(key.pid.0.unsigned_abs().into(), STACK);
        if body.threads.len() + 1 != 1 || body.memory.read(stack(), STACK) != bytes {
            self.fail(format!("{key}: exec left threads, or a wrong stack"));
            return leader;
        }
        let left = registers[register::LEFT] - 1;
        let mut state =
            thread(mix(!registers[register::DRAW]), left, 0, registers[register::DEPTH]);
        state.state = State::Running;
        state.turn = turn;
        body.threads.insert(leader, state);
        self.checks.write(key, stack(), &bytes);
        if tid != leader {
            self.tell_body(id, BodyTold::Input(Input::ThreadGone { thread: tid }));
        }
        leader
    }
}
