//! [`UserMemory`]: the thesis's copyin() and copyout(), and the only seam between the halves (D3).

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, Tid, UserAddr};
use wayfarer_proto::message::ExecImage;

use super::Call;
use crate::kernel::Kernel;
use crate::memory::AccessKind;
use crate::process::{CloneArgs, Home, Kind, LocalMemory, Memory, ProcessCell, Running};
use crate::split::memory::{AT_HOME, RemoteMemory};

/// Why user memory could not be copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryError {
    /// The memory cannot be accessed; so many bytes before it were copied.
    Fault {
        /// Bytes copied.
        copied: usize,
    },
    /// A string without its end within the limit.
    TooLong,
    /// The body is lost: its process is ending.
    BodyLost,
}

impl MemoryError {
    /// The same, of a copy that began `before` bytes earlier.
    pub const fn after(self, before: usize) -> Self {
        match self {
            Self::Fault { copied } => Self::Fault { copied: before + copied },
            other => other,
        }
    }
}

impl From<MemoryError> for Errno {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Fault { .. } | MemoryError::BodyLost => Self::EFAULT,
            MemoryError::TooLong => Self::ENAMETOOLONG,
        }
    }
}

/// The memory of one system call's caller, or of another process, wherever it is.
///
/// Each operation looks up where the body is now: here, it touches the address space; in transit,
/// it waits. A handler cannot tell. No operation is interrupted by signals.
///
/// What is done over the network is boxed: every handler would else have room for it, at each call.
#[derive(Clone)]
pub struct UserMemory {
    kernel: Rc<Kernel>,
    process: Rc<ProcessCell>,
    /// The thread and the call it serves; a memory request over a channel names them. None of a
    /// process that is not the caller.
    call: Option<(Tid, CallSeq)>,
}

impl UserMemory {
    /// The memory of `process`, for one call of one of its threads.
    pub fn new(kernel: &Rc<Kernel>, process: &Rc<ProcessCell>, thread: Tid, seq: CallSeq) -> Self {
        let call = Some((thread, seq));
        Self { kernel: Rc::clone(kernel), process: Rc::clone(process), call }
    }

    /// Serves this call of the same thread.
    pub fn serve(&mut self, seq: CallSeq) {
        self.call = self.call.map(|(thread, _)| (thread, seq));
    }

    /// The memory of a process that has not asked for it (process_vm_readv(2)).
    pub fn of_process(kernel: &Rc<Kernel>, process: &Rc<ProcessCell>) -> Self {
        Self { kernel: Rc::clone(kernel), process: Rc::clone(process), call: None }
    }

    /// The memory for a handler that does not wait, unless its body is between two places.
    pub fn at_once(&self) -> Option<AtOnce> {
        if self.process.is_in_transit() {
            return None;
        }
        if let Some(deputy) = self.process.away() {
            return Some(AtOnce::Away(RemoteMemory { deputy, call: self.call }));
        }
        self.process.body().map(|body| AtOnce::Here(body.memory()))
    }

    /// Copies from `address` into `buffer`.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] with the number of bytes copied.
    pub async fn copy_in(&self, address: UserAddr, buffer: &mut [u8]) -> Result<(), MemoryError> {
        match self.reach().await? {
            Reach::Here(memory) => memory.read(address, buffer).await,
            Reach::Away(memory) => Box::pin(memory.read(address, buffer)).await,
        }
    }

    /// Appends `length` bytes at `address` to `data`: for who reads them once, a second time may
    /// take longer.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] with the number of bytes appended.
    pub async fn append_in(
        &self,
        address: UserAddr,
        length: usize,
        data: &mut Vec<u8>,
    ) -> Result<(), MemoryError> {
        match self.reach().await? {
            Reach::Here(memory) => memory.append(address, length, data).await,
            Reach::Away(memory) => Box::pin(memory.append(address, length, data)).await,
        }
    }

    /// Copies `data` to `address`.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] with the number of bytes copied.
    pub async fn copy_out(&self, address: UserAddr, data: &[u8]) -> Result<(), MemoryError> {
        match self.reach().await? {
            Reach::Here(memory) => memory.write(address, data).await,
            Reach::Away(memory) => Box::pin(memory.write(address, data)).await,
        }
    }

    /// As [`copy_out`](Self::copy_out), of bytes that nobody else needs: on their way elsewhere
    /// they are not copied.
    ///
    /// # Errors
    /// As [`copy_out`](Self::copy_out).
    pub async fn move_out(&self, address: UserAddr, data: Vec<u8>) -> Result<(), MemoryError> {
        match self.reach().await? {
            Reach::Here(memory) => memory.write(address, &data).await,
            Reach::Away(memory) => Box::pin(memory.give(address, data)).await,
        }
    }

    /// Copies a string of at most `max` bytes, its NUL included, and gives it without the NUL.
    ///
    /// # Errors
    /// [`MemoryError::TooLong`] if there is no NUL within `max` bytes.
    pub async fn copy_in_str(&self, address: UserAddr, max: usize) -> Result<Vec<u8>, MemoryError> {
        match self.reach().await? {
            Reach::Here(memory) => memory.read_str(address, max).await,
            Reach::Away(memory) => Box::pin(memory.read_str(address, max)).await,
        }
    }

    /// How many of `length` bytes at `address` can be written: what a handler may consume before
    /// it copies it out.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] if not even the first byte can.
    pub async fn prepare_out(
        &self,
        address: UserAddr,
        length: usize,
    ) -> Result<usize, MemoryError> {
        self.prepare(address, length, AccessKind::Write).await
    }

    /// How many of `length` bytes at `address` can be read.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] if not even the first byte can.
    pub async fn prepare_in(&self, address: UserAddr, length: usize) -> Result<usize, MemoryError> {
        self.prepare(address, length, AccessKind::Read).await
    }

    async fn prepare(
        &self,
        address: UserAddr,
        length: usize,
        kind: AccessKind,
    ) -> Result<usize, MemoryError> {
        match self.reach().await? {
            Reach::Here(memory) => memory.prepare(address, length, kind).await,
            Reach::Away(memory) => Box::pin(memory.prepare(address, length, kind)).await,
        }
    }

    /// Makes the body of a child process from the caller's, and joins it with `child`.
    ///
    /// # Errors
    /// `ENOMEM` if there is no memory for it.
    pub async fn make_child(&self, child: &Rc<Home>, call: &Call, kind: Kind) -> Result<(), Errno> {
        while let Reach::Away(memory) = self.reach().await? {
            let made = Box::pin(memory.make_child(child, kind)).await;
            if made != Err(AT_HOME) || self.process.away().is_some() {
                return made;
            }
        }
        let running = self.running().ok_or(Errno::ESRCH)?;
        let args = CloneArgs::of(call);
        let body = running.make_body(&args, child.pid, kind).await?;
        let process = ProcessCell::whole(Rc::clone(&body), Rc::clone(child));
        self.kernel.processes.insert(Rc::clone(&process));
        let tid = child.pid.leader();
        let thread = body.thread(tid).ok_or(Errno::ESRCH)?;
        let started = Running { kernel: Rc::clone(&self.kernel), process, body, thread };
        started.store_ids(&running, &args, tid).await;
        started.start();
        Ok(())
    }

    /// Ends the body halves of the caller's other threads.
    ///
    /// # Errors
    /// `ESRCH` if the body is lost.
    pub async fn end_other_threads(&self) -> Result<(), Errno> {
        if let Reach::Away(memory) = self.reach().await? {
            return Box::pin(memory.end_other_threads()).await;
        }
        let running = self.running().ok_or(Errno::ESRCH)?;
        running.body.end_others(running.thread.tid.get());
        Ok(())
    }

    /// Puts a new, empty program in place of the caller's; what must stand in its memory from the
    /// beginning is copied out afterwards.
    ///
    /// # Errors
    /// `ENOMEM` if there is no memory for its page table.
    pub async fn exec(&self, image: &ExecImage) -> Result<(), Errno> {
        if let Reach::Away(memory) = self.reach().await? {
            return Box::pin(memory.exec(image)).await;
        }
        let running = self.running().ok_or(Errno::ESRCH)?;
        let old = running.body.become_program(self.kernel.memory(), &running.thread, image)?;
        Memory::dissolve(old).await;
        Ok(())
    }

    /// The calling thread, if its body is here.
    fn running(&self) -> Option<Running> {
        let body = self.process.body()?;
        let thread = body.thread(self.call?.0)?;
        let (kernel, process) = (Rc::clone(&self.kernel), Rc::clone(&self.process));
        Some(Running { kernel, process, body, thread })
    }

    /// The body's memory, once the body is somewhere.
    async fn reach(&self) -> Result<Reach, MemoryError> {
        let arrived = || (!self.process.is_in_transit()).then_some(());
        self.process.settled.wait_until(arrived).await;
        if let Some(deputy) = self.process.away() {
            return Ok(Reach::Away(RemoteMemory { deputy, call: self.call }));
        }
        self.process.local_memory().map(Reach::Here).ok_or(MemoryError::BodyLost)
    }
}

/// Where the body is now.
enum Reach {
    Here(LocalMemory),
    Away(RemoteMemory),
}

/// Memory as far as nobody has to wait for it: what is here and need not be paged in, or what came
/// with the call and goes with its reply.
pub enum AtOnce {
    /// The body is here.
    Here(Rc<Memory>),
    /// It is away.
    Away(RemoteMemory),
}

impl AtOnce {
    /// The `length` bytes at `address`, if all can be had. A call that is begun again as a future
    /// has them [put back](Self::put_back) first.
    pub fn take(&self, address: UserAddr, length: usize) -> Option<Vec<u8>> {
        match self {
            Self::Here(memory) => {
                let mut data = Vec::new();
                data.try_reserve_exact(length).ok()?;
                let mut space = memory.space.borrow_mut();
                space.append(address, length, &mut data).is_complete().then_some(data)
            }
            Self::Away(memory) => memory.take_all_early(address, length),
        }
    }

    /// Undoes [`take`](Self::take).
    pub fn put_back(&self, address: UserAddr, bytes: Vec<u8>) {
        match self {
            Self::Here(_) => {}
            Self::Away(memory) => memory.put_back(address, bytes),
        }
    }

    /// Whether [`give`](Self::give) can write `length` bytes at `address`.
    pub fn takes(&self, address: UserAddr, length: usize) -> bool {
        match self {
            Self::Here(memory) => {
                memory.space.borrow_mut().probe_writable(address, length).is_complete()
            }
            Self::Away(memory) => memory.replies_with(address, length),
        }
    }

    /// Writes `bytes` to `address`; whether all are written.
    pub fn give(&self, address: UserAddr, bytes: Vec<u8>) -> bool {
        match self {
            Self::Here(memory) => memory.space.borrow_mut().write(address, &bytes).is_complete(),
            Self::Away(memory) => memory.reply_with(address, bytes),
        }
    }
}
