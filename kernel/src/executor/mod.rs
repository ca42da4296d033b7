//! The executor: every activity of the kernel is a task, and a task is a future.
//!
//! One processor, no preemption inside the kernel, so tasks are neither `Send` nor locked. A round
//! first runs the tasks that serve others (drivers, deputies' handlers), then user threads, each
//! with a quota, so that neither class starves the other (decision D2). Wakers only put a task's
//! number into a queue: waking twice costs nothing, waking a finished task does nothing.

mod meter;
mod oneshot;
mod task;
mod timers;
mod wait_queue;

pub use meter::{LongPolls, Meter, PollKind, Subject};
pub use oneshot::{Promise, Slot};
pub use task::{Executor, Priority, Spawner, TaskHandle, TaskId};
pub use timers::{Elapsed, Sleep, Timers};
pub use wait_queue::{Listener, WaitQueue};

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

/// Lets every other ready task run once before the caller goes on.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Which of two futures was ready first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Either<A, B> {
    /// The first one.
    First(A),
    /// The second one.
    Second(B),
}

/// Waits for the first of two futures and drops the other; a tie goes to `first`.
pub async fn select<A, B>(
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> Either<A, B> {
    let mut first = pin!(first);
    let mut second = pin!(second);
    poll_fn(|context| {
        if let Poll::Ready(value) = first.as_mut().poll(context) {
            return Poll::Ready(Either::First(value));
        }
        second.as_mut().poll(context).map(Either::Second)
    })
    .await
}

#[cfg(test)]
mod tests;
