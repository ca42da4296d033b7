//! Stopping the threads of a body for a move, and letting them go on if it comes to nothing.

use alloc::rc::Rc;
use core::cell::Cell;

use wayfarer_proto::id::Tid;

use super::{Body, BodyThread};
use crate::executor::{Either, WaitQueue, select};

/// What a freeze waits for and is told by.
#[derive(Default)]
pub(super) struct Freezer {
    freezing: Cell<bool>,
    /// Freezes that were called off.
    thaws: Cell<u32>,
    thawed: WaitQueue,
    /// Operations on the address space that home does and that must not be moved half done.
    pinned: Cell<usize>,
    unpinned: WaitQueue,
    /// Copies of the memory that are being made.
    copies: Cell<usize>,
    copied: WaitQueue,
}

impl Body {
    /// Whether threads must park before they next run user code.
    pub fn is_freezing(&self) -> bool {
        self.freezer.freezing.get()
    }

    /// How many freezes were called off.
    pub fn thaws(&self) -> u32 {
        self.freezer.thaws.get()
    }

    /// Stops every thread (decision D6): at a trap boundary, in a local wait, or awaiting a reply.
    /// One that is busy finishing a call is waited for, until it stops or is no more. False if the
    /// body was thawed meanwhile: nothing has been stopped then.
    ///
    /// It begins with the call, not when it is first waited for: a thaw may come in between.
    pub fn freeze(self: &Rc<Self>) -> impl Future<Output = bool> + use<> {
        let body = Rc::clone(self);
        body.freezer.freezing.set(true);
        let thaws = body.thaws();
        async move {
            let thawed = || (body.thaws() != thaws).then_some(());
            match select(body.freezer.thawed.wait_until(thawed), body.quiet()).await {
                Either::First(()) => false,
                Either::Second(()) => {
                    body.halt();
                    true
                }
            }
        }
    }

    /// Waits until no thread is busy and nothing is pinned.
    async fn quiet(&self) {
        loop {
            let busy = {
                let threads = self.threads.borrow();
                threads.values().find(|thread| !thread.is_stoppable()).cloned()
            };
            let Some(busy) = busy else { break };
            let settled = || (busy.is_stoppable() || !self.has(&busy)).then_some(());
            busy.stopped.wait_until(settled).await;
        }
        let freezer = &self.freezer;
        freezer.unpinned.wait_until(|| (freezer.pinned.get() == 0).then_some(())).await;
    }

    fn has(&self, thread: &Rc<BodyThread>) -> bool {
        self.threads.borrow().values().any(|other| Rc::ptr_eq(other, thread))
    }

    /// Forgets a thread that has ended. A freeze that waits for it goes on.
    pub fn remove_thread(&self, tid: Tid) {
        let thread = self.threads.borrow_mut().remove(&tid);
        if let Some(thread) = thread {
            thread.stopped.wake_all();
        }
    }

    /// Lets threads run again, and calls off a freeze that has not ended. A move that one of them
    /// asked for is off.
    pub fn thaw(&self) {
        let freezer = &self.freezer;
        self.roaming.set(false);
        freezer.freezing.set(false);
        freezer.thaws.set(freezer.thaws.get().wrapping_add(1));
        freezer.thawed.wake_all();
    }

    /// Keeps a freeze waiting while the guard lives.
    pub fn pin(&self) -> Pinned<'_> {
        let freezer = &self.freezer;
        freezer.pinned.set(freezer.pinned.get() + 1);
        Pinned { freezer }
    }
}

impl Body {
    /// Keeps all threads from running user code while the guard lives: what a child gets is the
    /// memory of one moment, though it is copied in steps.
    pub fn begin_copy(&self) -> Copying<'_> {
        let freezer = &self.freezer;
        freezer.copies.set(freezer.copies.get() + 1);
        Copying { freezer }
    }

    /// Waits until no copy is being made.
    pub async fn wait_copied(&self) {
        self.freezer.copied.wait_until(|| (!self.is_being_copied()).then_some(())).await;
    }

    /// Whether threads must not run user code because a copy is being made.
    pub fn is_being_copied(&self) -> bool {
        self.freezer.copies.get() > 0
    }
}

/// A stretch in which the memory of a body is copied.
pub struct Copying<'a> {
    freezer: &'a Freezer,
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.freezer.copies.set(self.freezer.copies.get() - 1);
        self.freezer.copied.wake_all();
    }
}

/// A stretch in which a body is not frozen.
pub struct Pinned<'a> {
    freezer: &'a Freezer,
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        self.freezer.pinned.set(self.freezer.pinned.get() - 1);
        self.freezer.unpinned.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use wayfarer_machine::{FramePool, KernelHalf, UserContext};
    use wayfarer_proto::id::{NodeId, Pid, ProcessKey};

    use super::*;
    use crate::executor::{Executor, Priority};
    use crate::memory::{AddressSpace, MemorySource};
    use crate::process::Memory;

    const LEADER: Tid = Tid(5);
    const OTHER: Tid = Tid(6);

    /// A body with two threads that neither run nor wait: they are busy.
    fn body() -> Rc<Body> {
        let source = MemorySource::new(&FramePool::arena(64), &KernelHalf::empty()).unwrap();
        let memory = Memory::new(AddressSpace::new(&source).unwrap());
        let key = ProcessKey { home: NodeId(1), pid: Pid(5) };
        let body = Body::new(key, "test".to_string(), memory);
        for tid in [LEADER, OTHER] {
            let thread = Rc::new(BodyThread::new(tid, UserContext::new()));
            body.threads.borrow_mut().insert(tid, thread);
        }
        body
    }

    /// Begins a freeze and says, once it has ended, whether the body is frozen.
    fn freeze(executor: &Executor, body: &Rc<Body>) -> Rc<Cell<Option<bool>>> {
        let (body, outcome) = (Rc::clone(body), Rc::new(Cell::new(None)));
        let told = Rc::clone(&outcome);
        executor.spawner().spawn(Priority::Service, async move {
            told.set(Some(body.freeze().await));
        });
        drain(executor);
        outcome
    }

    fn drain(executor: &Executor) {
        while executor.has_ready() {
            executor.run_round();
        }
    }

    #[test]
    fn a_freeze_does_not_wait_for_a_thread_that_has_ended() {
        let (executor, body) = (Executor::new(), body());
        let thread = body.thread(LEADER).unwrap();
        let _waits = thread.stoppable();
        let frozen = freeze(&executor, &body);
        assert_eq!(frozen.get(), None);
        body.remove_thread(OTHER);
        drain(&executor);
        assert_eq!(frozen.get(), Some(true));
    }

    #[test]
    fn a_freeze_that_is_called_off_stops_nothing_later() {
        let (executor, body) = (Executor::new(), body());
        let frozen = freeze(&executor, &body);
        body.thaw();
        drain(&executor);
        assert_eq!(frozen.get(), Some(false));
        assert!(!body.is_freezing());
    }

    #[test]
    fn a_freeze_that_is_called_off_before_it_is_waited_for_stops_nothing() {
        let (executor, body) = (Executor::new(), body());
        let waits = [LEADER, OTHER].map(|tid| body.thread(tid).unwrap());
        let _stoppable = waits.each_ref().map(|thread| thread.stoppable());
        let frozen = body.freeze();
        body.thaw();
        let outcome = Rc::new(Cell::new(None));
        let told = Rc::clone(&outcome);
        executor.spawner().spawn(Priority::Service, async move { told.set(Some(frozen.await)) });
        drain(&executor);
        assert_eq!(outcome.get(), Some(false));
        assert!(!body.is_freezing());
    }

    #[test]
    fn threads_of_another_program_end_a_freeze_as_well() {
        let (executor, body) = (Executor::new(), body());
        let thread = body.thread(LEADER).unwrap();
        let _waits = thread.stoppable();
        let frozen = freeze(&executor, &body);
        assert_eq!(body.end_others(LEADER), [OTHER]);
        drain(&executor);
        assert_eq!(frozen.get(), Some(true));
    }

    #[test]
    fn threads_wait_for_all_copies_of_their_memory() {
        let (executor, body) = (Executor::new(), body());
        let (first, second) = (body.begin_copy(), body.begin_copy());
        let (waiting, done) = (Rc::clone(&body), Rc::new(Cell::new(false)));
        let told = Rc::clone(&done);
        executor.spawner().spawn(Priority::User, async move {
            waiting.wait_copied().await;
            told.set(true);
        });
        drop(first);
        drain(&executor);
        assert!(!done.get() && body.is_being_copied());
        drop(second);
        drain(&executor);
        assert!(done.get() && !body.is_being_copied());
    }

    #[test]
    fn the_end_of_a_body_ends_its_freeze() {
        let (executor, body) = (Executor::new(), body());
        let frozen = freeze(&executor, &body);
        body.end();
        drain(&executor);
        assert!(frozen.get().is_some());
    }
}
