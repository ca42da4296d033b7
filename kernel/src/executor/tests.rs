//! Tests of the executor on the host.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use std::vec::Vec;

use wayfarer_proto::time::Instant;

use super::*;

fn drain(executor: &Executor) {
    while executor.has_ready() {
        executor.run_round();
    }
}

#[test]
fn service_tasks_run_before_user_threads() {
    let executor = Executor::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    for (priority, name) in [(Priority::User, "user"), (Priority::Service, "service")] {
        let order = Rc::clone(&order);
        executor.spawner().spawn(priority, async move { order.borrow_mut().push(name) });
    }
    drain(&executor);
    assert_eq!(*order.borrow(), ["service", "user"]);
}

#[test]
fn waiters_see_the_change_and_leave_no_entry() {
    let executor = Executor::new();
    let queue = Rc::new(WaitQueue::new());
    let value = Rc::new(Cell::new(0));
    let (theirs, seen) = (Rc::clone(&value), Rc::new(Cell::new(0)));
    let (result, waiting) = (Rc::clone(&seen), Rc::clone(&queue));
    executor.spawner().spawn(Priority::User, async move {
        result.set(waiting.wait_until(|| (theirs.get() > 1).then(|| theirs.get())).await);
    });
    for step in 1..=2 {
        value.set(step);
        queue.wake_all();
        drain(&executor);
        assert_eq!(seen.get(), if step == 2 { 2 } else { 0 });
    }
    assert_eq!(executor.spawner().tasks(), 0);
}

#[test]
fn timers_fire_in_order_and_timeouts_drop_what_they_waited_for() {
    let executor = Executor::new();
    let timers = Timers::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    for deadline in [30, 10, 20] {
        let (timers, order) = (timers.clone(), Rc::clone(&order));
        executor.spawner().spawn(Priority::User, async move {
            timers.sleep_until(Instant(deadline)).await;
            order.borrow_mut().push(deadline);
        });
    }
    drain(&executor);
    assert_eq!(timers.next_deadline(), Some(Instant(10)));
    timers.fire(Instant(25));
    drain(&executor);
    assert_eq!(*order.borrow(), [10, 20]);
    timers.fire(Instant(30));
    drain(&executor);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn the_end_of_a_timeout_is_not_taken_for_a_wake() {
    let executor = Executor::new();
    let (queue, timers) = (Rc::new(WaitQueue::new()), Timers::new());
    let seen = Rc::new(RefCell::new(Vec::new()));
    for deadline in [10, 30] {
        let (queue, timers, seen) = (Rc::clone(&queue), timers.clone(), Rc::clone(&seen));
        executor.spawner().spawn(Priority::User, async move {
            let waited = timers.timeout(Some(Instant(deadline)), queue.wait()).await;
            seen.borrow_mut().push((deadline, waited));
        });
    }
    drain(&executor);
    timers.fire(Instant(10));
    drain(&executor);
    queue.wake_all();
    drain(&executor);
    assert_eq!(*seen.borrow(), [(10, Err(Elapsed)), (30, Ok(()))]);
}

#[test]
fn a_cancelled_task_never_runs_again() {
    let executor = Executor::new();
    let queue = Rc::new(WaitQueue::new());
    let ran = Rc::new(Cell::new(false));
    let (waiting, theirs) = (Rc::clone(&queue), Rc::clone(&ran));
    let handle = executor.spawner().spawn(Priority::User, async move {
        waiting.wait().await;
        theirs.set(true);
    });
    drain(&executor);
    handle.cancel();
    queue.wake_all();
    drain(&executor);
    assert!(!ran.get() && handle.is_done());
}

#[test]
fn a_broken_promise_is_noticed() {
    let executor = Executor::new();
    let (promise, slot) = Slot::<u32>::new();
    let seen = Rc::new(Cell::new(Some(7)));
    let theirs = Rc::clone(&seen);
    executor.spawner().spawn(Priority::User, async move { theirs.set(slot.take().await) });
    drain(&executor);
    drop(promise);
    drain(&executor);
    assert_eq!(seen.get(), None);
}

#[test]
fn long_polls_are_remembered_by_kind_without_user_time() {
    let clock = Rc::new(Cell::new(0));
    let theirs = Rc::clone(&clock);
    let meter = Rc::new(Meter::new(move || Instant(theirs.get())));
    let executor = Executor::with_meter(Rc::clone(&meter));
    for (microseconds, user, subject) in [(90, 0, ""), (300, 250, ""), (500, 0, "munmap")] {
        let (clock, meter) = (Rc::clone(&clock), Rc::clone(&meter));
        executor.spawner().spawn(Priority::User, async move {
            meter.subject(Subject::Words(subject));
            clock.set(clock.get() + microseconds * 1000);
            meter.excuse(core::time::Duration::from_micros(user));
        });
    }
    drain(&executor);
    assert_eq!(meter.longest().as_micros(), 500);
    let long = meter.long_polls();
    let [(kind, polls)] = long.as_slice() else { panic!("{long:?}") };
    let text = std::format!("{kind}");
    assert!(text.starts_with("executor/tests.rs:") && text.ends_with(":munmap"), "{text}");
    assert_eq!((polls.count, polls.longest.as_micros()), (1, 500));
    assert_eq!((meter.take_longest().as_micros(), meter.longest().as_micros()), (500, 0));
}
