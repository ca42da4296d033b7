//! Calls whose body awaits no answer: writes on credit (decision 0016) and reads of what came along
//! (decision 0018). Mirrors the body's file of the same name.

use alloc::vec::Vec;

use wayfarer_proto::id::{CallSeq, Fd, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::message::{DeputyMessage, Envelope, FileBytes};
use wayfarer_proto::session::Mark;
use wayfarer_proto::time::Instant;

use crate::io::Event;
use crate::session::{Place, Session};

/// What was lent to the body: as many bytes of room, or of a file, behind a descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loan {
    room: Option<(Fd, usize)>,
    ahead: Option<(Fd, usize)>,
    /// Something was said to the body since: it will return the loan.
    recalled: bool,
}

impl Session {
    /// Lends `room` for writes to `fd`, after the reply to call `seq`: unless another call is open,
    /// or the body is not where it could gain.
    pub(crate) fn lend(&mut self, thread: Tid, seq: CallSeq, fd: Fd, room: usize) {
        let room = room.min(limits::LOAN);
        if self.may_lend(None) && seq == self.last && room > 0 {
            self.loan.get_or_insert_default().room = Some((fd, room));
            let message = DeputyMessage::Lend { fd, room: room as u32 };
            self.send(self.place, Envelope { thread, seq, message });
        }
    }

    /// Lends what comes next of a file with the reply to a read, which is to be finished next.
    /// Until [`Session::has_lent_bytes`] says otherwise nobody may change them. Whether it does.
    pub fn lend_bytes(&mut self, thread: Tid, seq: CallSeq, next: FileBytes) -> bool {
        let open = self.threads.get(&thread).and_then(|state| state.open.as_ref());
        let is_last = seq == self.last && open.is_some_and(|open| open.seq == seq);
        let lends = is_last && self.may_lend(Some(thread)) && next.bytes.len() <= limits::AHEAD;
        self.next = lends.then_some((seq, next));
        lends
    }

    /// Whether the body has bytes of a file, or will.
    pub fn has_lent_bytes(&self) -> bool {
        self.next.is_some() || self.loan.as_ref().is_some_and(|loan| loan.ahead.is_some())
    }

    /// What goes with the reply to call `seq`.
    pub(crate) fn next_for(&mut self, seq: CallSeq) -> Option<FileBytes> {
        let (of, next) = self.next.take()?;
        (of == seq && self.may_lend(None)).then_some(next)
    }

    /// Bytes went with a reply.
    pub(crate) fn lent(&mut self, fd: Fd, bytes: usize) {
        self.loan = Some(Loan { ahead: Some((fd, bytes)), ..Loan::default() });
    }

    /// Whether nothing is open, save the call of `except`, the body owes no answer, and it is where
    /// it could gain.
    fn may_lend(&self, except: Option<Tid>) -> bool {
        let idle = self.threads.iter().all(|(thread, state)| {
            !state.attention && (state.open.is_none() || Some(*thread) == except)
        });
        let silent = idle && self.ops.is_empty();
        silent && matches!(self.place, Place::Away(_)) && self.held.is_none()
    }

    /// Wants back what was lent.
    pub(crate) fn want_back(&mut self) {
        if self.loan.as_ref().is_some_and(|loan| !loan.recalled) {
            self.marks.reach(Mark::Recalled);
            self.say(self.place, DeputyMessage::Recall);
        }
    }

    /// Whether the body is being told something that others must not know it to know: what it
    /// did before may still be on its way. Nobody at home is answered until this is over.
    pub fn awaits_return(&self) -> bool {
        self.loan.as_ref().is_some_and(|loan| loan.recalled)
    }

    /// The body is told something.
    pub(crate) fn recall(&mut self, message: &DeputyMessage) {
        if let Some(loan) = &mut self.loan {
            loan.recalled |= !matches!(message, DeputyMessage::Lend { .. });
        }
    }

    /// A write that is done already, as far as the body knows.
    pub(crate) fn on_post(&mut self, now: Instant, at: (Tid, CallSeq), fd: Fd, bytes: Vec<u8>) {
        let (thread, seq) = at;
        let in_sequence = seq.0 == self.last.0.wrapping_add(1) && thread != Tid::CONTROL;
        let room = self.loan.as_mut().and_then(|loan| loan.room.as_mut());
        let lent = |(of, left): &&mut (Fd, usize)| *of == fd && bytes.len() <= *left;
        let Some((_, left)) = room.filter(lent).filter(|_| in_sequence) else {
            return self.violation(now, self.place);
        };
        *left -= bytes.len();
        self.last = seq;
        if self.held.is_some() {
            self.marks.reach(Mark::PostCrossedFreeze);
        }
        self.event(Event::Post { fd, bytes });
    }

    /// Reads that are done already.
    pub(crate) fn on_took(&mut self, now: Instant, fd: Fd, bytes: u32, calls: u32) {
        let ahead = self.loan.take().and_then(|loan| loan.ahead);
        if ahead.is_some_and(|(of, lent)| of == fd && bytes as usize <= lent) {
            self.event(Event::Took { fd, bytes, calls });
        } else {
            self.violation(now, self.place);
        }
    }
}
