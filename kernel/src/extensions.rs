//! What a microVM of your own adds to this kernel: system calls that Linux does not have.
//!
//! An image package passes its [`Extensions`] to [`crate::node::run_with`]; `hello-vm` is one. An
//! added call runs where the body of its caller is, like the calls of class local, so all nodes
//! of a cluster must boot the same image. It has no part at home: what it needs of files or
//! processes the program asks by Linux's own calls.

use alloc::boxed::Box;
use core::pin::Pin;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::table::Class;

use crate::process::{Next, Running, SYSCALL_LENGTH};
use crate::syscall::SysResult;

/// The lowest number an added call may have. Linux's and Wayfarer's own are all below.
pub const FIRST_EXTRA: u64 = 0x2000;

/// What an image adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extensions {
    /// Its system calls.
    pub calls: &'static [ExtraCall],
}

/// A system call that an image adds.
#[derive(Clone, Copy, Debug)]
pub struct ExtraCall {
    number: u64,
    handler: Handler,
}

/// Serves an added call for the thread that made it; the array holds its six argument registers.
///
/// The caller's memory is reached by [`Running::local_memory`]. A thread that is moved while its
/// handler waits makes the call again where it arrives: change nothing before the last wait.
pub type Handler = for<'a> fn(&'a Running, [u64; 6]) -> Answer<'a>;

/// What a [`Handler`] gives: the value for `rax`, or why not.
pub type Answer<'a> = Pin<Box<dyn Future<Output = SysResult> + 'a>>;

impl ExtraCall {
    /// The call with this number.
    ///
    /// # Panics
    /// Below [`FIRST_EXTRA`]; in a `static`, as an image has it, that is an error of the compiler.
    pub const fn new(number: u64, handler: Handler) -> Self {
        assert!(number >= FIRST_EXTRA, "numbers below FIRST_EXTRA are Linux's and Wayfarer's");
        Self { number, handler }
    }
}

impl Running {
    /// Serves a call that has no row in the table: an added one, or ENOSYS.
    pub(crate) async fn extra_call(&self, number: u64) -> Next {
        let calls = self.kernel.extensions.calls;
        let began = self.kernel.now();
        let result = match calls.iter().find(|call| call.number == number) {
            Some(call) => self.run_extra(call).await,
            None => {
                self.kernel.count_unknown_call(number, &self.body.name.borrow());
                Err(Errno::ENOSYS)
            }
        };
        if self.kernel.trace.get() {
            self.trace_extra(number, result, began);
        }
        let value = result.unwrap_or_else(Errno::to_return_value);
        self.thread.context.borrow_mut().registers.rax = value;
        Next::Run
    }

    /// While the handler runs the thread stands before its call, so that it makes it again if it
    /// is moved meanwhile.
    async fn run_extra(&self, call: &ExtraCall) -> SysResult {
        self.count_call(Class::Local);
        let args = {
            let registers = &mut self.thread.context.borrow_mut().registers;
            registers.rip = registers.rip.wrapping_sub(SYSCALL_LENGTH);
            let r = registers;
            [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
        };
        let result = (call.handler)(self, args).await;
        let registers = &mut self.thread.context.borrow_mut().registers;
        registers.rip = registers.rip.wrapping_add(SYSCALL_LENGTH);
        result
    }
}
