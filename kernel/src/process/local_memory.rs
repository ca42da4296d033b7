//! The memory of a body that is here, with whoever provides the pages of its mapped files.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_machine::OutOfFrames;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, UserAddr};
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{SigDetail, SigInfo, Signal};
use wayfarer_proto::message::{FilePages, FileVersion};

use super::{BodyThread, Home, MappedFile, Memory, ProcessCell, Running};
use crate::executor::yield_now;
use crate::memory::{
    AccessKind, Blocked, FaultOutcome, FaultSignal, FileContent, FutexKey, Installed, PAGE,
    PageRequest, Progress, StringProgress,
};
use crate::split::BodyDriver;
use crate::syscall::MemoryError;

/// Who has the files that a body has mapped.
#[derive(Clone)]
enum Pager {
    /// Home is on this node.
    Home(Rc<Home>),
    /// Home is elsewhere: a page-in goes over the channel.
    Away(Rc<BodyDriver>),
}

/// Access to the memory of a body on this node. Copies page in what they need, and wait for it.
#[derive(Clone)]
pub struct LocalMemory {
    memory: Rc<Memory>,
    pager: Pager,
    /// The thread that waits for a page, if it is one of the body's own.
    thread: Option<Rc<BodyThread>>,
}

/// Why a fault could not be resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unresolved {
    /// The program gets this signal.
    Signal(SigInfo),
    /// There is no memory left: the process is ended, with a message, not the kernel.
    OutOfMemory,
}

impl ProcessCell {
    /// The memory of the body, if it is here.
    pub fn local_memory(&self) -> Option<LocalMemory> {
        let body = self.body()?;
        Some(LocalMemory { memory: body.memory(), pager: self.pager()?, thread: None })
    }

    fn pager(&self) -> Option<Pager> {
        match self.home() {
            Some(home) => Some(Pager::Home(home)),
            None => self.body_driver().map(Pager::Away),
        }
    }
}

impl Running {
    /// The memory of the running body. A vfork child has its parent's, a new program its own.
    pub fn local_memory(&self) -> LocalMemory {
        let pager = self.process.pager().expect("a body here has a home or a session here");
        let thread = Some(Rc::clone(&self.thread));
        LocalMemory { memory: self.body.memory(), pager, thread }
    }
}

impl LocalMemory {
    /// What names the futex at `word`, if there is memory.
    pub fn futex_key(&self, word: UserAddr) -> Option<FutexKey> {
        self.memory.space.borrow().futex_key(word, false).ok()
    }

    /// Copies from `address` into `buffer`.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] with the number of bytes copied.
    pub async fn read(&self, address: UserAddr, buffer: &mut [u8]) -> Result<(), MemoryError> {
        let mut done = 0;
        loop {
            let at = address.offset(done as u64);
            let progress = self.memory.space.borrow_mut().read(at, &mut buffer[done..]);
            if !self.advance(&mut done, progress).await? {
                return Ok(());
            }
        }
    }

    /// Appends `length` bytes at `address` to `data`.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] with the number of bytes appended.
    pub async fn append(
        &self,
        address: UserAddr,
        length: usize,
        data: &mut Vec<u8>,
    ) -> Result<(), MemoryError> {
        let mut done = 0;
        loop {
            let at = address.offset(done as u64);
            let progress = self.memory.space.borrow_mut().append(at, length - done, data);
            if !self.advance(&mut done, progress).await? {
                return Ok(());
            }
        }
    }

    /// Copies `data` to `address`.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] with the number of bytes copied.
    pub async fn write(&self, address: UserAddr, data: &[u8]) -> Result<(), MemoryError> {
        let mut done = 0;
        loop {
            let at = address.offset(done as u64);
            let progress = self.memory.space.borrow_mut().write(at, &data[done..]);
            if !self.advance(&mut done, progress).await? {
                return Ok(());
            }
        }
    }

    /// Copies `data` to `address` if nothing must be waited for; whether it did.
    pub fn write_now(&self, address: UserAddr, data: &[u8]) -> bool {
        self.memory.space.borrow_mut().write(address, data).is_complete()
    }

    /// Copies a string of at most `max` bytes, its NUL included, and gives it without the NUL.
    ///
    /// # Errors
    /// [`MemoryError::TooLong`] if there is no NUL within `max` bytes.
    pub async fn read_str(&self, address: UserAddr, max: usize) -> Result<Vec<u8>, MemoryError> {
        let mut text = Vec::new();
        self.read_text(address, &mut text, max).await?;
        Ok(text)
    }

    /// As [`LocalMemory::read_str`], into `text`, which holds what was found even after an error.
    ///
    /// # Errors
    /// As [`LocalMemory::read_str`].
    pub async fn read_text(
        &self,
        address: UserAddr,
        text: &mut Vec<u8>,
        max: usize,
    ) -> Result<(), MemoryError> {
        loop {
            let progress = self.memory.space.borrow_mut().read_string(address, text, max);
            match progress {
                StringProgress::Complete => return Ok(()),
                StringProgress::TooLong => return Err(MemoryError::TooLong),
                StringProgress::Blocked(blocked) => self.unblock(blocked, text.len()).await?,
            }
        }
    }

    /// How many of `length` bytes at `address` can be accessed; pages them in.
    ///
    /// # Errors
    /// [`MemoryError::Fault`] if not even the first byte can be.
    pub async fn prepare(
        &self,
        address: UserAddr,
        length: usize,
        kind: AccessKind,
    ) -> Result<usize, MemoryError> {
        let mut done = 0;
        loop {
            let at = address.offset(done as u64);
            let progress = {
                let mut space = self.memory.space.borrow_mut();
                match kind {
                    AccessKind::Write => space.probe_writable(at, length - done),
                    AccessKind::Read | AccessKind::Execute => {
                        space.probe_readable(at, length - done)
                    }
                }
            };
            match self.advance(&mut done, progress).await {
                Ok(true) => {}
                Ok(false) => return Ok(done),
                Err(MemoryError::Fault { copied }) if copied > 0 => return Ok(copied),
                Err(error) => return Err(error),
            }
        }
    }

    /// Resolves a page fault of user code.
    ///
    /// # Errors
    /// What becomes of the thread or the process instead.
    pub async fn resolve(&self, address: UserAddr, kind: AccessKind) -> Result<(), Unresolved> {
        loop {
            let outcome = self.memory.space.borrow_mut().fault(address, kind);
            let request = match outcome {
                FaultOutcome::Resolved => return Ok(()),
                FaultOutcome::Signal(signal) => return Err(signal.into()),
                FaultOutcome::OutOfMemory => return Err(Unresolved::OutOfMemory),
                FaultOutcome::NeedsPage(request) => request,
            };
            match Box::pin(self.page_in(&request)).await {
                Ok(Installed::Done) => {}
                Ok(Installed::BeyondEnd) => {
                    return Err(FaultSignal::beyond_file(request.address).into());
                }
                Err(OutOfFrames) => return Err(Unresolved::OutOfMemory),
            }
        }
    }

    /// Counts what a step has done and clears its obstacle. Says whether there is more to do.
    async fn advance(&self, done: &mut usize, progress: Progress) -> Result<bool, MemoryError> {
        *done += progress.done;
        match progress.blocked_on {
            None => Ok(false),
            Some(blocked) => self.unblock(blocked, *done).await.map(|()| true),
        }
    }

    async fn unblock(&self, blocked: Blocked, copied: usize) -> Result<(), MemoryError> {
        let fault = MemoryError::Fault { copied };
        match blocked {
            Blocked::NeedsPage(request) => match Box::pin(self.page_in(&request)).await {
                Ok(Installed::Done) => Ok(()),
                Ok(Installed::BeyondEnd) | Err(OutOfFrames) => Err(fault),
            },
            Blocked::Fault(_) | Blocked::OutOfMemory => Err(fault),
        }
    }

    /// Gets pages of a mapped file from home and installs them. Callers box this: it is rare, and
    /// every copy would else have room for it.
    async fn page_in(&self, request: &PageRequest) -> Result<Installed, OutOfFrames> {
        match &self.pager {
            Pager::Home(home) => {
                let file = home.maps.get(request.map);
                let asked = file.as_ref().and_then(|file| file.inode.fetches());
                match (&file, asked) {
                    (Some(file), Some(fetches)) => {
                        let count = request.count as usize;
                        let bytes =
                            fetches.settle(|| file.read_run(request.file_page, count)).await;
                        let bytes = bytes.unwrap_or_default();
                        self.memory.space.borrow_mut().install(request, &bytes)
                    }
                    _ => self.page_in_here(file.as_ref(), request),
                }
            }
            Pager::Away(driver) => {
                let pages = self.page_in_away(driver, request).await;
                let cache = driver.file_cache();
                let home = driver.home();
                let installed =
                    self.memory.space.borrow_mut().install_kept(request, &pages, cache, home)?;
                for file in pages.versions {
                    self.show_kept(driver, home, file).await;
                }
                Ok(installed)
            }
        }
    }

    /// Shows what this node keeps of a file, once it is known what the file holds.
    async fn show_kept(&self, driver: &BodyDriver, home: NodeId, file: FileVersion) {
        let cache = driver.file_cache();
        let Some(mut kept) = self.memory.space.borrow_mut().expect_kept(&file) else { return };
        let content = FileContent { home, content: file.content };
        if cache.touch(content) {
            while !self.memory.space.borrow_mut().show_kept(&mut kept, cache, content) {
                yield_now().await;
            }
        }
    }

    /// The pages of the file are frames of this node: they are shared until written.
    fn page_in_here(
        &self,
        file: Option<&MappedFile>,
        request: &PageRequest,
    ) -> Result<Installed, OutOfFrames> {
        let mut space = self.memory.space.borrow_mut();
        let wanted = (request.address.0 / PAGE).wrapping_sub(request.first);
        space.install_with(request, |index| match file {
            // What was not asked for shall not fill a hole.
            Some(file) if request.writes_file && index != wanted => {
                Ok(file.inode.present_page(request.file_page + index))
            }
            Some(file) => match file.inode.page(request.file_page + index) {
                Err(Errno::ENOMEM) => Err(OutOfFrames),
                page => Ok(page.unwrap_or(None)),
            },
            None => Ok(None),
        })
    }

    /// A frozen body gets no pages: its thread waits here until its task is ended, and faults
    /// again where it runs next.
    async fn page_in_away(&self, driver: &Rc<BodyDriver>, request: &PageRequest) -> FilePages {
        let thread = self.thread.as_ref().filter(|thread| thread.is_repeatable());
        let _stoppable = thread.map(|thread| thread.stoppable());
        let pages = driver.page_in(request.map, request.file_page, request.count as usize).await;
        match pages {
            Some(Ok(pages)) => pages,
            Some(Err(_)) => FilePages { bytes: Vec::new(), versions: Vec::new() },
            None => core::future::pending().await,
        }
    }
}

impl From<FaultSignal> for Unresolved {
    fn from(fault: FaultSignal) -> Self {
        let detail = SigDetail::Fault { address: fault.address.0 };
        Self::Signal(SigInfo { signal: fault.signal, code: fault.code, detail })
    }
}

/// What a process ends with when memory runs out under it, as Linux's OOM killer has it.
pub(super) const OUT_OF_MEMORY: WaitStatus = WaitStatus::Signaled(Signal::SIGKILL.number());
