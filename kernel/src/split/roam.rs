//! Moving every process by the clock, for tests and for studying migration (`roam=50ms`).

use alloc::rc::Rc;
use core::cell::RefCell;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, Pid};
use wayfarer_proto::sorted::SortedSet;

use crate::executor::Priority;
use crate::kernel::Kernel;
use crate::process::Home;

/// The processes that are moved, or were refused once: those are not asked again, for their reason
/// is told already.
type Known = Rc<RefCell<SortedSet<Pid>>>;

/// From now on moves every process of this home to the next node once it has been on one for
/// `period`, as if told from outside.
///
/// The time on a node counts from the end of the move: a process whose moves take longer than the
/// period would else be moved on as soon as it arrives, before it has done anything.
pub fn by_the_clock(kernel: &Rc<Kernel>, period: Duration) {
    let known = Known::default();
    let kernel = Rc::clone(kernel);
    kernel.spawner.clone().spawn(Priority::Service, async move {
        loop {
            kernel.timers.sleep_until(kernel.now() + period).await;
            for home in kernel.processes.homes() {
                if next(&kernel, &home).is_some() && known.borrow_mut().insert(home.pid) {
                    lead_about(&kernel, home, period, &known);
                }
            }
        }
    });
}

/// The node after the one where the process is; none if it has ended.
fn next(kernel: &Kernel, home: &Home) -> Option<NodeId> {
    let cell = home.cell().filter(|_| !home.is_zombie())?;
    Some(NodeId(cell.place().0 % kernel.nodes + 1))
}

/// Moves one process until it ends or cannot move.
fn lead_about(kernel: &Rc<Kernel>, home: Rc<Home>, period: Duration, known: &Known) {
    let (kernel, known) = (Rc::clone(kernel), Rc::clone(known));
    kernel.spawner.clone().spawn(Priority::Service, async move {
        while let Some(node) = next(&kernel, &home) {
            if let Err(refusal) = kernel.migrate(&home, node).await
                && ![Errno::EAGAIN, Errno::EBUSY, Errno::ESRCH].contains(&refusal.errno)
            {
                return;
            }
            kernel.timers.sleep_until(kernel.now() + period).await;
        }
        known.borrow_mut().remove(&home.pid);
    });
}
