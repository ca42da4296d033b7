//! Moving every process by the clock, for tests and for studying migration (`roam=50ms`).

use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, Pid};

use crate::executor::Priority;
use crate::kernel::Kernel;
use crate::process::Home;

/// The processes that were refused once: they are not asked again, for their reason is told
/// already.
type Refused = Rc<RefCell<BTreeSet<Pid>>>;

/// From now on moves every process of this home to the next node once in `period`, as if told from
/// outside.
pub fn by_the_clock(kernel: &Rc<Kernel>, period: Duration) {
    let refused = Refused::default();
    let kernel = Rc::clone(kernel);
    kernel.spawner.clone().spawn(Priority::Service, async move {
        loop {
            kernel.timers.sleep_until(kernel.now() + period).await;
            for home in kernel.processes.homes() {
                if let Some(node) = next(&kernel, &home)
                    && !refused.borrow().contains(&home.pid)
                {
                    order(&kernel, home, node, &refused);
                }
            }
        }
    });
}

/// The node after the one where the process is; none if it has ended or still moves.
fn next(kernel: &Kernel, home: &Home) -> Option<NodeId> {
    let cell = home.cell().filter(|_| !home.is_zombie())?;
    let moves = cell.deputy_driver().is_some_and(|deputy| deputy.order.borrow().is_some());
    (!moves).then(|| NodeId(cell.place().0 % kernel.nodes + 1))
}

fn order(kernel: &Rc<Kernel>, home: Rc<Home>, node: NodeId, refused: &Refused) {
    let (kernel, refused) = (Rc::clone(kernel), Rc::clone(refused));
    kernel.spawner.clone().spawn(Priority::Service, async move {
        if let Err(refusal) = kernel.migrate(&home, node).await
            && ![Errno::EBUSY, Errno::ESRCH].contains(&refusal.errno)
        {
            refused.borrow_mut().insert(home.pid);
        }
    });
}
