//! How a body reaches its home: in place, or through the sessions.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::task::Poll;

use wayfarer_body::{Gather, Memory as Wanted, Request as Asked, Supply};
use wayfarer_proto::id::CallSeq;
use wayfarer_proto::message::{Args, Call as WireCall};

use super::{InCall, Next, Running};
use crate::memory::AccessKind;
use crate::split::BodyDriver;
use crate::syscall::{Call, Caller, Reply, Request, UserMemory, serve};

impl Running {
    /// Makes a request of home and waits for the answer. `call` is the call in progress, which
    /// the thread's state remembers should it be moved meanwhile.
    pub async fn transact(&self, call: Option<Call>, request: Request) -> Reply {
        let mut gathered = None;
        if let Some(driver) = self.process.body_driver()
            && let Request::Call(call) = &request
        {
            if let Some(reply) = self.read_ahead(&driver, call).await {
                return reply;
            }
            gathered = Some(self.gather(call).await);
        }
        // The halves may have become one again while memory was read.
        match self.process.body_driver() {
            Some(driver) => {
                match gathered.as_mut().and_then(|call| self.write_ahead(&driver, call)) {
                    Some(reply) => reply,
                    None => self.ask(&driver, call, request, gathered).await,
                }
            }
            None => self.ask_here(call, request).await,
        }
    }

    /// Tells home that the thread, or the process, ends. There is no answer.
    pub async fn leave(&self, request: Request) -> Next {
        self.thread.in_call.set(None);
        match (self.process.body_driver(), request) {
            (Some(driver), Request::Exit { status, group }) => {
                let usage = self.body.usage();
                let asked = Asked::Exit { status: status.into(), group, usage };
                self.begin(&driver, asked).await;
            }
            _ => drop(self.ask_here(None, request).await),
        }
        self.body.remove_thread(self.thread.tid.get());
        Next::End
    }

    /// Home is in the same kernel and no move goes on: its handler is called.
    async fn ask_here(&self, call: Option<Call>, request: Request) -> Reply {
        let seq = self.body.next_seq();
        self.await_from(call, seq);
        match self.caller(seq) {
            Some(caller) => match serve::begin(caller, seq, request) {
                Poll::Ready(reply) => reply,
                Poll::Pending => self.await_reply(seq).await,
            },
            // Home has forgotten the thread: its process is ending. The reaper ends this task.
            None => core::future::pending().await,
        }
    }

    /// The request goes through the sessions, with what its handler will read (decision D5).
    async fn ask(
        &self,
        driver: &Rc<BodyDriver>,
        call: Option<Call>,
        request: Request,
        gathered: Option<WireCall>,
    ) -> Reply {
        let asked = match (request, gathered) {
            (_, Some(gathered)) => Asked::Call(gathered),
            (Request::Call(call), None) => Asked::Call(self.gather(&call).await),
            (Request::Null, None) => Asked::Null,
            (Request::Fault(info), None) => Asked::Fault(info),
            (Request::SignalReturn(mask), None) => Asked::SigReturn { mask: mask.0 },
            (Request::Exit { .. }, None) => core::future::pending().await,
        };
        self.thread.attention.set(false);
        let seq = self.begin(driver, asked).await;
        self.await_from(call, seq);
        self.await_reply(seq).await
    }

    /// Begins a transaction. A body that may begin none is frozen: the thread stays where it is,
    /// at its trap, and asks again when it runs again, here or elsewhere.
    async fn begin(&self, driver: &Rc<BodyDriver>, asked: Asked) -> CallSeq {
        match driver.request(self.thread.tid.get(), asked) {
            Some(seq) => {
                self.body.set_last_seq(seq);
                seq
            }
            None => {
                let _stoppable = self.thread.stoppable();
                core::future::pending().await
            }
        }
    }

    /// Notes what the thread waits for.
    pub(super) fn await_from(&self, call: Option<Call>, seq: CallSeq) {
        self.thread.in_call.set(Some(InCall { call, awaits: Some(seq), deadline: None }));
    }

    /// Waits for the answer to a request that was made, and writes the memory that came with it.
    pub async fn await_reply(&self, seq: CallSeq) -> Reply {
        let delivered = self.thread.delivered(seq).await;
        for out in &delivered.outs {
            // It was writable when the call was made; a thread that unmapped it since lost it.
            let _ = self.local_memory().write(out.addr, &out.bytes).await;
        }
        delivered.reply
    }

    /// Reads what the table says the handler will read, and finds where it will write.
    async fn gather(&self, call: &Call) -> WireCall {
        let row = call.sysno.row();
        let args = Args::new(&call.args[..row.args.len()]);
        let mut gather = Gather::new(row, args);
        while let Some(wanted) = gather.wanted() {
            let memory = self.local_memory();
            match wanted.memory {
                Wanted::Write => {
                    let kind = AccessKind::Write;
                    let length = memory.prepare(wanted.addr, wanted.len, kind).await;
                    gather.supply(Supply::Writable(length.unwrap_or(0)));
                }
                Wanted::Text => {
                    let mut text = Vec::new();
                    if memory.read_text(wanted.addr, &mut text, wanted.len).await.is_ok() {
                        text.push(0);
                    }
                    gather.supply(Supply::Read(text));
                }
                Wanted::Read => {
                    let mut bytes = Vec::with_capacity(wanted.len);
                    // What can be read goes, and that there is no more of it.
                    let _ = memory.append(wanted.addr, wanted.len, &mut bytes).await;
                    gather.supply(Supply::Read(bytes));
                }
            }
        }
        gather.into_call()
    }

    /// The context of a home handler for this thread, while home is here.
    pub(super) fn caller(&self, seq: CallSeq) -> Option<Caller> {
        let home = self.process.home()?;
        let tid = self.thread.tid.get();
        let thread = home.thread(tid)?;
        let memory = UserMemory::new(&self.kernel, &self.process, tid, seq);
        Some(Caller { kernel: Rc::clone(&self.kernel), home, thread, memory })
    }
}
