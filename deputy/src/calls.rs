//! Transactions: begun by the body, executed here, ended by one reply.

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::message::{
    Action, BodyMessage, Call, DeputyMessage, Envelope, RawResult, Reply,
};
use wayfarer_proto::session::{Mark, Mutant};
use wayfarer_proto::time::Instant;

use crate::io::{Event, Request};
use crate::session::Session;
use crate::windows::Windows;

/// What the session knows of a thread.
#[derive(Debug, Default)]
pub(crate) struct Thread {
    /// Its open transaction.
    pub(crate) open: Option<OpenCall>,
    /// An attention was sent, or will be, and no request has come since.
    pub(crate) attention: bool,
}

/// A transaction whose handler runs.
#[derive(Debug)]
pub(crate) struct OpenCall {
    pub(crate) seq: CallSeq,
    pub(crate) windows: Windows,
    /// Kept for a test that executes it twice.
    request: Option<Request>,
}

impl Session {
    /// Tells the session of a call that is open and came without a message: of a process that was
    /// whole, of a fork's child.
    pub fn adopt(&mut self, thread: Tid, seq: CallSeq) {
        let open = OpenCall { seq, windows: Windows::default(), request: None };
        self.threads.insert(thread, Thread { open: Some(open), attention: false });
        self.last = self.last.max(seq);
    }

    /// Goes on counting calls after `last`: those of a process that was whole had numbers, too.
    pub fn count_from(&mut self, last: CallSeq) {
        self.last = self.last.max(last);
    }

    /// The request in a message of the body, if it is one.
    fn request_of(message: BodyMessage) -> Option<(Request, Windows)> {
        let request = match message {
            BodyMessage::Call { call: Call { number, args, ins, outs } } => {
                return Some((Request::Call { number, args }, Windows::new(ins, outs)?));
            }
            BodyMessage::Fault { info } => Request::Fault(info),
            BodyMessage::Null => Request::Null,
            BodyMessage::SigReturn { mask } => Request::SigReturn { mask },
            BodyMessage::Exit { status, group, usage } => Request::Exit { status, group, usage },
            _ => return None,
        };
        Some((request, Windows::default()))
    }

    /// A request of the body. Every request is new, in sequence, and of a thread without another.
    pub(crate) fn on_request(&mut self, now: Instant, envelope: Envelope<BodyMessage>) {
        let Envelope { thread, seq, message } = envelope;
        let in_sequence = seq.0 == self.last.0.wrapping_add(1);
        let room = self.threads.len() < limits::THREADS || self.threads.contains_key(&thread);
        let free = self.threads.get(&thread).is_none_or(|state| state.open.is_none());
        let valid = thread != Tid::CONTROL && in_sequence && room && free;
        let Some((request, windows)) = Self::request_of(message).filter(|_| valid) else {
            return self.violation(now, self.place);
        };
        self.last = seq;
        if self.held.is_some() {
            self.marks.reach(Mark::CallCrossedFreeze);
        }
        if matches!(request, Request::Exit { .. }) {
            self.threads.remove(&thread);
        } else {
            let kept = (self.config.mutant == Mutant::RetryCall).then(|| request.clone());
            let open = OpenCall { seq, windows, request: kept };
            self.threads.insert(thread, Thread { open: Some(open), attention: false });
        }
        self.event(Event::Execute { thread, seq, request });
    }

    pub(crate) fn finish(
        &mut self,
        thread: Tid,
        seq: CallSeq,
        result: Result<u64, Errno>,
        actions: Vec<Action>,
    ) {
        let state = self.threads.get_mut(&thread);
        let Some(open) = state.and_then(|state| state.open.take_if(|open| open.seq == seq)) else {
            // The thread is dead, or the body is (decision D3).
            self.marks.reach(Mark::DeadReply);
            self.next = None;
            return;
        };
        let outs = open.windows.into_written();
        self.mark_reply(result, outs.is_empty(), &actions);
        let reply = Reply { result: RawResult(result), outs, actions };
        let Some(next) = self.next_for(seq) else {
            return self.post(Envelope { thread, seq, message: DeputyMessage::Reply { reply } });
        };
        let (fd, lent) = (next.fd, next.bytes.len());
        self.post(Envelope { thread, seq, message: DeputyMessage::ReplyAhead { reply, next } });
        self.lent(fd, lent);
    }

    fn mark_reply(&mut self, result: Result<u64, Errno>, no_outs: bool, actions: &[Action]) {
        if !no_outs || !actions.is_empty() {
            self.marks.reach(Mark::RepliedWhole);
        }
        let interrupted =
            [Errno::EINTR, Errno::ERESTARTSYS, Errno::ERESTARTNOHAND, Errno::ERESTART_RESTARTBLOCK];
        if result.is_err_and(|errno| interrupted.contains(&errno)) {
            self.marks.reach(Mark::InterruptedCall);
        }
        if self.held.is_some() {
            self.marks.reach(Mark::ReplyHeld);
        }
    }

    /// Rule 4: attention goes to a thread that has no transaction open, once.
    pub(crate) fn attention(&mut self, thread: Tid) {
        if self.is_dead() {
            return;
        }
        let state = self.threads.get_or_default(thread);
        if state.open.is_some() || state.attention {
            return;
        }
        state.attention = true;
        if self.held.is_some() {
            self.marks.reach(Mark::SignalHeld);
        } else {
            self.send_attention(thread);
        }
    }

    fn send_attention(&mut self, thread: Tid) {
        self.marks.reach(Mark::Attention);
        let seq = CallSeq(0);
        self.send(self.place, Envelope { thread, seq, message: DeputyMessage::Attention });
    }

    /// After a verdict: the body that lives may not have heard of an attention, or the one that
    /// had heard of it is no more.
    pub(crate) fn repeat_attentions(&mut self) {
        if self.config.mutant == Mutant::DropAttention {
            return;
        }
        let waiting = |(thread, state): (&Tid, &Thread)| {
            (state.attention && state.open.is_none()).then_some(*thread)
        };
        let threads: Vec<_> = self.threads.iter().filter_map(waiting).collect();
        for thread in threads {
            self.marks.reach(Mark::AttentionRepeated);
            self.send_attention(thread);
        }
    }

    /// A test's mistake: calls open at a commit are executed again.
    pub(crate) fn retry_calls(&mut self) {
        let again = |(thread, state): (&Tid, &Thread)| {
            let open = state.open.as_ref()?;
            Some((*thread, open.seq, open.request.clone()?))
        };
        let calls: Vec<_> = self.threads.iter().filter_map(again).collect();
        for (thread, seq, request) in calls {
            self.event(Event::Execute { thread, seq, request });
        }
    }

    pub(crate) fn thread_gone(&mut self, thread: Tid) {
        self.threads.remove(&thread);
    }
}
