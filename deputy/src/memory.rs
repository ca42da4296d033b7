//! Memory requests: served from what came with the call, or asked of the body.

use alloc::vec::Vec;

use wayfarer_proto::id::{CallSeq, Tid, UserAddr};
use wayfarer_proto::limits;
use wayfarer_proto::message::{
    DeputyMessage, Envelope, Expected, MemoryReply, MemoryRequest, OutBytes,
};
use wayfarer_proto::session::Mark;
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::time::Instant;

use crate::io::{Event, MemoryOp, MemoryStart};
use crate::session::Session;
use crate::windows::Windows;

/// Requests that are not answered.
#[derive(Debug, Default)]
pub(crate) struct Ops {
    last: u32,
    open: SortedMap<u32, Op>,
}

#[derive(Debug)]
struct Op {
    thread: Tid,
    seq: CallSeq,
    expected: Expected,
    /// Not sent yet: a move is undecided.
    held: bool,
    /// Nobody waits for it: a kept write that had to go ahead of another request.
    silent: bool,
}

impl Ops {
    /// Whether the body still owes an answer.
    pub(crate) fn any_asked(&self) -> bool {
        self.open.values().any(|op| !op.held)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn released(&mut self) {
        for op in self.open.values_mut() {
            op.held = false;
        }
    }

    /// All that somebody waits for.
    pub(crate) fn take_all(&mut self) -> Vec<MemoryOp> {
        let waited = |(id, op): (u32, Op)| (!op.silent).then_some(MemoryOp(id));
        core::mem::take(&mut self.open).into_iter().filter_map(waited).collect()
    }
}

impl Session {
    /// Does something with the memory of the body, for an open call. The kernel splits what is
    /// larger than [`limits::WINDOW`]; it may ask for several pieces before the first is there.
    ///
    /// Fewer bytes than asked for mean a fault after them.
    pub fn memory(&mut self, thread: Tid, seq: CallSeq, request: MemoryRequest) -> MemoryStart {
        let state = self.threads.get_mut(&thread).and_then(|state| state.open.as_mut());
        let Some(open) = state.filter(|open| open.seq == seq) else { return MemoryStart::Lost };
        let request = match open.windows.serve(request) {
            Ok(reply) => {
                self.marks.reach(Mark::ServedEarly);
                return MemoryStart::Ready(reply);
            }
            Err(request) => request,
        };
        if let MemoryRequest::CopyOut { addr, bytes } = &request {
            debug_assert!(bytes.len() <= limits::WINDOW, "the kernel splits");
            open.windows.patch(*addr, bytes);
        }
        // The body must see the kept writes first, or what is asked now might meet older bytes.
        for OutBytes { addr, bytes } in open.windows.take_written() {
            self.ask(thread, seq, MemoryRequest::CopyOut { addr, bytes }, true);
        }
        MemoryStart::Asked(self.ask(thread, seq, request, false))
    }

    /// What came with an open call of the `len` bytes at `addr`, perhaps nothing. The kernel asks
    /// for what comes after it.
    pub fn early(&self, thread: Tid, seq: CallSeq, addr: UserAddr, len: usize) -> &[u8] {
        let state = self.threads.get(&thread).and_then(|state| state.open.as_ref());
        let open = state.filter(|open| open.seq == seq);
        open.map_or(&[], |open| open.windows.first(addr, len))
    }

    /// As [`early`](Self::early), for a handler that reads them once: a second time it has to ask.
    pub fn take_early(&mut self, thread: Tid, seq: CallSeq, addr: UserAddr, len: usize) -> Vec<u8> {
        let windows = self.windows(thread, seq);
        windows.map_or_else(Vec::new, |windows| windows.take_first(addr, len))
    }

    /// The `len` bytes at `addr`, if just they came with an open call; for a handler that either
    /// needs them once or [puts them back](Self::put_back).
    pub fn take_all_early(
        &mut self,
        thread: Tid,
        seq: CallSeq,
        addr: UserAddr,
        len: usize,
    ) -> Option<Vec<u8>> {
        self.windows(thread, seq)?.take_all(addr, len)
    }

    /// Takes back bytes of an open call that were [taken](Self::take_all_early).
    pub fn put_back(&mut self, thread: Tid, seq: CallSeq, addr: UserAddr, bytes: Vec<u8>) {
        if let Some(windows) = self.windows(thread, seq) {
            windows.put_back(addr, bytes);
        }
    }

    /// Whether the reply to an open call will write `len` bytes at `addr`, should the handler want
    /// it to: the body is not asked then.
    pub fn replies_with(&mut self, thread: Tid, seq: CallSeq, addr: UserAddr, len: usize) -> bool {
        self.windows(thread, seq).is_some_and(|windows| windows.keeps(addr, len))
    }

    /// The windows of an open call.
    fn windows(&mut self, thread: Tid, seq: CallSeq) -> Option<&mut Windows> {
        let open = self.threads.get_mut(&thread)?.open.as_mut()?;
        (open.seq == seq).then_some(&mut open.windows)
    }

    fn ask(&mut self, thread: Tid, seq: CallSeq, request: MemoryRequest, silent: bool) -> MemoryOp {
        self.mark_asked(&request);
        self.ops.last = self.ops.last.wrapping_add(1);
        let id = self.ops.last;
        let held = self.held.is_some();
        let op = Op { thread, seq, expected: request.expected(), held, silent };
        self.ops.open.insert(id, op);
        self.post(Envelope { thread, seq, message: DeputyMessage::Memory { id, request } });
        MemoryOp(id)
    }

    fn mark_asked(&mut self, request: &MemoryRequest) {
        match request {
            MemoryRequest::CopyIn { .. } => self.marks.reach(Mark::AskedCopyIn),
            MemoryRequest::CopyOut { .. } => self.marks.reach(Mark::AskedCopyOut),
            MemoryRequest::Exec { .. } => self.marks.reach(Mark::Exec),
            _ => {}
        }
        if self.held.is_some() {
            self.marks.reach(Mark::MemoryHeld);
        }
    }

    /// The body's answer.
    pub(crate) fn on_memory(
        &mut self,
        now: Instant,
        thread: Tid,
        seq: CallSeq,
        id: u32,
        reply: MemoryReply,
    ) {
        let owed =
            |op: &Op| op.thread == thread && op.seq == seq && !op.held && op.expected.fits(&reply);
        if !self.ops.open.get(&id).is_some_and(owed) {
            return self.violation(now, self.place);
        }
        if let Some(Op { silent: false, .. }) = self.ops.open.remove(&id) {
            self.event(Event::MemoryDone { op: MemoryOp(id), result: Ok(reply) });
        }
    }
}
