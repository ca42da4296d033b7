//! Writes on credit in the model cluster: each comes home once, whole, in order, and no request
//! overtakes one.

use wayfarer_deputy::Input;
use wayfarer_proto::id::{CallSeq, Fd, ProcessKey, Tid, UserAddr};
use wayfarer_proto::table::Sysno;

use super::body::BodyId;
use super::check::Checks;
use super::memory::Memory;
use super::world::{BodyTold, World};

/// The descriptor that model homes lend for.
const LENT: Fd = Fd(1);

impl World {
    /// Writes on credit, if the operation is a write for which there is room; whether it was done.
    pub(super) fn post(&mut self, id: BodyId, tid: Tid, sysno: Sysno, args: [u64; 4]) -> bool {
        let now = self.now;
        let Some(body) = self.bodies.get_mut(&id) else { return false };
        let (addr, length) = (UserAddr(args[1]), args[2] as usize);
        let here = Memory::accessible(addr, length) == length
            && body.memory.absent(addr, length).is_none();
        if sysno != Sysno::write || !here || !body.session.may_post(now, LENT, length) {
            return false;
        }
        let bytes = body.memory.read(addr, length);
        let seq = body.session.post(tid, LENT, bytes.clone());
        let key = body.session.process();
        self.checks.written_ahead(key, seq, bytes);
        self.tell_body(id, BodyTold::Drain);
        self.complete_local(id, tid);
        true
    }

    /// Lends room, or not, after a reply.
    pub(super) fn lend(&mut self, key: ProcessKey, thread: Tid, seq: CallSeq) {
        if self.rng.one_in(2) {
            let room = self.rng.range(1..8000) as usize;
            self.tell_deputy(key, Input::Lend { thread, seq, fd: LENT, room });
        }
    }

    /// A write on credit has come home.
    pub(super) fn posted(&mut self, key: ProcessKey, fd: Fd, bytes: &[u8]) {
        if fd != LENT || !self.checks.came_home(key, bytes) {
            self.fail(format!("{key}: a write on credit is not the one that was made next"));
        }
    }
}

impl Checks {
    /// A body wrote on credit.
    fn written_ahead(&mut self, key: ProcessKey, seq: CallSeq, bytes: Vec<u8>) {
        self.ahead.entry(key).or_default().push_back((seq, bytes));
    }

    /// What came home is what was written first of what has not come.
    fn came_home(&mut self, key: ProcessKey, bytes: &[u8]) -> bool {
        let next = self.ahead.entry(key).or_default().pop_front();
        next.is_some_and(|(_, written)| written == bytes)
    }

    /// Whether a request is home before a write that was made before it.
    pub(super) fn overtakes(&self, key: ProcessKey, seq: CallSeq) -> bool {
        let earliest = self.ahead.get(&key).and_then(|written| written.front());
        earliest.is_some_and(|(written, _)| *written < seq)
    }
}
