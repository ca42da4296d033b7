//! What a home handler knows of its caller. Not where the caller's body is.

use alloc::rc::Rc;
use core::pin::pin;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::signal::{SI_USER, SigDetail, SigInfo, Signal};
use wayfarer_proto::time::Instant;

use super::UserMemory;
use crate::kernel::Kernel;
use crate::process::{Home, HomeAsker, HomeThread};

/// The context of one system call at home.
#[derive(Clone)]
pub struct Caller {
    /// This node.
    pub kernel: Rc<Kernel>,
    /// The calling process.
    pub home: Rc<Home>,
    /// The calling thread.
    pub thread: Rc<HomeThread>,
    /// The caller's memory, wherever it is.
    pub memory: UserMemory,
}

impl Caller {
    /// Waits for `future` unless a signal comes first.
    ///
    /// # Errors
    /// `ERESTARTSYS` if the wait was interrupted; the end of the transaction makes `EINTR` or a
    /// restart of it.
    pub async fn interruptible<T>(&self, future: impl Future<Output = T>) -> Result<T, Errno> {
        self.thread.interruptible(&self.home, pin!(future)).await
    }

    /// Whether a signal waits for the end of the call: what takes long stops with what it has done.
    pub fn is_interrupted(&self) -> bool {
        self.thread.must_interrupt(&self.home)
    }

    /// Waits for `future` until `deadline` or a signal. `None` says the deadline came.
    ///
    /// # Errors
    /// `ERESTARTSYS` if the wait was interrupted.
    pub async fn interruptible_until<T>(
        &self,
        deadline: Option<Instant>,
        future: impl Future<Output = T>,
    ) -> Result<Option<T>, Errno> {
        let future = pin!(future);
        let timed = pin!(self.kernel.timers.timeout(deadline, future));
        Ok(self.thread.interruptible(&self.home, timed).await?.ok())
    }

    /// The caller as file systems see it.
    pub fn asker(&self) -> HomeAsker<'_> {
        HomeAsker { kernel: &self.kernel, home: &self.home, thread: Some(&self.thread) }
    }

    /// Sends a signal to the calling thread, as the kernel does for a broken pipe.
    pub fn raise(&self, signal: Signal) {
        let uid = self.home.credentials.borrow().user.real;
        let detail = SigDetail::Sender { pid: self.home.pid.0, uid };
        self.home.post_to(&self.thread, SigInfo { signal, code: SI_USER, detail });
    }
}
