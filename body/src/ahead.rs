//! Writes that await no answer, for it is known (decision 0016). Mirrors the deputy's file of the
//! same name.
//!
//! The deputy lends room with a reply. The loan is good until anything else than a posted write
//! passes the channel, in whichever direction, and [`limits::LOAN_SPAN`] at most.

use alloc::vec::Vec;

use wayfarer_proto::id::{CallSeq, Fd, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::message::{BodyMessage, Envelope};
use wayfarer_proto::session::{Mark, Mutant};
use wayfarer_proto::time::Instant;

use crate::session::{Life, Session};

/// Room that the deputy has lent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loan {
    fd: Fd,
    /// Bytes left.
    room: usize,
    until: Instant,
}

impl Session {
    /// Whether [`Session::post`] may be called: the deputy has lent room for `length` bytes.
    pub fn may_post(&self, now: Instant, fd: Fd, length: usize) -> bool {
        let lent = |loan: &Loan| loan.fd == fd && length <= loan.room && now < loan.until;
        length > 0 && length <= limits::EAGER && self.loan.as_ref().is_some_and(lent)
    }

    /// Writes `bytes` to `fd`. The call has succeeded, with all of them: no reply will come.
    /// [`Session::may_post`] must have said so.
    pub fn post(&mut self, thread: Tid, fd: Fd, bytes: Vec<u8>) -> CallSeq {
        self.marks.reach(Mark::Posted);
        if let Some(loan) = &mut self.loan {
            loan.room = loan.room.saturating_sub(bytes.len());
        }
        self.last = CallSeq(self.last.0.wrapping_add(1));
        let seq = self.last;
        self.send(Envelope { thread, seq, message: BodyMessage::Post { fd, bytes } });
        seq
    }

    /// The body says something else than a posted write, which ends the loan there as well.
    pub(crate) fn end_loan(&mut self) {
        if self.config.mutant != Mutant::KeepLoan {
            self.loan = None;
        }
    }

    /// The body hears something, which it must not know before what it has written is home: there
    /// nobody is answered until it has said so.
    pub(crate) fn return_loan(&mut self) {
        if self.loan.is_some() && self.config.mutant != Mutant::KeepLoan {
            self.marks.reach(Mark::Returned);
            self.say(BodyMessage::Returned);
        }
    }

    pub(crate) fn on_lend(&mut self, now: Instant, seq: CallSeq, fd: Fd, room: u32) {
        if !matches!(self.life, Life::Running) || seq != self.last || self.spoke {
            // Something that was said is on its way and ends the loan there.
            self.marks.reach(Mark::LentInVain);
        } else if self.awaits_pages() {
            // They would be news while it is lent.
            self.say(BodyMessage::Returned);
        } else {
            self.marks.reach(Mark::Lent);
            let room = (room as usize).min(limits::LOAN);
            self.loan = Some(Loan { fd, room, until: now + limits::LOAN_SPAN });
        }
    }
}
