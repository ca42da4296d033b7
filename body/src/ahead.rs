//! Calls that await no answer, for it is known: writes on credit (decision 0016) and reads of what
//! came along (decision 0018). Mirrors the deputy's file of the same name.
//!
//! The deputy lends room after a reply, and bytes of a file with it. A loan is good until anything
//! else than a posted write passes the channel, in whichever direction; room for
//! [`limits::LOAN_SPAN`] at most.

use alloc::vec::Vec;

use wayfarer_proto::id::{CallSeq, Fd, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::message::{BodyMessage, Envelope, FileBytes, Reply};
use wayfarer_proto::session::{Mark, Mutant};
use wayfarer_proto::time::Instant;

use crate::session::{Life, Session};

/// What the deputy has lent.
#[derive(Debug, Default)]
pub(crate) struct Loan {
    room: Option<Room>,
    ahead: Option<Ahead>,
}

/// Room to write in.
#[derive(Clone, Copy, Debug)]
struct Room {
    fd: Fd,
    /// Bytes left.
    bytes: usize,
    until: Instant,
}

/// Bytes to read.
#[derive(Debug)]
struct Ahead {
    next: FileBytes,
    /// How many of them were read.
    taken: usize,
    /// By how many reads.
    calls: u32,
}

impl Session {
    /// Whether [`Session::post`] may be called: the deputy has lent room for `length` bytes.
    pub fn may_post(&self, now: Instant, fd: Fd, length: usize) -> bool {
        let lent = |room: &Room| room.fd == fd && length <= room.bytes && now < room.until;
        let room = self.loan.as_ref().and_then(|loan| loan.room.as_ref());
        length > 0 && length <= limits::EAGER && room.is_some_and(lent)
    }

    /// Writes `bytes` to `fd`. The call has succeeded, with all of them: no reply will come.
    /// [`Session::may_post`] must have said so.
    pub fn post(&mut self, thread: Tid, fd: Fd, bytes: Vec<u8>) -> CallSeq {
        self.marks.reach(Mark::Posted);
        if let Some(room) = self.loan.as_mut().and_then(|loan| loan.room.as_mut()) {
            room.bytes = room.bytes.saturating_sub(bytes.len());
        }
        self.last = CallSeq(self.last.0.wrapping_add(1));
        let seq = self.last;
        self.send(Envelope { thread, seq, message: BodyMessage::Post { fd, bytes } });
        seq
    }

    /// What read(2) of up to `length` bytes gives, none at the end of the file; `None` if home must
    /// be asked. [`Session::take`] reads it.
    pub fn ahead(&self, fd: Fd, length: usize) -> Option<&[u8]> {
        let ahead = self.loan.as_ref()?.ahead.as_ref().filter(|ahead| ahead.next.fd == fd)?;
        let left = &ahead.next.bytes[ahead.taken..];
        let whole = length > 0 && (length <= left.len() || ahead.next.end);
        whole.then(|| &left[..length.min(left.len())])
    }

    /// Reads `count` bytes of what [`Session::ahead`] gave. The call has succeeded.
    pub fn take(&mut self, count: usize) {
        if let Some(ahead) = self.loan.as_mut().and_then(|loan| loan.ahead.as_mut()) {
            self.marks.reach(Mark::Took);
            ahead.taken = (ahead.taken + count).min(ahead.next.bytes.len());
            ahead.calls += 1;
        }
    }

    /// The body says something else than a posted write, which ends the loan there as well. What it
    /// has read is told first.
    pub(crate) fn end_loan(&mut self) {
        if self.config.mutant == Mutant::KeepLoan {
            return;
        }
        let ahead = self.loan.take().and_then(|loan| loan.ahead);
        if let Some(Ahead { next: FileBytes { fd, .. }, taken, calls }) = ahead
            && calls > 0
        {
            self.say(BodyMessage::Took { fd, bytes: taken as u32, calls });
        }
    }

    /// The body hears something, which it must not know before what it has done is known at home:
    /// there nobody is answered until it has said so.
    pub(crate) fn return_loan(&mut self) {
        if self.loan.is_some() && self.config.mutant != Mutant::KeepLoan {
            self.marks.reach(Mark::Returned);
            self.say(BodyMessage::Returned);
        }
    }

    pub(crate) fn on_lend(&mut self, now: Instant, seq: CallSeq, fd: Fd, room: u32) {
        if self.takes_loan(seq, Mark::Lent, Mark::LentInVain) {
            let bytes = (room as usize).min(limits::LOAN);
            let room = Room { fd, bytes, until: now + limits::LOAN_SPAN };
            self.loan.get_or_insert_default().room = Some(room);
        }
    }

    pub(crate) fn on_reply_ahead(
        &mut self,
        thread: Tid,
        seq: CallSeq,
        reply: Reply,
        next: FileBytes,
    ) {
        self.on_reply(thread, seq, reply);
        if self.takes_loan(seq, Mark::LentBytes, Mark::LentBytesInVain) {
            let ahead = Ahead { next, taken: 0, calls: 0 };
            self.loan.get_or_insert_default().ahead = Some(ahead);
        }
    }

    /// Whether what was lent after call `seq` is good.
    fn takes_loan(&mut self, seq: CallSeq, taken: Mark, in_vain: Mark) -> bool {
        if !matches!(self.life, Life::Running) || seq != self.last || self.spoke {
            // Something that was said is on its way and ends the loan there.
            self.marks.reach(in_vain);
            false
        } else if self.awaits_pages() {
            // They would be news while it is lent.
            self.say(BodyMessage::Returned);
            false
        } else {
            self.marks.reach(taken);
            true
        }
    }
}
