//! Waiting where the body is: interrupted by an attention, decided by home (rule 5).

use alloc::vec::Vec;

use wayfarer_proto::time::Instant;

use crate::executor::{Either, select};
use crate::process::{InCall, Running};
use crate::signal::Action;
use crate::syscall::{Call, Request};

/// How a local wait ended.
pub(super) enum Waited<T> {
    /// What was waited for came.
    Done(T),
    /// The deadline came.
    TimedOut,
    /// A handler runs, or the thread ends: what home said.
    Interrupted(Vec<Action>),
}

/// Waits for `future` until `deadline` or until a signal ends the wait. An attention that brings
/// nothing for this thread leaves the wait as it was.
pub(super) async fn wait<T>(
    running: &Running,
    call: &Call,
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Waited<T> {
    let mut future = core::pin::pin!(future);
    let thread = &running.thread;
    loop {
        thread.in_call.set(Some(InCall { call: Some(*call), awaits: None, deadline }));
        let stoppable = thread.stoppable();
        let attention = thread.woken.wait_until(|| thread.attention.get().then_some(()));
        let timed = running.kernel.timers.timeout(deadline, future.as_mut());
        match select(timed, attention).await {
            Either::First(Ok(value)) => return Waited::Done(value),
            Either::First(Err(_)) => return Waited::TimedOut,
            Either::Second(()) => {}
        }
        drop(stoppable);
        thread.attention.set(false);
        let reply = running.transact(Some(*call), Request::Null).await;
        if !reply.actions.is_empty() {
            return Waited::Interrupted(reply.actions);
        }
        running.body.wait_resumed().await;
    }
}
