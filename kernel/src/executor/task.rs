//! Tasks, their queue and the round that runs them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::{Rc, Weak};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::cell::{Cell, RefCell};
use core::panic::Location;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use spin::Mutex;

use super::Meter;

/// Service tasks polled in a round before user threads get their turn.
const SERVICE_QUOTA: usize = 64;
/// User threads run in a round; each may use a whole time slice.
const USER_QUOTA: usize = 1;

/// Which queue a task waits in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// Drivers and handlers: short polls on behalf of others, run first.
    Service,
    /// User threads: may hold the processor for a time slice.
    User,
}

/// Names a task; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TaskId(u64);

type BoxedTask = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// `None` while the task is being polled.
    future: Option<BoxedTask>,
    waker: Waker,
    /// Where in the source it was started: what kind of task it is.
    started: Location<'static>,
}

/// The ready queues: the only part that wakers share, hence the lock.
#[derive(Default)]
struct Ready {
    service: VecDeque<TaskId>,
    user: VecDeque<TaskId>,
}

impl Ready {
    fn queue(&mut self, priority: Priority) -> &mut VecDeque<TaskId> {
        match priority {
            Priority::Service => &mut self.service,
            Priority::User => &mut self.user,
        }
    }
}

/// Puts its task into the ready queue, once.
struct TaskWaker {
    id: TaskId,
    priority: Priority,
    queued: Mutex<bool>,
    ready: Arc<Mutex<Ready>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut queued = self.queued.lock();
        if !*queued {
            *queued = true;
            self.ready.lock().queue(self.priority).push_back(self.id);
        }
    }
}

#[derive(Default)]
struct Inner {
    tasks: RefCell<BTreeMap<TaskId, (Task, Arc<TaskWaker>)>>,
    ready: Arc<Mutex<Ready>>,
    next: Cell<u64>,
    meter: Rc<Meter>,
}

/// Runs tasks; the kernel has one.
#[derive(Default)]
pub struct Executor {
    inner: Rc<Inner>,
}

/// Starts tasks on the executor; cheap to clone.
#[derive(Clone)]
pub struct Spawner {
    inner: Weak<Inner>,
}

/// Names a started task so that it can be cancelled. Dropping the handle lets the task run on.
pub struct TaskHandle {
    id: TaskId,
    inner: Weak<Inner>,
}

impl Executor {
    /// An executor without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// An executor without tasks whose polls are measured.
    pub fn with_meter(meter: Rc<Meter>) -> Self {
        Self { inner: Rc::new(Inner { meter, ..Inner::default() }) }
    }

    /// A handle that starts tasks.
    pub fn spawner(&self) -> Spawner {
        Spawner { inner: Rc::downgrade(&self.inner) }
    }

    /// Whether a task is ready to run.
    pub fn has_ready(&self) -> bool {
        let ready = self.inner.ready.lock();
        !ready.service.is_empty() || !ready.user.is_empty()
    }

    /// Runs one round: ready service tasks up to their quota, then a user thread.
    pub fn run_round(&self) {
        for _ in 0..SERVICE_QUOTA {
            if !self.run_next(Priority::Service) {
                break;
            }
        }
        for _ in 0..USER_QUOTA {
            if !self.run_next(Priority::User) {
                break;
            }
        }
    }

    fn run_next(&self, priority: Priority) -> bool {
        let Some(id) = self.inner.ready.lock().queue(priority).pop_front() else { return false };
        self.inner.poll(id);
        true
    }
}

impl Inner {
    fn poll(&self, id: TaskId) {
        let Some((mut future, waker, started)) = self.take(id) else { return };
        let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
        let done = matches!(self.meter.measure(started, poll), Poll::Ready(()));
        let mut tasks = self.tasks.borrow_mut();
        if done {
            tasks.remove(&id);
        } else if let Some((task, _)) = tasks.get_mut(&id) {
            task.future = Some(future);
            return;
        }
        // The future may own anything, even a `TaskHandle`: it is dropped without the borrow.
        drop(tasks);
        drop(future);
    }

    fn take(&self, id: TaskId) -> Option<(BoxedTask, Waker, Location<'static>)> {
        let mut tasks = self.tasks.borrow_mut();
        let (task, waker) = tasks.get_mut(&id)?;
        *waker.queued.lock() = false;
        Some((task.future.take()?, task.waker.clone(), task.started))
    }
}

impl Spawner {
    /// Starts a task. After the executor is gone this does nothing.
    #[track_caller]
    pub fn spawn(
        &self,
        priority: Priority,
        future: impl Future<Output = ()> + 'static,
    ) -> TaskHandle {
        self.spawn_boxed(priority, Box::pin(future))
    }

    /// Starts a task that is boxed already (a handler that was polled once on the spot).
    #[track_caller]
    pub fn spawn_boxed(&self, priority: Priority, future: BoxedTask) -> TaskHandle {
        let id = TaskId(
            self.inner.upgrade().map_or(0, |inner| inner.next.replace(inner.next.get() + 1)),
        );
        if let Some(inner) = self.inner.upgrade() {
            let waker = Arc::new(TaskWaker {
                id,
                priority,
                queued: Mutex::new(false),
                ready: Arc::clone(&inner.ready),
            });
            let task = Task {
                future: Some(future),
                waker: Waker::from(Arc::clone(&waker)),
                started: *Location::caller(),
            };
            inner.tasks.borrow_mut().insert(id, (task, Arc::clone(&waker)));
            waker.wake_by_ref();
        }
        TaskHandle { id, inner: Weak::clone(&self.inner) }
    }

    /// How many tasks exist.
    pub fn tasks(&self) -> usize {
        self.inner.upgrade().map_or(0, |inner| inner.tasks.borrow().len())
    }
}

impl TaskHandle {
    /// Ends the task where it waits; one that is being polled ends when that poll returns.
    pub fn cancel(&self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let task = inner.tasks.borrow_mut().remove(&self.id);
        drop(task);
    }

    /// Whether the task has ended.
    pub fn is_done(&self) -> bool {
        self.inner.upgrade().is_none_or(|inner| !inner.tasks.borrow().contains_key(&self.id))
    }
}
