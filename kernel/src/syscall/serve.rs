//! Home's side of a transaction: begin, run the handler, answer.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::CallSeq;
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::SignalSet;

use super::{Call, Caller, Reply, Request, SysResult, home};
use crate::executor::Priority;
use crate::signal::take_actions;

/// Begins a transaction of `caller`'s thread. The handler is polled on the spot: one that need
/// not wait costs no task, and its answer is returned. Otherwise the answer comes later, through
/// [`crate::process::ProcessCell::answer`].
///
/// A second transaction of a thread that has one open is refused with `EBUSY`: its body is at
/// fault.
pub fn begin(caller: Caller, seq: CallSeq, request: Request) -> Option<Reply> {
    let thread = Rc::clone(&caller.thread);
    if !thread.open(seq) {
        return Some(Errno::EBUSY.into());
    }
    let subject = match request {
        Request::Call(call) => call.sysno.row().name,
        _ => "",
    };
    let kernel = Rc::clone(&caller.kernel);
    let home = Rc::clone(&caller.home);
    let mut handler = Box::pin(async move { answer(&caller, request).await });
    if let Poll::Ready(reply) = handler.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        thread.close();
        return Some(reply);
    }
    let meter = Rc::clone(&kernel.meter);
    kernel.spawner.spawn(Priority::Service, async move {
        let reply = poll_fn(|context| {
            meter.subject(subject);
            handler.as_mut().poll(context)
        })
        .await;
        thread.close();
        if let Some(cell) = home.cell() {
            cell.answer(&thread, seq, reply);
        }
        home.exit_changed.wake_all();
    });
    None
}

/// Executes a request and adds what its thread must do for asynchronous events (rule 3).
async fn answer(caller: &Caller, request: Request) -> Reply {
    let result = caller.kernel.returns.settle(execute(caller, request)).await;
    let actions = take_actions(&caller.home, &caller.thread);
    Reply { result, actions }
}

/// Executes a call; again, once it is back, if it needs a file whose content is elsewhere.
async fn serve_call(caller: &Caller, call: &Call) -> SysResult {
    let fetches = &caller.kernel.fetches;
    loop {
        let result = match fetches.is_used() {
            true => fetches.replay(|| home::dispatch(caller, call)).await,
            false => home::dispatch(caller, call).await,
        };
        match result {
            Err(Errno::ELENT) => caller.kernel.recall().await?,
            result => return result,
        }
    }
}

async fn execute(caller: &Caller, request: Request) -> SysResult {
    match request {
        Request::Call(call) => serve_call(caller, &call).await,
        Request::Null => Ok(0),
        Request::Fault(info) => {
            caller.home.force(&caller.thread, info);
            Ok(0)
        }
        Request::SignalReturn(mask) => {
            caller.thread.mask.set(mask.without(SignalSet::UNBLOCKABLE));
            Ok(0)
        }
        Request::Exit { status, group: true } => {
            caller.home.begin_exit(WaitStatus::Exited(status));
            Ok(0)
        }
        Request::Exit { status, group: false } => {
            caller.home.end_thread(&caller.kernel, &caller.thread, WaitStatus::Exited(status));
            Ok(0)
        }
    }
}
