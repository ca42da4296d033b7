//! What is known at home of a process, its threads and its sockets.

use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::signal::{Signal, SignalSet};
use wayfarer_proto::sorted::SortedMap;

use crate::fs::proc::{IdentityFacts, ProcessFacts, ProcessState, SocketFacts, ThreadFacts};
use crate::kernel::Kernel;
use crate::process::{Home, HomeThread, Ids};
use crate::signal::Disposition;
use crate::socket::{Protocol, Socket};

/// What is known of a process.
pub(super) fn process(kernel: &Kernel, home: &Home) -> ProcessFacts {
    let leader = home.thread(home.pid.leader());
    let terminal = kernel.vfs.devices().controlling_terminal(home.session.get());
    ProcessFacts {
        leader: thread(home, leader.as_deref()),
        parent: home.parent.borrow().upgrade().map_or(Pid(0), |parent| parent.pid),
        group: home.group.get(),
        session: home.session.get(),
        terminal: terminal
            .map(|(number, terminal)| (number, terminal.foreground().unwrap_or(Pid(-1)))),
        threads: home.threads.borrow().len(),
        children_cpu: home.children_cpu.get(),
        started: Duration::from_nanos(home.started.get().0),
        nice: leader.map_or(0, |thread| thread.schedule.get().nice),
        personality: home.personality.get(),
        exit_signal: home.exit_signal.get().map_or(0, Signal::number),
        oom_adjustment: home.oom_adjustment.get(),
        shared_pending: home.pending.borrow().set(),
        ignored: signals_with(home, |disposition| *disposition == Disposition::Ignored),
        caught: signals_with(home, |disposition| matches!(disposition, Disposition::Caught(_))),
        umask: home.files.umask(),
        descriptors: home.files.descriptors().count(),
        identity: identity(home),
    }
}

/// What is known of a thread; of a process that has ended, what is left to tell.
pub(super) fn thread(home: &Home, thread: Option<&HomeThread>) -> ThreadFacts {
    ThreadFacts {
        name: home.name_of(thread),
        state: thread.map_or_else(|| state(home), |thread| state_of(home, thread)),
        pending: thread.map_or(SignalSet::EMPTY, |thread| thread.pending.borrow().set()),
        blocked: thread.map_or(SignalSet::EMPTY, |thread| thread.mask.get()),
    }
}

fn identity(home: &Home) -> IdentityFacts {
    let credentials = home.credentials.borrow();
    let four = |ids: Ids| [ids.real, ids.effective, ids.saved, ids.files];
    let sets = credentials.capabilities;
    IdentityFacts {
        users: four(credentials.user),
        group_ids: four(credentials.group),
        groups: credentials.groups.clone(),
        capabilities: [sets.inheritable, sets.permitted, sets.effective, sets.bounding],
        no_new_privileges: credentials.no_new_privileges,
    }
}

/// The sockets among open files, each once, and those that nobody has accepted yet.
pub(super) fn sockets(kernel: &Kernel) -> Vec<SocketFacts> {
    let mut files = SortedMap::new();
    for home in kernel.processes.homes() {
        let uid = home.credentials.borrow().user.effective;
        for (_, descriptor) in home.files.descriptors().list() {
            if Socket::of(&**descriptor.file.object()).is_some() {
                files.insert(descriptor.file.metadata().inode, (uid, descriptor.file));
            }
        }
    }
    let mut found = Vec::new();
    for (inode, (uid, file)) in files.iter() {
        let Some(own) = Socket::of(&**file.object()) else { continue };
        found.push(socket(own, own.protocol(), (*inode, *uid)));
        let unaccepted = own.protocol().unaccepted();
        found.extend(unaccepted.iter().map(|protocol| socket(own, &**protocol, (0, *uid))));
    }
    found
}

/// What is known of a socket of the kind of `like` that does what `protocol` does.
fn socket(like: &Socket, protocol: &dyn Protocol, (inode, uid): (u64, u32)) -> SocketFacts {
    SocketFacts {
        inode,
        uid,
        family: like.family,
        kind: like.kind,
        local: protocol.local(),
        peer: protocol.peer().ok(),
        listens: protocol.is_listening(),
        readable: protocol.bytes_readable(),
    }
}

/// CPU time, as far as it is known at home.
pub(crate) fn cpu(home: &Home) -> Duration {
    let body = home.cell().and_then(|cell| cell.body());
    Duration::from_nanos(body.map_or_else(|| home.cpu.get(), |body| body.cpu.get()).total())
}

/// A process whose calls are all being served at home sleeps; what its body does alone counts as
/// running.
pub(crate) fn state(home: &Home) -> ProcessState {
    let busy = home.threads.borrow().values().any(|thread| !thread.has_open_call());
    state_when(home, busy)
}

fn state_of(home: &Home, thread: &HomeThread) -> ProcessState {
    state_when(home, !thread.has_open_call())
}

fn state_when(home: &Home, busy: bool) -> ProcessState {
    if home.is_zombie() {
        return ProcessState::Zombie;
    }
    if home.stopped().is_some() {
        return ProcessState::Stopped;
    }
    if busy && home.cell().is_some() { ProcessState::Running } else { ProcessState::Sleeping }
}

fn signals_with(home: &Home, wanted: fn(&Disposition) -> bool) -> SignalSet {
    let mut set = SignalSet::EMPTY;
    for signal in (1..=u64::from(Signal::MAX)).filter_map(Signal::new) {
        if wanted(&home.signals.disposition(signal)) {
            set.insert(signal);
        }
    }
    set
}
