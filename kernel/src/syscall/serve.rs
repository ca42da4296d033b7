//! Home's side of a transaction: begin, run the handler, answer.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::ops::Range;
use core::pin::{Pin, pin};
use core::task::Poll;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::CallSeq;
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::SignalSet;

use super::home::Handler;
use super::{Call, Caller, Reply, Request, Returned, SysResult, home};
use crate::executor::{Priority, Subject};
use crate::kernel::Kernel;
use crate::process::{Home, HomeThread};
use crate::signal::{is_calm, take_actions};

/// Begins a transaction of `caller`'s thread. The handler is polled on the spot: one that need
/// not wait costs no task, and its answer is returned. Otherwise the answer comes later, through
/// [`crate::process::ProcessCell::answer`].
///
/// A second transaction of a thread that has one open is refused with `EBUSY`: its body is at
/// fault.
pub fn begin(caller: Caller, seq: CallSeq, request: Request) -> Poll<Reply> {
    let subject = match &request {
        Request::Call(call) => call.sysno.into(),
        _ => Subject::default(),
    };
    if !caller.thread.open(seq) {
        return Poll::Ready(Errno::EBUSY.into());
    }
    let at = Open::new(&caller, seq, subject);
    at.end(Box::pin(async move { answer(&caller, request).await }))
}

/// What bodies away have is needed: not for programs, and not for who serves a call at once.
const ELENT: Returned = Returned::of_error(Errno::ELENT);
/// The caller may have to hear of it by a signal, too.
const EFBIG: Returned = Returned::of_error(Errno::EFBIG);

/// How a call ended that ends where it is made.
pub enum AtOnce {
    /// With this, and nothing else is to be done.
    Done(Returned),
    /// With this answer; a pending one comes later, as that of a call that waits.
    Answered(Poll<Reply>),
}

/// The whole transaction of a call that ends where it is made; `None` if this one may not, and is
/// yet to [begin] ([`home::at_once`]).
pub fn at_once(caller: &Caller, seq: CallSeq, call: &Call) -> Option<Poll<Reply>> {
    match try_at_once(caller, seq, call, home::at_once(call.sysno)?)? {
        AtOnce::Done(returned) => {
            Some(Poll::Ready(Reply { result: returned.result(), actions: Vec::new() }))
        }
        AtOnce::Answered(reply) => Some(reply),
    }
}

/// As [`at_once`], with the call's handler.
#[inline(always)]
pub fn try_at_once(caller: &Caller, seq: CallSeq, call: &Call, handler: Handler) -> Option<AtOnce> {
    let Caller { kernel, home, thread, .. } = caller;
    if kernel.fetches.is_used() || !thread.open(seq) {
        return None;
    }
    let begun = kernel.returns.begun();
    let Some(returned) = handler(caller, call) else {
        thread.close();
        return None;
    };
    // One look at all: to decide after each costs more.
    let is_told = u8::from(returned == ELENT) | u8::from(returned == EFBIG);
    if is_told | u8::from(kernel.returns.begun() != begun) != 0 {
        return end_otherwise(begun, caller, seq, call, returned);
    }
    thread.close();
    match is_calm(home, thread) {
        true => Some(AtOnce::Done(returned)),
        false => Some(AtOnce::Answered(Poll::Ready(reply(caller, returned.result())))),
    }
}

/// Ends a call that gives what is not for its caller alone.
#[cold]
fn end_otherwise(
    begun: u64,
    caller: &Caller,
    seq: CallSeq,
    call: &Call,
    returned: Returned,
) -> Option<AtOnce> {
    if returned == ELENT {
        caller.thread.close();
        return None;
    }
    home::tell_of_refusal(caller, call, returned.result());
    let own = begun..caller.kernel.returns.begun();
    if !own.is_empty() {
        return Some(AtOnce::Answered(answer_after(own, caller, seq, call, returned)));
    }
    caller.thread.close();
    Some(AtOnce::Answered(Poll::Ready(reply(caller, returned.result()))))
}

/// Answers once these returns are over.
fn answer_after(
    returns: Range<u64>,
    caller: &Caller,
    seq: CallSeq,
    call: &Call,
    returned: Returned,
) -> Poll<Reply> {
    let at = Open::new(caller, seq, call.sysno.into());
    let caller = caller.clone();
    at.end(Box::pin(async move {
        caller.kernel.returns.over(returns).await;
        reply(&caller, returned.result())
    }))
}

/// A transaction that goes on.
struct Open {
    kernel: Rc<Kernel>,
    home: Rc<Home>,
    thread: Rc<HomeThread>,
    seq: CallSeq,
    /// What its polls are about.
    subject: Subject,
}

impl Open {
    fn new(caller: &Caller, seq: CallSeq, subject: Subject) -> Self {
        let Caller { kernel, home, thread, .. } = caller.clone();
        Self { kernel, home, thread, seq, subject }
    }

    /// Ends it with what `handler` answers, now or as a task.
    fn end(self, mut handler: Pin<Box<impl Future<Output = Reply> + 'static>>) -> Poll<Reply> {
        let Self { kernel, home, thread, seq, subject } = self;
        let meter = Rc::clone(&kernel.meter);
        let handler = poll_fn(move |context| {
            meter.subject(subject);
            handler.as_mut().poll(context)
        });
        let opened = Rc::clone(&thread);
        let answer = move |reply| {
            thread.close();
            if let Some(cell) = home.cell() {
                cell.answer(&thread, seq, reply);
            }
            // Who waits for it waits for the end of the process, or has killed the thread.
            if home.exiting().is_some() || thread.is_killed() {
                home.exit_changed.wake_all();
            }
        };
        match kernel.spawner.run(Priority::Service, handler, answer) {
            Some(reply) => {
                opened.close();
                Poll::Ready(reply)
            }
            None => Poll::Pending,
        }
    }
}

/// Executes a request and adds what its thread must do for asynchronous events.
async fn answer(caller: &Caller, request: Request) -> Reply {
    let work = pin!(execute(caller, request));
    let result = caller.kernel.returns.settle(work).await;
    reply(caller, result)
}

/// The answer to a request that has been executed (rule 3).
fn reply(caller: &Caller, result: SysResult) -> Reply {
    Reply { result, actions: take_actions(&caller.home, &caller.thread) }
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
            Err(Errno::ELENT) => {
                let recalled = caller.kernel.recall(&caller.home);
                caller.thread.killable(&caller.home, recalled).await??;
            }
            result => {
                home::tell_of_refusal(caller, call, result);
                return result;
            }
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
