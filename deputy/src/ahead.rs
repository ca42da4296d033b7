//! Writes whose body awaits no answer (decision 0016). Mirrors the body's file of the same name.

use alloc::vec::Vec;

use wayfarer_proto::id::{CallSeq, Fd, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::message::{DeputyMessage, Envelope};
use wayfarer_proto::session::Mark;
use wayfarer_proto::time::Instant;

use crate::io::Event;
use crate::session::{Place, Session};

/// Room that was lent to the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loan {
    fd: Fd,
    /// Bytes left.
    room: usize,
    /// Something was said to the body since: it will return the loan.
    recalled: bool,
}

impl Session {
    /// Lends `room` for writes to `fd`, after the reply to call `seq`: unless another call is open,
    /// or the body is not where it could gain.
    pub(crate) fn lend(&mut self, thread: Tid, seq: CallSeq, fd: Fd, room: usize) {
        let idle = self.threads.values().all(|thread| thread.open.is_none() && !thread.attention);
        let away = matches!(self.place, Place::Away(_)) && self.held.is_none();
        let room = room.min(limits::LOAN);
        if idle && away && seq == self.last && room > 0 {
            self.loan = Some(Loan { fd, room, recalled: false });
            let message = DeputyMessage::Lend { fd, room: room as u32 };
            self.send(self.place, Envelope { thread, seq, message });
        }
    }

    /// Whether the body is being told something that others must not know it to know: what it
    /// wrote before may still be on its way. Nobody at home is answered until this is over.
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
        let in_sequence = seq.0 == self.last.0.wrapping_add(1);
        let lent = |loan: &&mut Loan| loan.fd == fd && bytes.len() <= loan.room;
        let loan = self.loan.as_mut().filter(lent);
        let Some(loan) = loan.filter(|_| in_sequence && thread != Tid::CONTROL) else {
            return self.violation(now, self.place);
        };
        loan.room -= bytes.len();
        self.last = seq;
        if self.held.is_some() {
            self.marks.reach(Mark::PostCrossedFreeze);
        }
        self.event(Event::Post { fd, bytes });
    }
}
