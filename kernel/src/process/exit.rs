//! The end of a process: its body is destroyed, its handlers end by themselves, and only then are
//! its descriptors released (decision D3). What is left is a status for the parent to collect.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::console::{FromNode, ProgramReport};
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{SI_USER, SigDetail, SigInfo, Signal};

use super::{Home, HomeThread};
use crate::executor::Priority;
use crate::ipc::MessageQueue;
use crate::kernel::Kernel;
use crate::runner::exit_status;

/// The process that adopts orphans.
const INIT: Pid = Pid(1);

/// Starts the task that buries a process once it has begun to exit.
pub fn spawn_reaper(kernel: &Rc<Kernel>, home: &Rc<Home>) {
    let (kernel, home) = (Rc::clone(kernel), Rc::clone(home));
    kernel.spawner.clone().spawn(Priority::Service, async move {
        home.exit_changed.wait_until(|| home.exiting()).await;
        // Boxed: a process waits for its end as long as it lives, and ends once.
        Box::pin(kernel.destroy_body(&home)).await;
        home.exit_changed.wait_until(|| all_idle(&home).then_some(())).await;
        bury(&kernel, &home);
    });
}

fn all_idle(home: &Home) -> bool {
    home.threads.borrow().values().all(|thread| !thread.has_open_call())
}

/// Releases everything but the status.
fn bury(kernel: &Rc<Kernel>, home: &Rc<Home>) {
    if let Some(timer) = home.real_timer.take() {
        timer.task.cancel();
    }
    home.timers.clear();
    crate::syscall::home::take_back_semaphores(kernel, home);
    if let Some((files, owner)) = home.files.leave_descriptors() {
        for file in files {
            MessageQueue::closed(&file, home.pid);
        }
        kernel.vfs.open_files().locks().release(&[owner]);
    }
    home.threads.borrow_mut().clear();
    report(kernel, home);
    give_children_away(kernel, home);
    hang_up_session(kernel, home);
    home.become_zombie();
    kernel.processes.ended();
}

/// Tells the runner what a process did that was away, or that it has started.
fn report(kernel: &Kernel, home: &Home) {
    if !home.away.ever.get() && kernel.program.get() != Some(home.pid) {
        return;
    }
    kernel.console.send(&FromNode::Program(ProgramReport {
        pid: home.pid,
        name: home.program.borrow().comm.clone(),
        local: home.away.local.get(),
        remote: home.away.remote.get(),
        special: home.away.special.get(),
        round_trips: home.away.round_trips.get(),
        retransmissions: home.away.retransmissions.get(),
        signals_away: home.away.signals.get(),
        status: exit_status(home.exiting()),
    }));
}

/// Orphans are told if they wish, and go to who adopts them; zombies among them are announced to it
/// again.
fn give_children_away(kernel: &Kernel, home: &Rc<Home>) {
    let children: Vec<_> =
        core::mem::take(&mut *home.children.borrow_mut()).into_values().collect();
    let adopter = adopter(kernel, home);
    let detail = SigDetail::Sender { pid: home.pid.0, uid: home.credentials.borrow().user.real };
    for child in children {
        if let Some(signal) = child.death_signal.get() {
            child.post(SigInfo { signal, code: SI_USER, detail });
        }
        let Some(adopter) = &adopter else { continue };
        *child.parent.borrow_mut() = Rc::downgrade(adopter);
        child.exit_signal.set(Some(Signal::SIGCHLD));
        adopter.children.borrow_mut().insert(child.pid, Rc::clone(&child));
        if let Some(status) = child.exiting().filter(|_| child.is_zombie()) {
            super::wait::child_changed(adopter, &child, status);
        }
    }
}

/// Who adopts the children of a process: its closest ancestor that wishes to, else init.
fn adopter(kernel: &Kernel, home: &Home) -> Option<Rc<Home>> {
    let mut above = home.parent.borrow().upgrade();
    while let Some(ancestor) = above {
        if ancestor.adopts.get() && ancestor.exiting().is_none() {
            return Some(ancestor);
        }
        above = ancestor.parent.borrow().upgrade();
    }
    kernel.processes.home(INIT).filter(|init| init.pid != home.pid)
}

/// When a session leader ends, its foreground group gets SIGHUP (setsid(2), tty_ioctl(4)).
fn hang_up_session(kernel: &Kernel, home: &Home) {
    if home.session.get() == home.pid
        && let Some((_, terminal)) = kernel.vfs.devices().controlling_terminal(home.pid)
    {
        terminal.leave_session(home.pid);
    }
}

impl Home {
    /// A thread ends; with the last one the process does (exit(2)).
    pub fn end_thread(&self, kernel: &Kernel, thread: &HomeThread, status: WaitStatus) {
        let last = self.threads.borrow().len() <= 1;
        if last {
            return self.begin_exit(status);
        }
        thread.kill();
        self.threads.borrow_mut().remove(&thread.tid);
        kernel.processes.release_tid(thread.tid);
        // Signals that it would have taken are for another thread now.
        self.renew_attention();
        if let Some(deputy) = self.cell().and_then(|cell| cell.deputy_driver()) {
            deputy.input(wayfarer_deputy::Input::ThreadGone { thread: thread.tid });
        }
    }
}
