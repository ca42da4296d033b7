//! Memory requests: those of one call are done one after the other.

use alloc::collections::VecDeque;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, Tid};
use wayfarer_proto::limits;
use wayfarer_proto::message::{BodyMessage, Envelope, MemoryReply, MemoryRequest};
use wayfarer_proto::sorted::SortedMap;

use crate::io::{Event, MemoryOp};
use crate::session::{Life, Session};

/// A request that waits or is being done.
#[derive(Debug)]
struct Waiting {
    id: u32,
    seq: CallSeq,
    request: Option<MemoryRequest>,
}

/// The requests of each thread's call; the first of each is being done.
#[derive(Debug, Default)]
pub(crate) struct MemoryQueue {
    queues: SortedMap<Tid, VecDeque<Waiting>>,
}

impl MemoryQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}

impl Session {
    pub(crate) fn on_memory(&mut self, thread: Tid, seq: CallSeq, id: u32, request: MemoryRequest) {
        if !matches!(self.life, Life::Running) {
            return self.violation();
        }
        if self.open_call(thread) != Some(seq) {
            // The thread is dead: the handler at home shall end.
            let reply = MemoryReply::Failed { errno: Errno::ESRCH };
            return self.answer_memory(thread, seq, id, reply);
        }
        let queue = self.memory.queues.get_or_default(thread);
        if queue.len() >= limits::LIST {
            return self.violation();
        }
        queue.push_back(Waiting { id, seq, request: Some(request) });
        if queue.len() == 1 {
            self.start_memory(thread);
        }
    }

    /// Hands the first request of a thread to the kernel.
    fn start_memory(&mut self, thread: Tid) {
        let Some(first) = self.memory.queues.get_mut(&thread).and_then(VecDeque::front_mut) else {
            return;
        };
        let op = MemoryOp(first.id);
        if let Some(request) = first.request.take() {
            self.event(Event::Memory { op, thread, request });
        }
    }

    pub(crate) fn memory_done(&mut self, op: MemoryOp, reply: MemoryReply) {
        let being_done = |queue: &VecDeque<Waiting>| queue.front().is_some_and(|w| w.id == op.0);
        let Some(thread) = self.memory.queues.iter().find(|(_, q)| being_done(q)).map(|(t, _)| *t)
        else {
            // Its thread was killed meanwhile; the answer was given then.
            return;
        };
        let Some(queue) = self.memory.queues.get_mut(&thread) else { return };
        let Some(done) = queue.pop_front() else { return };
        if queue.is_empty() {
            self.memory.queues.remove(&thread);
        }
        self.answer_memory(thread, done.seq, done.id, reply);
        self.start_memory(thread);
        self.frozen_if_quiet();
    }

    /// Answers for a thread that is dead.
    pub(crate) fn drop_memory_of(&mut self, thread: Tid) {
        for waiting in self.memory.queues.remove(&thread).into_iter().flatten() {
            let reply = MemoryReply::Failed { errno: Errno::ESRCH };
            self.answer_memory(thread, waiting.seq, waiting.id, reply);
        }
        self.frozen_if_quiet();
    }

    fn answer_memory(&mut self, thread: Tid, seq: CallSeq, id: u32, reply: MemoryReply) {
        self.send(Envelope { thread, seq, message: BodyMessage::Memory { id, reply } });
    }
}
