//! Process 1: the kernel's own parent of the first program and of every orphan.

use alloc::rc::Rc;
use alloc::string::String;

use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::signal::{SIG_IGN, SigAction, Signal};

use super::{Files, Home};
use crate::kernel::Kernel;
use crate::signal::Handlers;

/// Makes process 1: the kernel itself as parent of the first program and of every orphan. It has
/// no body; children that end are forgotten at once, as if SIGCHLD were ignored.
pub fn make_init(kernel: &Kernel) -> Rc<Home> {
    let pid = Pid(kernel.processes.allocate_id().unwrap_or(1));
    let files = Files::new(Rc::clone(kernel.vfs.root()));
    let init = Home::new(pid, pid, pid, files, Handlers::default());
    init.signals.set(Signal::SIGCHLD, SigAction { handler: SIG_IGN, ..SigAction::DEFAULT });
    Rc::make_mut(&mut init.program.borrow_mut()).comm = String::from("init");
    kernel.processes.insert_home(&init);
    init
}
