//! Memory requests: a handler at home asks, a body answers.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_body::{Input, MemoryOp};
use wayfarer_deputy::{BodyLost, MemoryStart, Session as DeputySession};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, ProcessKey, Tid, UserAddr};
use wayfarer_proto::limits;
use wayfarer_proto::message::{ExecImage, MemoryReply, MemoryRequest, StringEnd};

use super::body::BodyDriver;
use super::deputy::DeputyDriver;
use crate::executor::{Priority, Slot};
use crate::memory::AccessKind;
use crate::process::{CloneArgs, Home, Kind, LocalMemory, Memory, ProcessCell, Running};
use crate::syscall::{Call, MemoryError};

/// What a body says that came home before it heard of the child it shall make: there, a child is
/// made whole.
pub const AT_HOME: Errno = Errno::EXDEV;

/// The memory of a body that is away, for one call of it or of another process.
pub struct RemoteMemory {
    /// The session to ask through.
    pub deputy: Rc<DeputyDriver>,
    /// Whose call, and which; none if the body has not called.
    pub call: Option<(Tid, CallSeq)>,
}

/// A request that was begun.
enum Begun {
    /// What came with the call had the answer.
    Answered(MemoryReply),
    /// It is on the way.
    Asked(Slot<Result<MemoryReply, BodyLost>>),
    /// No call asks: such questions go one at a time, each when its answer is wanted.
    Question(MemoryRequest),
}

impl RemoteMemory {
    /// Asks, or finds the answer in what came with the call.
    async fn ask(&self, request: MemoryRequest) -> Result<MemoryReply, MemoryError> {
        self.answer(self.begin(request)?).await
    }

    /// Asks without waiting: several requests may be on the way.
    fn begin(&self, request: MemoryRequest) -> Result<Begun, MemoryError> {
        let Some((thread, seq)) = self.call else { return Ok(Begun::Question(request)) };
        let start = self.deputy.session.borrow_mut().memory(thread, seq, request);
        let op = match start {
            MemoryStart::Ready(reply) => return Ok(Begun::Answered(reply)),
            MemoryStart::Lost => return Err(MemoryError::BodyLost),
            MemoryStart::Asked(op) => op,
        };
        let (promise, slot) = Slot::new();
        self.deputy.operations.borrow_mut().insert(op, promise);
        self.deputy.round_trips.set(self.deputy.round_trips.get() + 1);
        self.deputy.drain();
        Ok(Begun::Asked(slot))
    }

    async fn answer(&self, begun: Begun) -> Result<MemoryReply, MemoryError> {
        let reply = match begun {
            Begun::Answered(reply) => Some(reply),
            Begun::Asked(slot) => slot.take().await.and_then(Result::ok),
            Begun::Question(request) => self.deputy.query_memory(request).await,
        };
        reply.ok_or(MemoryError::BodyLost)
    }

    /// The most bytes of one request.
    const fn window(&self) -> usize {
        if self.call.is_some() { limits::WINDOW } else { limits::QUERIED }
    }

    /// The windows of `length` bytes at `address`.
    fn windows(
        &self,
        (address, length): (UserAddr, usize),
    ) -> impl Iterator<Item = (UserAddr, usize)> {
        let window = self.window();
        (0..length)
            .step_by(window)
            .map(move |offset| (address.offset(offset as u64), (length - offset).min(window)))
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
        let early = self.read_early(address, buffer);
        let (at, rest) = (address.offset(early as u64), &mut buffer[early..]);
        let mut data = Vec::new();
        let asked = self.append_rest(at, rest.len(), &mut data).await;
        rest[..data.len()].copy_from_slice(&data);
        asked.map_err(|error| error.after(early))
    }

    /// As [`UserMemory::append_in`](crate::syscall::UserMemory::append_in).
    pub async fn append(
        &self,
        address: UserAddr,
        length: usize,
        data: &mut Vec<u8>,
    ) -> Result<(), MemoryError> {
        let mut early = match self.call {
            Some((thread, seq)) => {
                self.deputy.session.borrow_mut().take_early(thread, seq, address, length)
            }
            None => Vec::new(),
        };
        let (at, rest) = (address.offset(early.len() as u64), length - early.len());
        let copied = early.len();
        if data.is_empty() && rest == 0 {
            *data = early;
        } else {
            data.append(&mut early);
        }
        self.append_rest(at, rest, data).await.map_err(|error| error.after(copied))
    }

    /// Appends what did not come early.
    async fn append_rest(
        &self,
        address: UserAddr,
        length: usize,
        data: &mut Vec<u8>,
    ) -> Result<(), MemoryError> {
        let ask = |addr, length| MemoryRequest::CopyIn { addr, len: length as u32 };
        let append = |reply, wanted| {
            let MemoryReply::Bytes { mut bytes } = reply else { return 0 };
            bytes.truncate(wanted);
            let length = bytes.len();
            data.append(&mut bytes);
            length
        };
        self.transfer((address, length), ask, append).await
    }

    /// Makes a request of each window of `span`, all on the way at once, and gives each answer to
    /// `take`, with the length of its window, which says how many bytes were copied: up to the
    /// first that is short. Unless the body is lost, no request is on the way when this returns.
    async fn transfer(
        &self,
        span: (UserAddr, usize),
        mut request: impl FnMut(UserAddr, usize) -> MemoryRequest,
        mut take: impl FnMut(MemoryReply, usize) -> usize,
    ) -> Result<(), MemoryError> {
        let begin = |(addr, length)| Ok((length, self.begin(request(addr, length))?));
        let begun: Vec<(usize, Begun)> = self.windows(span).map(begin).collect::<Result<_, _>>()?;
        let mut copied = 0;
        let mut outcome = Ok(());
        for (wanted, begun) in begun {
            let reply = self.answer(begun).await?;
            if outcome.is_ok() {
                let done = take(reply, wanted);
                copied += done;
                if done < wanted {
                    outcome = Err(MemoryError::Fault { copied });
                }
            }
        }
        outcome
    }

    /// Copies the first bytes, as many as came with the call: how many those are.
    fn read_early(&self, address: UserAddr, buffer: &mut [u8]) -> usize {
        let Some((thread, seq)) = self.call else { return 0 };
        let session = self.deputy.session.borrow();
        let bytes = session.early(thread, seq, address, buffer.len());
        buffer[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    /// The `length` bytes at `address`, if just they came with the call.
    pub fn take_all_early(&self, address: UserAddr, length: usize) -> Option<Vec<u8>> {
        let (thread, seq) = self.call?;
        self.deputy.session.borrow_mut().take_all_early(thread, seq, address, length)
    }

    /// Takes back what was [taken](Self::take_all_early).
    pub fn put_back(&self, address: UserAddr, bytes: Vec<u8>) {
        if let Some((thread, seq)) = self.call {
            self.deputy.session.borrow_mut().put_back(thread, seq, address, bytes);
        }
    }

    /// Whether `length` bytes for `address` can go with the reply.
    pub fn replies_with(&self, address: UserAddr, length: usize) -> bool {
        self.call.is_some_and(|(thread, seq)| {
            self.deputy.session.borrow_mut().replies_with(thread, seq, address, length)
        })
    }

    /// Has the reply bring `bytes`; whether it will.
    pub fn reply_with(&self, address: UserAddr, bytes: Vec<u8>) -> bool {
        let length = bytes.len();
        match self.begin(MemoryRequest::CopyOut { addr: address, bytes }) {
            Ok(Begun::Answered(reply)) => counted(reply, length) == length,
            _ => false,
        }
    }

    /// As [`UserMemory::move_out`](crate::syscall::UserMemory::move_out).
    pub async fn give(&self, address: UserAddr, bytes: Vec<u8>) -> Result<(), MemoryError> {
        let length = bytes.len();
        if length > self.window() {
            return self.write(address, &bytes).await;
        }
        let mut whole = Some(bytes);
        let send =
            |addr, _| MemoryRequest::CopyOut { addr, bytes: whole.take().unwrap_or_default() };
        self.transfer((address, length), send, counted).await
    }

    /// As [`UserMemory::copy_out`](crate::syscall::UserMemory::copy_out).
    pub async fn write(&self, address: UserAddr, data: &[u8]) -> Result<(), MemoryError> {
        let mut pieces = data.chunks(self.window());
        let send = |addr, _| {
            let piece = pieces.next().unwrap_or_default();
            MemoryRequest::CopyOut { addr, bytes: piece.to_vec() }
        };
        self.transfer((address, data.len()), send, counted).await
    }

    /// As [`UserMemory::copy_in_str`](crate::syscall::UserMemory::copy_in_str).
    pub async fn read_str(&self, address: UserAddr, max: usize) -> Result<Vec<u8>, MemoryError> {
        let mut text = Vec::new();
        loop {
            let left = (max - text.len()).min(self.window());
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
        let request = match kind {
            AccessKind::Write => MemoryRequest::ProbeOut { addr, len },
            AccessKind::Read | AccessKind::Execute => MemoryRequest::ProbeIn { addr, len },
        };
        let done = counted(self.ask(request).await?, length);
        if done == 0 && length > 0 { Err(MemoryError::Fault { copied: 0 }) } else { Ok(done) }
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
        // It may have been killed meanwhile: whoever buries it waits for this.
        child.exit_changed.wake_all();
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
        let caller = self.call.map(|(thread, _)| thread);
        for thread in threads.into_iter().filter(|tid| Some(*tid) != caller) {
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

/// How many bytes of `length` a reply says were done.
fn counted(reply: MemoryReply, length: usize) -> usize {
    if let MemoryReply::Count { bytes } = reply { length.min(bytes as usize) } else { 0 }
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
        match request {
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
            request => serve_copy(&running.local_memory(), request).await,
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

/// Serves what is asked of the memory alone, by a call of its process or of another.
pub(super) async fn serve_copy(memory: &LocalMemory, request: MemoryRequest) -> MemoryReply {
    match request {
        MemoryRequest::CopyIn { addr, len } => {
            let length = (len as usize).min(limits::WINDOW);
            let mut bytes = Vec::with_capacity(length);
            // Fewer bytes than asked for mean a fault after them.
            let _ = memory.append(addr, length, &mut bytes).await;
            MemoryReply::Bytes { bytes }
        }
        MemoryRequest::CopyInStr { addr, max } => read_text(memory, addr, max as usize).await,
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
        MemoryRequest::MakeChild { .. }
        | MemoryRequest::KillOthers
        | MemoryRequest::Exec { .. } => MemoryReply::Failed { errno: Errno::EINVAL },
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

async fn read_text(memory: &LocalMemory, addr: UserAddr, max: usize) -> MemoryReply {
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
