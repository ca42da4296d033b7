//! Memory requests: a handler at home asks, a body answers.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_body::{Input, MemoryOp};
use wayfarer_deputy::{MemoryStart, Session as DeputySession};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, ProcessKey, Tid, UserAddr};
use wayfarer_proto::limits;
use wayfarer_proto::message::{ExecImage, MemoryReply, MemoryRequest, StringEnd};

use super::body::BodyDriver;
use super::deputy::DeputyDriver;
use crate::executor::{Priority, Slot};
use crate::memory::AccessKind;
use crate::process::{CloneArgs, Home, Kind, Memory, ProcessCell, Running};
use crate::syscall::{Call, MemoryError};

/// What a body says that came home before it heard of the child it shall make: there, a child is
/// made whole.
pub const AT_HOME: Errno = Errno::EXDEV;

/// The memory of a body that is away, for one call.
pub struct RemoteMemory {
    /// The session to ask through.
    pub deputy: Rc<DeputyDriver>,
    /// Whose call.
    pub thread: Tid,
    /// Which.
    pub seq: CallSeq,
}

impl RemoteMemory {
    /// Asks, or finds the answer in what came with the call.
    async fn ask(&self, request: MemoryRequest) -> Result<MemoryReply, MemoryError> {
        let start = self.deputy.session.borrow_mut().memory(self.thread, self.seq, request);
        let op = match start {
            MemoryStart::Ready(reply) => return Ok(reply),
            MemoryStart::Lost => return Err(MemoryError::BodyLost),
            MemoryStart::Asked(op) => op,
        };
        let (promise, slot) = Slot::new();
        self.deputy.operations.borrow_mut().insert(op, promise);
        self.deputy.round_trips.set(self.deputy.round_trips.get() + 1);
        self.deputy.drain();
        match slot.take().await {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(_)) | None => Err(MemoryError::BodyLost),
        }
    }

    async fn ask_done(&self, request: MemoryRequest) -> Result<(), Errno> {
        match self.ask(request).await? {
            MemoryReply::Done => Ok(()),
            MemoryReply::Failed { errno } => Err(errno),
            _ => Err(Errno::EIO),
        }
    }

    /// As [`UserMemory::copy_in`](crate::syscall::UserMemory::copy_in).
    pub async fn read(&self, address: UserAddr, buffer: &mut [u8]) -> Result<(), MemoryError> {
        let mut copied = 0;
        for piece in buffer.chunks_mut(limits::WINDOW) {
            let addr = address.offset(copied as u64);
            let request = MemoryRequest::CopyIn { addr, len: piece.len() as u32 };
            let MemoryReply::Bytes { bytes } = self.ask(request).await? else {
                return Err(MemoryError::Fault { copied });
            };
            let length = bytes.len().min(piece.len());
            piece[..length].copy_from_slice(&bytes[..length]);
            copied += length;
            if length < piece.len() {
                return Err(MemoryError::Fault { copied });
            }
        }
        Ok(())
    }

    /// As [`UserMemory::copy_out`](crate::syscall::UserMemory::copy_out).
    pub async fn write(&self, address: UserAddr, data: &[u8]) -> Result<(), MemoryError> {
        let mut copied = 0;
        for piece in data.chunks(limits::WINDOW) {
            let addr = address.offset(copied as u64);
            let request = MemoryRequest::CopyOut { addr, bytes: piece.to_vec() };
            let done = self.count(request).await?;
            copied += done;
            if done < piece.len() {
                return Err(MemoryError::Fault { copied });
            }
        }
        Ok(())
    }

    /// As [`UserMemory::copy_in_str`](crate::syscall::UserMemory::copy_in_str).
    pub async fn read_str(&self, address: UserAddr, max: usize) -> Result<Vec<u8>, MemoryError> {
        let mut text = Vec::new();
        loop {
            let left = (max - text.len()).min(limits::WINDOW);
            let addr = address.offset(text.len() as u64);
            let request = MemoryRequest::CopyInStr { addr, max: left as u32 };
            let MemoryReply::Text { mut bytes, end } = self.ask(request).await? else {
                return Err(MemoryError::Fault { copied: text.len() });
            };
            text.append(&mut bytes);
            match end {
                StringEnd::Nul => return Ok(text),
                StringEnd::Fault => return Err(MemoryError::Fault { copied: text.len() }),
                StringEnd::Max if text.len() >= max => return Err(MemoryError::TooLong),
                StringEnd::Max => {}
            }
        }
    }

    /// As [`UserMemory::prepare_out`](crate::syscall::UserMemory::prepare_out) and its like.
    pub async fn prepare(
        &self,
        addr: UserAddr,
        length: usize,
        kind: AccessKind,
    ) -> Result<usize, MemoryError> {
        let len = u32::try_from(length).unwrap_or(u32::MAX);
        let done = self
            .count(match kind {
                AccessKind::Write => MemoryRequest::ProbeOut { addr, len },
                AccessKind::Read | AccessKind::Execute => MemoryRequest::ProbeIn { addr, len },
            })
            .await?;
        if done == 0 && length > 0 { Err(MemoryError::Fault { copied: 0 }) } else { Ok(done) }
    }

    async fn count(&self, request: MemoryRequest) -> Result<usize, MemoryError> {
        match self.ask(request).await? {
            MemoryReply::Count { bytes } => Ok(bytes as usize),
            _ => Ok(0),
        }
    }

    /// As [`UserMemory::make_child`](crate::syscall::UserMemory::make_child): the child's deputy is
    /// made first, then its body, which calls home (rule 6).
    ///
    /// # Errors
    /// What the body's node says; [`AT_HOME`] if the body has come home meanwhile, and then
    /// nothing is left of the child's deputy.
    pub async fn make_child(&self, child: &Rc<Home>, kind: Kind) -> Result<(), Errno> {
        let kernel = &self.deputy.kernel;
        let key = ProcessKey { home: kernel.node, pid: child.pid };
        let session = DeputySession::child(kernel.session_config(), kernel.now(), key);
        let deputy = DeputyDriver::new(kernel, child, session);
        deputy.set_place(self.deputy.place());
        let cell = ProcessCell::deputy(key, Rc::clone(child), Rc::clone(&deputy));
        kernel.processes.insert(cell);
        let token = kernel.random.borrow_mut().next_u64();
        kernel.expect_child(token, &deputy);
        let leader = child.pid.leader();
        if let Some(thread) = child.thread(leader) {
            thread.open(CallSeq(1));
        }
        deputy.drain();
        let vfork = kind == Kind::Vfork;
        let made = self.ask_done(MemoryRequest::MakeChild { child: key, token, vfork }).await;
        if let Some(thread) = child.thread(leader) {
            thread.close();
        }
        if made.is_err() {
            kernel.forget_child(token);
        }
        if made == Err(AT_HOME) {
            kernel.processes.remove(key);
            deputy.retire();
        }
        made?;
        deputy.finish(
            leader,
            CallSeq(1),
            crate::syscall::Reply { result: Ok(0), actions: Vec::new() },
        );
        Ok(())
    }

    /// As [`UserMemory::end_other_threads`](crate::syscall::UserMemory::end_other_threads).
    ///
    /// # Errors
    /// What the body's node says.
    pub async fn end_other_threads(&self) -> Result<(), Errno> {
        self.ask_done(MemoryRequest::KillOthers).await?;
        let threads: Vec<Tid> = self.deputy.home.threads.borrow().keys().copied().collect();
        for thread in threads.into_iter().filter(|tid| *tid != self.thread) {
            self.deputy.input(wayfarer_deputy::Input::ThreadGone { thread });
        }
        Ok(())
    }

    /// As [`UserMemory::exec`](crate::syscall::UserMemory::exec).
    ///
    /// # Errors
    /// What the body's node says.
    pub async fn exec(&self, image: &ExecImage) -> Result<(), Errno> {
        self.ask_done(MemoryRequest::Exec { image: image.clone() }).await
    }
}

impl BodyDriver {
    /// Serves a memory request in a task of its own: it may have to page in.
    pub(super) fn memory_request(
        self: &Rc<Self>,
        op: MemoryOp,
        thread: Tid,
        request: MemoryRequest,
    ) {
        let driver = Rc::clone(self);
        self.kernel.spawner.spawn(Priority::Service, async move {
            let reply = match driver.running(thread) {
                Some(running) => driver.serve(&running, request).await,
                None => MemoryReply::Failed { errno: Errno::ESRCH },
            };
            driver.input(Input::MemoryDone { op, reply });
            driver.served.wake_all();
        });
    }

    async fn serve(self: &Rc<Self>, running: &Running, request: MemoryRequest) -> MemoryReply {
        let memory = running.local_memory();
        match request {
            MemoryRequest::CopyIn { addr, len } => {
                let mut bytes = alloc::vec![0; (len as usize).min(limits::WINDOW)];
                let copied = copied(memory.read(addr, &mut bytes).await, bytes.len());
                bytes.truncate(copied);
                MemoryReply::Bytes { bytes }
            }
            MemoryRequest::CopyInStr { addr, max } => read_text(running, addr, max as usize).await,
            MemoryRequest::CopyOut { addr, bytes } => {
                let copied = copied(memory.write(addr, &bytes).await, bytes.len());
                MemoryReply::Count { bytes: copied as u32 }
            }
            MemoryRequest::ProbeIn { addr, len } => {
                let done = memory.prepare(addr, len as usize, AccessKind::Read).await;
                MemoryReply::Count { bytes: done.unwrap_or(0) as u32 }
            }
            MemoryRequest::ProbeOut { addr, len } => {
                let done = memory.prepare(addr, len as usize, AccessKind::Write).await;
                MemoryReply::Count { bytes: done.unwrap_or(0) as u32 }
            }
            MemoryRequest::MakeChild { child, token, vfork } => {
                let kind = if vfork { Kind::Vfork } else { Kind::Fork };
                done(self.make_child(running, child, token, kind).await)
            }
            MemoryRequest::KillOthers => {
                self.end_others(running);
                MemoryReply::Done
            }
            MemoryRequest::Exec { image } => {
                let source = self.kernel.memory();
                drop(memory);
                match running.body.become_program(source, &running.thread, &image) {
                    Ok(old) => {
                        // Whoever has the old memory too finds the pages again.
                        let changes = old.space.borrow_mut().detach_all();
                        self.give_back(changes).await;
                        Memory::dissolve(old).await;
                        MemoryReply::Done
                    }
                    Err(errno) => MemoryReply::Failed { errno },
                }
            }
        }
    }

    /// Makes the body of a child here; it calls home on a channel of its own.
    async fn make_child(
        self: &Rc<Self>,
        parent: &Running,
        child: ProcessKey,
        token: u64,
        kind: Kind,
    ) -> Result<(), Errno> {
        if child.home == self.kernel.node {
            return Err(AT_HOME);
        }
        let call = parent.thread.in_call.get().and_then(|state| state.call).ok_or(Errno::EINVAL)?;
        let args = CloneArgs::of(&call);
        let body = parent.make_body(&args, child.pid, kind).await?;
        body.set_last_seq(CallSeq(1));
        let session = wayfarer_body::Session::child(self.kernel.session_config(), child, token);
        let driver = BodyDriver::new(&self.kernel, session, Some(Rc::clone(&body)));
        let process = ProcessCell::guest(Rc::clone(&body), Rc::clone(&driver));
        driver.set_process(&process);
        self.kernel.processes.insert(Rc::clone(&process));
        let tid = child.pid.leader();
        let thread = body.thread(tid).ok_or(Errno::ESRCH)?;
        thread.await_first_reply(CallSeq(1));
        let started = Running { kernel: Rc::clone(&self.kernel), process, body, thread };
        started.store_ids(parent, &args, tid).await;
        started.start();
        driver.drain();
        Ok(())
    }

    fn end_others(self: &Rc<Self>, running: &Running) {
        for thread in running.body.end_others(running.thread.tid.get()) {
            self.input(Input::ThreadGone { thread });
        }
    }
}

fn copied(result: Result<(), MemoryError>, length: usize) -> usize {
    match result {
        Ok(()) => length,
        Err(MemoryError::Fault { copied }) => copied,
        Err(MemoryError::TooLong | MemoryError::BodyLost) => 0,
    }
}

fn done(result: Result<(), Errno>) -> MemoryReply {
    match result {
        Ok(()) => MemoryReply::Done,
        Err(errno) => MemoryReply::Failed { errno },
    }
}

async fn read_text(running: &Running, addr: UserAddr, max: usize) -> MemoryReply {
    let memory = running.local_memory();
    let mut bytes = Vec::new();
    let end = match memory.read_text(addr, &mut bytes, max).await {
        Ok(()) => StringEnd::Nul,
        Err(MemoryError::TooLong) => StringEnd::Max,
        Err(_) => StringEnd::Fault,
    };
    MemoryReply::Text { bytes, end }
}

/// The call a body's `Call` message is made from.
pub(super) fn wire_args(call: &Call) -> wayfarer_proto::message::Args {
    wayfarer_proto::message::Args::new(&call.args[..call.sysno.row().args.len()])
}
