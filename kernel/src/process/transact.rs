//! How a body reaches its home: in place, or over its channel.

use alloc::rc::Rc;

use wayfarer_proto::id::CallSeq;

use super::{InCall, Running};
use crate::syscall::{Call, Caller, Reply, Request, UserMemory, serve};

impl Running {
    /// Makes a request of home and waits for the answer. `call` is the call in progress, which
    /// the thread's state remembers should it be moved meanwhile.
    pub async fn transact(&self, call: Option<Call>, request: Request) -> Reply {
        let seq = self.thread.next_seq();
        self.thread.in_call.set(Some(InCall { call, awaits: Some(seq), deadline: None }));
        match self.caller(seq) {
            Some(caller) => match serve::begin(caller, seq, request) {
                Some(reply) => reply,
                None => self.await_reply(seq).await,
            },
            // Home has forgotten the thread: its process is ending. The reaper ends this task.
            None => core::future::pending().await,
        }
    }

    /// Waits for the answer to a request that was made.
    pub async fn await_reply(&self, seq: CallSeq) -> Reply {
        let Some(thread) = self.process.home().and_then(|home| home.thread(self.thread.tid)) else {
            return core::future::pending().await;
        };
        thread.answered.wait_until(|| thread.take_answer(seq)).await
    }

    /// The context of a home handler for this thread, while home is here.
    fn caller(&self, seq: CallSeq) -> Option<Caller> {
        let home = self.process.home()?;
        let thread = home.thread(self.thread.tid)?;
        let memory = UserMemory::new(&self.kernel, &self.process, self.thread.tid, seq);
        Some(Caller { kernel: Rc::clone(&self.kernel), home, thread, memory })
    }
}
