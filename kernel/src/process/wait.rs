//! Parents and children: what wait4(2) and waitid(2) see, and the signal that announces it.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{
    SA_NOCLDSTOP, SA_NOCLDWAIT, SIG_IGN, SigDetail, SigInfo, Signal,
};

use super::Home;

/// Which children a wait is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Every child.
    Any,
    /// The child with this pid.
    Child(Pid),
    /// Children in this process group.
    Group(Pid),
}

/// Which children a wait is for, by the signal that tells of their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToldBy {
    /// SIGCHLD.
    Sigchld,
    /// Another signal, or none (`__WCLONE`).
    Other,
    /// Any (`__WALL`).
    Any,
}

/// Which changes of state a wait is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changes {
    /// Ended.
    pub exited: bool,
    /// Stopped by a signal.
    pub stopped: bool,
    /// Resumed by SIGCONT.
    pub continued: bool,
    /// Leave the child as it is, for another wait.
    pub keep: bool,
}

/// What a wait found.
pub struct Found {
    /// The child.
    pub child: Rc<Home>,
    /// What happened to it.
    pub status: WaitStatus,
}

/// Looks for a child that has changed as asked, and takes the change.
///
/// # Errors
/// `ECHILD` if there is no child to wait for.
pub fn look(
    parent: &Home,
    which: Which,
    told: ToldBy,
    changes: Changes,
) -> Result<Option<Found>, Errno> {
    let mut any = false;
    let mut found = None;
    for child in parent.children.borrow().values() {
        let wanted = match which {
            Which::Any => true,
            Which::Child(pid) => child.pid == pid,
            Which::Group(group) => child.group.get() == group,
        };
        let by_sigchld = child.exit_signal.get() == Some(Signal::SIGCHLD);
        let wanted = wanted
            && match told {
                ToldBy::Sigchld => by_sigchld,
                ToldBy::Other => !by_sigchld,
                ToldBy::Any => true,
            };
        any |= wanted;
        if !wanted || found.is_some() {
            continue;
        }
        if let Some(status) = change_of(child, changes) {
            found = Some(Found { child: Rc::clone(child), status });
        }
    }
    match found {
        Some(found) => {
            if !changes.keep {
                take(parent, &found);
            }
            Ok(Some(found))
        }
        None if any => Ok(None),
        None => Err(Errno::ECHILD),
    }
}

fn change_of(child: &Home, changes: Changes) -> Option<WaitStatus> {
    if child.is_zombie() {
        return child.exiting().filter(|_| changes.exited);
    }
    match child.unreported.get()? {
        status @ WaitStatus::Stopped(_) if changes.stopped => Some(status),
        status @ WaitStatus::Continued if changes.continued => Some(status),
        _ => None,
    }
}

fn take(parent: &Home, found: &Found) {
    found.child.unreported.set(None);
    if found.child.is_zombie() {
        let cpu = found.child.cpu.get() + found.child.children_cpu.get();
        parent.children_cpu.set(parent.children_cpu.get() + cpu);
        parent.children.borrow_mut().remove(&found.child.pid);
    }
}

/// Tells `parent` that `child` has changed state.
pub(super) fn child_changed(parent: &Home, child: &Home, status: WaitStatus) {
    let action = parent.signals.get(Signal::SIGCHLD);
    let ended = matches!(status, WaitStatus::Exited(_) | WaitStatus::Signaled(_));
    let signal = if ended {
        let signal = end_signal(parent, child);
        let unwanted = action.handler == SIG_IGN || action.flags & SA_NOCLDWAIT != 0;
        if signal == Some(Signal::SIGCHLD) && unwanted {
            parent.children.borrow_mut().remove(&child.pid);
        }
        signal
    } else {
        child.unreported.set(Some(status));
        (action.flags & SA_NOCLDSTOP == 0).then_some(Signal::SIGCHLD)
    };
    if let Some(signal) = signal {
        let (code, value) = status.to_siginfo();
        let uid = child.credentials.borrow().user.real;
        let detail = SigDetail::Child { pid: child.pid.0, uid, status: value };
        parent.post(SigInfo { signal, code, detail });
    }
    parent.child_changed.wake_all();
}

/// What tells `parent` of the end of `child`: a program that the parent has become since cannot
/// know what its forerunner asked for.
fn end_signal(parent: &Home, child: &Home) -> Option<Signal> {
    let same_program = child.parent_executions.get() == parent.executions.get();
    if same_program { child.exit_signal.get() } else { Some(Signal::SIGCHLD) }
}
