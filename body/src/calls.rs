//! Transactions: begun by threads of the body, ended by the deputy's reply.

use wayfarer_proto::id::{CallSeq, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::message::{Envelope, Reply};
use wayfarer_proto::session::Mark;

use crate::io::{Event, Request};
use crate::session::{Life, Session};

/// What the session knows of a thread.
#[derive(Debug, Default)]
pub(crate) struct Thread {
    /// Its open transaction.
    pub(crate) open: Option<CallSeq>,
    /// An attention is to be answered at its next passage to user mode.
    pub(crate) attention: bool,
}

impl Session {
    /// Begins a transaction for a thread that has none. Whatever is asked, it answers a pending
    /// attention (rule 4).
    ///
    /// `None` when the body may begin nothing: the thread stays where it is, at its trap, and asks
    /// again when it runs again, here or elsewhere.
    pub fn request(&mut self, thread: Tid, request: Request) -> Option<CallSeq> {
        if !matches!(self.life, Life::Running | Life::Freezing(false)) {
            return None;
        }
        debug_assert!(self.open_call(thread).is_none(), "one transaction per thread");
        self.mark_request(&request);
        self.last = CallSeq(self.last.0.wrapping_add(1));
        let seq = self.last;
        if matches!(request, Request::Exit { .. }) {
            self.threads.remove(&thread);
        } else {
            self.threads.insert(thread, Thread { open: Some(seq), attention: false });
        }
        self.send(Envelope { thread, seq, message: request.into_message() });
        Some(seq)
    }

    fn mark_request(&mut self, request: &Request) {
        match request {
            Request::Call(_) => self.marks.reach(Mark::BeganCall),
            Request::Fault(_) => self.marks.reach(Mark::BeganFault),
            Request::Null => self.marks.reach(Mark::BeganNull),
            Request::SigReturn { .. } | Request::Exit { .. } => {}
        }
    }

    /// Tells the session of a call that was open before it existed (a whole process that begins to
    /// move, a fork's child).
    pub fn adopt(&mut self, thread: Tid, seq: CallSeq) {
        self.threads.insert(thread, Thread { open: Some(seq), attention: false });
        self.last = self.last.max(seq);
    }

    /// Goes on counting calls after `last`: those of a process that was whole had numbers, too.
    pub fn count_from(&mut self, last: CallSeq) {
        self.last = self.last.max(last);
    }

    /// The call whose reply a thread awaits.
    pub fn open_call(&self, thread: Tid) -> Option<CallSeq> {
        self.threads.get(&thread)?.open
    }

    /// Whether a thread shall send [`Request::Null`] before it enters user mode.
    pub fn attention_pending(&self, thread: Tid) -> bool {
        self.threads.get(&thread).is_some_and(|thread| thread.attention)
    }

    pub(crate) fn on_reply(&mut self, thread: Tid, seq: CallSeq, reply: Reply) {
        if !matches!(self.life, Life::Running) {
            return self.violation();
        }
        match self.threads.get_mut(&thread) {
            Some(state) if state.open == Some(seq) => {
                state.open = None;
                self.event(Event::Reply { thread, seq, reply });
            }
            // The thread was killed while the reply was on its way (decision D3).
            _ => self.marks.reach(Mark::DeadReply),
        }
    }

    pub(crate) fn on_attention(&mut self, thread: Tid) {
        if !matches!(self.life, Life::Running) || thread == Tid::CONTROL {
            return self.violation();
        }
        if self.threads.len() >= limits::THREADS && !self.threads.contains_key(&thread) {
            return;
        }
        let state = self.threads.get_or_default(thread);
        if state.open.is_some() {
            self.marks.reach(Mark::AttentionCrossedCall);
        } else {
            state.attention = true;
            self.event(Event::Attention { thread });
        }
    }

    pub(crate) fn thread_gone(&mut self, thread: Tid) {
        self.threads.remove(&thread);
        self.drop_memory_of(thread);
    }
}
