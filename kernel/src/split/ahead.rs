//! Writes that a body away does not wait for (decision 0016): home lends it the room of a pipe,
//! and takes in what it then writes.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::ops::Range;
use core::pin::Pin;

use wayfarer_deputy::Input;
use wayfarer_proto::id::{CallSeq, Fd, Tid};
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::message::{Args, Call as WireCall};
use wayfarer_proto::sorted::SortedSet;
use wayfarer_proto::table::Sysno;

use super::read_ahead::{Lent, Reading};
use super::{BodyDriver, DeputyDriver};
use crate::executor::WaitQueue;
use crate::fs::OpenFile;
use crate::process::{Home, Running};
use crate::syscall::Reply;

/// Loans in a row that a process may leave unused; then it must write first.
const IDLE_LOANS: u32 = 16;

/// What a deputy knows of the writes of its process.
#[derive(Default)]
pub(super) struct Ahead {
    /// Where it wrote last.
    fd: Cell<Option<Fd>>,
    /// Loans since then.
    idle: Cell<u32>,
    /// Its number among the returns of the node, while one is awaited.
    awaited: Cell<Option<u64>>,
    pub(super) reading: Cell<Reading>,
    /// What it has of a file.
    pub(super) lent: RefCell<Option<Lent>>,
}

/// Bodies that are being told something while they may have written on credit. Whoever caused it is
/// not answered before that has come home.
#[derive(Default)]
pub struct Returns {
    /// How many have begun.
    begun: Cell<u64>,
    /// Those that go on, by number.
    open: RefCell<SortedSet<u64>>,
    pub(super) ended: WaitQueue,
    /// Bytes of files that bodies have.
    pub(super) lent: Rc<Cell<usize>>,
}

impl Returns {
    /// Does `work`, then waits until the returns are over that it has begun.
    pub async fn settle<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        let mut own = self.begun.get()..self.begun.get();
        let result = poll_fn(|context| {
            let before = self.begun.get();
            let polled = work.as_mut().poll(context);
            if self.begun.get() > before {
                let first = if own.is_empty() { before } else { own.start };
                own = first..self.begun.get();
            }
            polled
        })
        .await;
        if !own.is_empty() {
            self.over(own).await;
        }
        result
    }

    /// How many have begun so far: the number of the next.
    pub fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Waits until these are over.
    pub async fn over(&self, numbers: Range<u64>) {
        let over = || self.open.borrow().range(numbers.clone()).next().is_none().then_some(());
        self.ended.wait_until(over).await;
    }

    fn begin(&self) -> u64 {
        let number = self.begun.replace(self.begun.get() + 1);
        self.open.borrow_mut().insert(number);
        number
    }

    fn end(&self, number: u64) {
        self.open.borrow_mut().remove(&number);
        self.ended.wake_all();
    }
}

impl DeputyDriver {
    /// Notes a call of the body.
    pub(super) fn note_write(&self, sysno: Option<Sysno>, args: &Args) {
        if sysno == Some(Sysno::write) {
            self.ahead.fd.set(Some(Fd(args.get(0) as i32)));
            self.ahead.idle.set(0);
        }
    }

    /// Lends room after the reply to a call, if the process has written of late.
    pub(super) fn lend(self: &Rc<Self>, thread: Tid, seq: CallSeq) {
        let Some(fd) = self.ahead.fd.get() else { return };
        let idle = self.ahead.idle.get();
        if !self.kernel.ahead || self.partner.borrow().is_some() || idle >= IDLE_LOANS {
            return;
        }
        match sure_room(&self.home, fd) {
            0 => {
                self.ahead.fd.set(None);
                let mut reading = self.ahead.reading.get();
                reading.interrupt();
                self.ahead.reading.set(reading);
            }
            room => {
                self.ahead.idle.set(idle + 1);
                self.input(Input::Lend { thread, seq, fd, room });
            }
        }
    }

    /// Notes whether a loan is to be returned: before anything that the body says is acted on.
    pub(super) fn note_return(&self) {
        let returns = &self.kernel.returns;
        if !self.session.borrow().has_lent_bytes() && self.ahead.lent.take().is_some() {
            returns.ended.wake_all();
        }
        match (self.session.borrow().awaits_return(), self.ahead.awaited.get()) {
            (true, None) => self.ahead.awaited.set(Some(returns.begin())),
            (false, Some(number)) => {
                self.ahead.awaited.set(None);
                returns.end(number);
            }
            _ => {}
        }
    }

    /// Takes in what the process has written on credit.
    pub(super) fn posted(&self, fd: Fd, bytes: &[u8]) {
        self.ahead.idle.set(0);
        let away = &self.home.away;
        away.remote.set(away.remote.get() + 1);
        // The descriptor is what it was: what changes it is a request, which ends the loan.
        let Ok(file) = self.home.files.descriptors().get(fd) else { return };
        if file.take(bytes).is_err() {
            let (pid, node) = (self.home.pid, self.kernel.node);
            self.kernel
                .console
                .log(format_args!("out of memory on node {node}: process {pid} is ended"));
            self.home.begin_exit(WaitStatus::Signaled(Signal::SIGKILL.number()));
        }
    }
}

/// How much the process can write to `fd` so that nobody could tell when it is done, as long as it
/// makes no other call.
fn sure_room(home: &Home, fd: Fd) -> usize {
    let Ok(file) = home.files.descriptors().get(fd) else { return 0 };
    let room = file.sure_room();
    if room > 0 && owns(home, &file) { room } else { 0 }
}

/// Whether memory and open file are the process's own.
pub(super) fn owns(home: &Home, file: &Rc<OpenFile>) -> bool {
    let lends_memory = || home.children.borrow().values().any(|child| child.borrows_memory.get());
    let has_all = !home.borrows_memory.get() && !lends_memory();
    let has_table = home.files.has_own_descriptors() && home.files.descriptors().has_alone(file);
    has_all && has_table && home.exiting().is_none()
}

impl Running {
    /// Writes on credit, if this is a write for which home has lent room.
    pub(crate) fn write_ahead(
        &self,
        driver: &Rc<BodyDriver>,
        call: &mut WireCall,
    ) -> Option<Reply> {
        let fd = Fd(call.args.get(0) as i32);
        let [window] = &mut call.ins[..] else { return None };
        let length = window.bytes.len();
        let whole = call.args.get(2) == length as u64;
        if call.number != Sysno::write.number() || !whole || self.thread.attention.get() {
            return None;
        }
        if self.body.memory().space.borrow().is_shared() {
            return None;
        }
        let bytes = core::mem::take(&mut window.bytes);
        match driver.post(self.thread.tid.get(), fd, bytes) {
            Ok(seq) => {
                self.body.set_last_seq(seq);
                Some(Reply { result: Ok(length as u64), actions: Vec::new() })
            }
            Err(bytes) => {
                window.bytes = bytes;
                None
            }
        }
    }
}

impl BodyDriver {
    /// Sends a write that awaits no reply; the bytes back if the deputy has not lent room for them.
    fn post(self: &Rc<Self>, thread: Tid, fd: Fd, bytes: Vec<u8>) -> Result<CallSeq, Vec<u8>> {
        let now = self.kernel.now();
        if !self.session.borrow().may_post(now, fd, bytes.len()) {
            return Err(bytes);
        }
        let seq = self.session.borrow_mut().post(thread, fd, bytes);
        self.drain();
        // The thread runs on: nobody else would send it before it is interrupted.
        if let Some(network) = &self.kernel.network {
            network.transmit(now);
        }
        Ok(seq)
    }
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use core::pin::pin;

    use super::*;
    use crate::executor::{Executor, Priority};

    #[test]
    fn who_causes_a_return_waits_for_it_and_nobody_else() {
        let executor = Executor::new();
        let returns = Rc::<Returns>::default();
        let number = Rc::new(Cell::new(None));
        let done = Rc::new(RefCell::new(Vec::new()));
        for (name, begins) in [("cause", true), ("other", false)] {
            let (returns, number, done) =
                (Rc::clone(&returns), Rc::clone(&number), Rc::clone(&done));
            executor.spawner().spawn(Priority::User, async move {
                let work = async { begins.then(|| number.set(Some(returns.begin()))) };
                returns.settle(pin!(work)).await;
                done.borrow_mut().push(name);
            });
        }
        let drain = || {
            while executor.has_ready() {
                executor.run_round();
            }
        };
        drain();
        assert_eq!(*done.borrow(), ["other"]);
        returns.end(number.get().unwrap());
        drain();
        assert_eq!(*done.borrow(), ["other", "cause"]);
    }
}
