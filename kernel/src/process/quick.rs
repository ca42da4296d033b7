//! Calls that end where they are made, as most do at home: one after the other, without a task, and
//! with what home knows of the thread at hand.

use core::task::Poll;

use wayfarer_proto::id::CallSeq;
use wayfarer_proto::table::Class;

use super::Running;
use crate::executor::Subject;
use crate::syscall::serve::{AtOnce, try_at_once};
use crate::syscall::{Call, Caller, Reply, Request, home, local, serve};

/// Serves the calls of a thread for as long as nothing else runs.
pub(super) struct Quick<'a> {
    running: &'a Running,
    /// What home's handlers are given, once one has been called. It stays right: halves part and
    /// meet, and threads end, in other tasks. Its memory is told which call it serves only if that
    /// waits: as long as the memory is here, nobody asks.
    caller: Option<Caller>,
}

impl<'a> Quick<'a> {
    /// To serve the calls of `running`.
    pub(super) const fn new(running: &'a Running) -> Self {
        Self { running, caller: None }
    }

    /// Serves a call, or begins it if it has to wait. `None` says that it has not begun: it is not
    /// one that may end where it is made, or home is elsewhere.
    #[inline(always)]
    pub(super) fn serve(&mut self, call: &Call) -> Option<AtOnce> {
        let running = self.running;
        running.kernel.meter.subject(Subject::Call(call.sysno));
        let Some(handler) = home::at_once(call.sysno) else {
            let result = local::at_once(running, call)?;
            running.count_call(Class::Local);
            return Some(AtOnce::Done(result.into()));
        };
        if self.caller.is_none() {
            self.caller = self.new_caller();
        }
        let caller = self.caller.as_ref()?;
        let seq = running.body.next_seq();
        match try_at_once(caller, seq, call, handler) {
            None => Some(AtOnce::Answered(begin_call(running, caller, seq, call))),
            Some(AtOnce::Answered(Poll::Pending)) => {
                running.await_from(Some(*call), seq);
                Some(AtOnce::Answered(Poll::Pending))
            }
            end => end,
        }
    }

    #[cold]
    fn new_caller(&self) -> Option<Caller> {
        let running = self.running;
        let is_whole = running.process.is_whole();
        is_whole.then(|| running.caller(running.body.last_seq()))?
    }
}

/// Begins a call that may wait, as [`Running::transact`] does.
#[cold]
fn begin_call(running: &Running, caller: &Caller, seq: CallSeq, call: &Call) -> Poll<Reply> {
    let mut caller = caller.clone();
    caller.memory.serve(seq);
    running.await_from(Some(*call), seq);
    serve::begin(caller, seq, Request::Call(*call))
}
