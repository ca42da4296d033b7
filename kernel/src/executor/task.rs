//! Tasks, their queue and the round that runs them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::panic::Location;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
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

/// Names a task: a place among all, and how many tasks had it before. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskId {
    place: u32,
    turn: u32,
}

type BoxedTask = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// `None` while the task is being polled.
    future: Option<BoxedTask>,
    notice: Arc<TaskWaker>,
    /// Where in the source it was started: what kind of task it is.
    started: &'static Location<'static>,
}

/// All tasks, each in a place that it leaves to another when it ends.
#[derive(Default)]
struct Tasks {
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Place {
    /// How many tasks have left it.
    turn: u32,
    task: Option<Task>,
}

impl Tasks {
    /// Takes a place for a task that may come to it.
    fn reserve(&mut self) -> TaskId {
        let place = self.free.pop().unwrap_or_else(|| {
            if self.places.len() == self.places.capacity() {
                // Doubled it would be half empty, with thousands of processes that sleep.
                self.places.reserve_exact(self.places.len() / 8 + 8);
            }
            self.places.push(Place::default());
            u32::try_from(self.places.len() - 1).expect("memory ends before the numbers do")
        });
        TaskId { place, turn: self.places[place as usize].turn }
    }

    fn place(&mut self, id: TaskId) -> Option<&mut Place> {
        self.places.get_mut(id.place as usize).filter(|place| place.turn == id.turn)
    }

    fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.place(id)?.task.as_mut()
    }

    /// How many tasks there are.
    fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Leaves a place, with the task that is there.
    fn remove(&mut self, id: TaskId) -> Option<Task> {
        let place = self.place(id)?;
        place.turn = place.turn.wrapping_add(1);
        let task = place.task.take();
        self.free.push(id.place);
        task
    }
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
    queued: AtomicBool,
    ready: Arc<Mutex<Ready>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.lock().queue(self.priority).push_back(self.id);
        }
    }
}

#[derive(Default)]
struct Inner {
    tasks: RefCell<Tasks>,
    ready: Arc<Mutex<Ready>>,
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
    fn new_waker(&self, priority: Priority) -> Arc<TaskWaker> {
        let id = self.tasks.borrow_mut().reserve();
        let ready = Arc::clone(&self.ready);
        Arc::new(TaskWaker { id, priority, queued: AtomicBool::new(false), ready })
    }

    fn insert(
        &self,
        notice: Arc<TaskWaker>,
        future: BoxedTask,
        started: &'static Location<'static>,
    ) {
        if let Some(place) = self.tasks.borrow_mut().place(notice.id) {
            place.task = Some(Task { future: Some(future), notice, started });
        }
    }

    fn poll(&self, id: TaskId) {
        let Some((mut future, waker, started)) = self.take(id) else { return };
        let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
        let done = matches!(self.meter.measure(started, poll), Poll::Ready(()));
        let mut tasks = self.tasks.borrow_mut();
        let ended = match tasks.get_mut(id) {
            Some(task) if !done => {
                task.future = Some(future);
                return;
            }
            _ => tasks.remove(id),
        };
        // The future may own anything, even a `TaskHandle`: it is dropped without the borrow.
        drop(tasks);
        drop((future, ended));
    }

    fn take(&self, id: TaskId) -> Option<(BoxedTask, Waker, &'static Location<'static>)> {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.get_mut(id)?;
        task.notice.queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&task.notice));
        Some((task.future.take()?, waker, task.started))
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
        self.spawn_boxed(priority, Box::pin(future), Location::caller())
    }

    /// [`spawn`](Self::spawn), once for all types of futures.
    #[inline(never)]
    fn spawn_boxed(
        &self,
        priority: Priority,
        future: BoxedTask,
        started: &'static Location<'static>,
    ) -> TaskHandle {
        let Some(inner) = self.inner.upgrade() else {
            return TaskHandle { id: TaskId { place: 0, turn: 0 }, inner: Weak::new() };
        };
        let notice = inner.new_waker(priority);
        let id = notice.id;
        inner.insert(Arc::clone(&notice), future, started);
        notice.wake();
        TaskHandle { id, inner: Weak::clone(&self.inner) }
    }

    /// Polls a future on the spot, and makes a task of it only if it has to wait: `None` then, and
    /// the task does `then` with what it gives.
    #[track_caller]
    pub fn run<T: 'static>(
        &self,
        priority: Priority,
        mut future: impl Future<Output = T> + Unpin + 'static,
        then: impl FnOnce(T) + 'static,
    ) -> Option<T> {
        let inner = self.inner.upgrade()?;
        let notice = inner.new_waker(priority);
        let waker = Waker::from(Arc::clone(&notice));
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(value) = polled {
            inner.tasks.borrow_mut().remove(notice.id);
            return Some(value);
        }
        let task = Box::pin(async move { then(future.await) });
        inner.insert(notice, task, Location::caller());
        None
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
        let task = inner.tasks.borrow_mut().remove(self.id);
        drop(task);
    }

    /// Whether the task has ended.
    pub fn is_done(&self) -> bool {
        let inner = self.inner.upgrade();
        inner.is_none_or(|inner| inner.tasks.borrow_mut().get_mut(self.id).is_none())
    }
}
