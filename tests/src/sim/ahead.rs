//! Calls that await no answer in the model cluster. Each write on credit comes home once, whole, in
//! order, and each byte that was read of what came along is the one that home believes it to be; no
//! request overtakes either.

use wayfarer_deputy::Input;
use wayfarer_proto::id::{CallSeq, Fd, ProcessKey, Tid, UserAddr};
use wayfarer_proto::message::FileBytes;
use wayfarer_proto::table::Sysno;

use super::body::BodyId;
use super::check::Checks;
use super::memory::Memory;
use super::world::{BodyTold, World};

/// The descriptor that model homes lend for.
const LENT: Fd = Fd(1);

/// How far a process has read the file that its home lends: where it is, and as home knows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offsets {
    body: u64,
    home: u64,
}

/// What is in that file.
fn file_bytes(from: u64, length: usize) -> Vec<u8> {
    (from..).take(length).map(|at| (at ^ at >> 8) as u8).collect()
}

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

    /// Reads what came along, if the operation is a read and it is there; whether it was done.
    pub(super) fn read_ahead(
        &mut self,
        id: BodyId,
        tid: Tid,
        sysno: Sysno,
        args: [u64; 4],
    ) -> bool {
        let Some(body) = self.bodies.get_mut(&id) else { return false };
        let (addr, length) = (UserAddr(args[1]), args[2] as usize);
        let Some(bytes) = body.session.ahead(LENT, length).map(Vec::from) else { return false };
        let here = Memory::accessible(addr, length) == length
            && body.memory.absent(addr, length).is_none();
        if sysno != Sysno::read || !here {
            return false;
        }
        body.session.take(bytes.len());
        body.memory.write(addr, &bytes);
        let key = body.session.process();
        self.checks.write(key, addr, &bytes);
        if !self.checks.read_ahead(key, &bytes) {
            self.fail(format!("{key}: other bytes of a file than come next were read"));
        }
        self.complete_local(id, tid);
        true
    }

    /// Lends what comes next of a file, or not, with a reply that is about to be given.
    pub(super) fn lend_bytes(&mut self, key: ProcessKey, thread: Tid, seq: CallSeq) {
        if !self.rng.one_in(2) {
            return;
        }
        let (length, end) = (self.rng.range(0..4000) as usize, self.rng.one_in(4));
        let next = FileBytes { fd: LENT, bytes: self.checks.next_bytes(key, length), end };
        if let Some(home) = self.homes.get_mut(&key) {
            home.session.lend_bytes(thread, seq, next);
        }
    }

    /// What was lent has been read.
    pub(super) fn took(&mut self, key: ProcessKey, fd: Fd, bytes: u32) {
        if fd != LENT || !self.checks.took(key, bytes) {
            self.fail(format!("{key}: more was read than home has heard of"));
        }
    }

    /// Lends room, or not, after a reply; wants it all back, or not.
    pub(super) fn lend(&mut self, key: ProcessKey, thread: Tid, seq: CallSeq) {
        if self.rng.one_in(2) {
            let room = self.rng.range(1..8000) as usize;
            self.tell_deputy(key, Input::Lend { thread, seq, fd: LENT, room });
        }
        if self.rng.one_in(4) {
            self.tell_deputy(key, Input::WantBack);
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

    /// A body has read what came along; whether that is what comes next.
    fn read_ahead(&mut self, key: ProcessKey, bytes: &[u8]) -> bool {
        let offsets = self.offsets.entry(key).or_default();
        let expected = file_bytes(offsets.body, bytes.len());
        offsets.body += bytes.len() as u64;
        expected == bytes
    }

    /// What comes next, as home knows.
    fn next_bytes(&mut self, key: ProcessKey, length: usize) -> Vec<u8> {
        file_bytes(self.offsets.entry(key).or_default().home, length)
    }

    /// Home has heard of reads; whether they can have been made.
    fn took(&mut self, key: ProcessKey, bytes: u32) -> bool {
        let offsets = self.offsets.entry(key).or_default();
        offsets.home += u64::from(bytes);
        offsets.home <= offsets.body
    }

    /// Whether a request is home before a write or a read that was made before it.
    pub(super) fn overtakes(&self, key: ProcessKey, seq: CallSeq) -> bool {
        let earliest = self.ahead.get(&key).and_then(|written| written.front());
        let overtakes_read = self.offsets.get(&key).is_some_and(|at| at.home != at.body);
        overtakes_read || earliest.is_some_and(|(written, _)| *written < seq)
    }
}
