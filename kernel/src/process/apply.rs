//! The end of a call at the body: its result, restarts, and the signals home has taken.

use alloc::boxed::Box;

use wayfarer_machine::Registers;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::signal::SA_RESTART;
use wayfarer_proto::table::Sysno;

use super::body::transfers;
use super::run::Next;
use super::{BodyThread, Running};
use crate::signal::Action;
use crate::signal::frame::push_frame;
use crate::syscall::{Call, Reply, Request, Returned, SysResult};

/// Bytes of the `syscall` instruction.
pub(crate) const SYSCALL_LENGTH: u64 = 2;

impl Running {
    /// Gives a call its result and carries out the actions that came with it, in order.
    pub async fn apply(&self, call: Option<Call>, reply: Reply) -> Next {
        self.thread.committed.set(true);
        let next = self.put_in_place(call, reply).await;
        self.thread.committed.set(false);
        next
    }

    async fn put_in_place(&self, call: Option<Call>, reply: Reply) -> Next {
        let caught = reply.actions.iter().find_map(|action| match action {
            Action::Deliver { action, .. } => Some(action.flags),
            _ => None,
        });
        if let Some(call) = call {
            self.set_result(call, reply.result, caught);
        }
        self.thread.in_call.set(None);
        for action in reply.actions {
            match action {
                Action::Exit(_) | Action::ThreadExit => return Next::End,
                Action::Deliver { info, action, mask } => {
                    if let Err(info) = push_frame(self, &info, &action, mask).await {
                        let reply = self.transact(None, Request::Fault(info)).await;
                        return Box::pin(self.apply(None, reply)).await;
                    }
                }
            }
        }
        Next::Run
    }
}

impl Running {
    /// Ends a call that nothing has interrupted.
    #[inline]
    pub(super) fn return_from(&self, call: Call, returned: Returned) {
        let Some(value) = returned.for_program() else {
            return self.set_result(call, returned.result(), None);
        };
        if transfers(call.sysno) && !returned.is_error() {
            self.body.count_io(call.sysno, value);
        }
        self.thread.context.borrow_mut().registers.rax = value;
    }

    /// Ends a call with what it gives.
    pub(super) fn set_result(&self, call: Call, result: SysResult, caught: Option<u64>) {
        if let Ok(value) = result {
            self.body.count_io(call.sysno, value);
        }
        set_result(&self.thread, call, result, caught);
    }
}

/// Sets `rax`, or winds the call back so that it is made again (signal(7), "Interruption of system
/// calls"). `caught` holds the flags of the first handler that will run.
fn set_result(thread: &BodyThread, call: Call, result: SysResult, caught: Option<u64>) {
    let registers = &mut thread.context.borrow_mut().registers;
    match result {
        Ok(value) => registers.rax = value,
        Err(errno) if errno < Errno::ERESTARTSYS => registers.rax = errno.to_return_value(),
        Err(errno) => restart(registers, call.sysno, errno, caught),
    }
}

/// Ends a call with an error that no program sees.
#[cold]
fn restart(registers: &mut Registers, sysno: Sysno, errno: Errno, caught: Option<u64>) {
    let again = match (errno, caught) {
        (Errno::ERESTARTSYS, Some(flags)) => (flags & SA_RESTART != 0).then_some(sysno),
        (Errno::ERESTARTSYS | Errno::ERESTARTNOHAND, None) => Some(sysno),
        (Errno::ERESTARTNOINTR, _) => Some(sysno),
        (Errno::ERESTART_RESTARTBLOCK, None) => Some(Sysno::restart_syscall),
        _ => None,
    };
    match (again, errno) {
        (Some(sysno), _) => {
            registers.rip = registers.rip.wrapping_sub(SYSCALL_LENGTH);
            registers.rax = u64::from(sysno.number());
        }
        (None, Errno::ERESTARTSYS | Errno::ERESTARTNOHAND | Errno::ERESTART_RESTARTBLOCK) => {
            registers.rax = Errno::EINTR.to_return_value();
        }
        (None, errno) => registers.rax = errno.to_return_value(),
    }
}
