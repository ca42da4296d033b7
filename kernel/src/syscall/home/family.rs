//! fork(2), vfork(2), clone(2), clone3(2): home makes the new identity, the body its new context.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, Pid, Tid};
use wayfarer_proto::linux::capability::{CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN};
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::process::{
    CLONE_FILES, CLONE_FS, CLONE_NAMESPACES, CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD, CLONE_VM,
    WaitStatus,
};

use super::{events, take_back_semaphores};
use crate::process::{CloneArgs, Home, Kind, spawn_reaper};
use crate::syscall::{Call, Caller, SysResult};

/// All of them; clone3(2) comes as clone(2).
///
/// # Errors
/// `EINVAL` for flags that make neither a thread, a vfork child nor a fork child, and for a sibling
/// of who has no parent; what [`take_id`] says; `ENOMEM` if the child's body cannot be made.
pub(super) async fn clone(c: &Caller, call: &Call) -> SysResult {
    let args = CloneArgs::of(call);
    let kind = args.kind()?;
    if kind == Kind::Thread {
        return new_thread(c, &args);
    }
    if kind == Kind::Vfork {
        c.thread.killable(&c.home, c.kernel.may_lend(&c.home)).await?;
    }
    let child = new_process(c, &args, kind)?;
    if let Err(errno) = c.memory.make_child(&child, call, kind).await {
        abandon(&child);
        return Err(errno);
    }
    if args.wants_descriptor() {
        let fd = events::open_process(c, &child, OpenFlags::empty())? as u32;
        c.memory.copy_out(call.addr(2), &fd.to_le_bytes()).await?;
    }
    if args.waits() {
        let returned = || (child.executions.get() > 0 || child.is_zombie()).then_some(());
        c.thread.killable(&c.home, child.memory_returned.wait_until(returned)).await?;
    }
    Ok(child.pid.0 as u64)
}

/// The id of what is made: any, or the one that the caller has chosen (clone3(2), `set_tid`).
///
/// # Errors
/// `EAGAIN` if no id is free; `EPERM`, `EINVAL`, `EEXIST` for one that was chosen.
fn take_id(c: &Caller, args: &CloneArgs) -> Result<i32, Errno> {
    let Some(wanted) = args.wanted_id() else { return c.kernel.processes.allocate_id() };
    if !c.home.credentials.borrow().has(CAP_SYS_ADMIN | CAP_CHECKPOINT_RESTORE) {
        return Err(Errno::EPERM);
    }
    c.kernel.processes.claim_id(wanted)
}

fn new_thread(c: &Caller, args: &CloneArgs) -> SysResult {
    let tid = Tid(take_id(c, args)?);
    let thread = c.home.add_thread(tid);
    *thread.name.borrow_mut() = Some(c.home.name_of(Some(&c.thread)));
    thread.mask.set(c.thread.mask.get());
    thread.schedule.set(c.thread.schedule.get().inherited());
    Ok(tid.0 as u64)
}

fn new_process(c: &Caller, args: &CloneArgs, kind: Kind) -> Result<Rc<Home>, Errno> {
    let caller = &c.home;
    let parent = match args.is_sibling() {
        true => caller.parent.borrow().upgrade().ok_or(Errno::EINVAL)?,
        false => Rc::clone(caller),
    };
    let pid = Pid(take_id(c, args)?);
    let (group, session) = (caller.group.get(), caller.session.get());
    let files = caller.files.fork(args.shares_descriptors(), args.shares_place());
    let child = Home::new(pid, group, session, files, caller.signals.clone());
    agree_on_end(caller, args, &child);
    *child.limits.borrow_mut() = caller.limits.borrow().clone();
    *child.program.borrow_mut() = caller.program.borrow().clone();
    child.started.set(c.kernel.now());
    child.oom_adjustment.set(caller.oom_adjustment.get());
    *child.parent.borrow_mut() = Rc::downgrade(&parent);
    child.borrows_memory.set(kind == Kind::Vfork);
    if let Some(thread) = child.thread(pid.leader()) {
        thread.name.replace(c.thread.name.borrow().clone());
        thread.mask.set(c.thread.mask.get());
        thread.schedule.set(c.thread.schedule.get().inherited());
    }
    *child.credentials.borrow_mut() = caller.credentials.borrow().clone();
    child.personality.set(caller.personality.get());
    if args.clears_handlers() {
        child.signals.reset_caught();
    }
    child.maps.copy_from(&caller.maps);
    if kind != Kind::Vfork {
        for map in caller.maps.lent() {
            child.maps.lend(map);
        }
    }
    parent.children.borrow_mut().insert(pid, Rc::clone(&child));
    c.kernel.processes.insert_home(&child);
    spawn_reaper(&c.kernel, &child);
    Ok(child)
}

/// What will tell the child's parent of its end. A sibling ends as its caller will.
fn agree_on_end(caller: &Home, args: &CloneArgs, child: &Home) {
    let (signal, executions) = match args.is_sibling() {
        true => (caller.exit_signal.get(), caller.parent_executions.get()),
        false => (args.exit_signal(), caller.executions.get()),
    };
    child.exit_signal.set(signal);
    child.parent_executions.set(executions);
}

/// Takes back a child whose body could not be made: nobody shall wait for it.
fn abandon(child: &Rc<Home>) {
    let parent = core::mem::take(&mut *child.parent.borrow_mut()).upgrade();
    if let Some(parent) = parent {
        parent.children.borrow_mut().remove(&child.pid);
    }
    child.begin_exit(WaitStatus::Exited(0));
}

/// unshare(2): ends what the process shares with others. Its threads share with each other.
///
/// # Errors
/// `EPERM` for namespaces, `EINVAL` for unknown flags, and for any if there are other threads.
pub(super) fn unshare(c: &Caller, call: &Call) -> SysResult {
    let flags = call.args[0];
    let of_process = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;
    let of_threads = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
    let alone = c.home.threads.borrow().len() == 1;
    match flags & !(of_process | of_threads) {
        0 if flags == 0 || alone => {}
        namespaces if namespaces & CLONE_NAMESPACES != 0 => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    }
    if flags & CLONE_FS != 0 {
        c.home.files.unshare_place();
    }
    if flags & CLONE_FILES != 0 {
        c.home.files.unshare_descriptors();
    }
    if flags & CLONE_SYSVSEM != 0 {
        take_back_semaphores(&c.kernel, &c.home);
    }
    Ok(0)
}

/// migrate(): moves the calling process to a node (thesis, section 4.4).
///
/// # Errors
/// `EHOSTUNREACH` for a node that does not exist, `EBUSY` for a vfork child, which would take its
/// parent's memory along, and what a refusal says.
pub(super) async fn migrate(c: &Caller, call: &Call) -> SysResult {
    let node = NodeId(u16::try_from(call.args[0]).map_err(|_| Errno::EHOSTUNREACH)?);
    if c.home.borrows_memory.get() {
        return Err(Errno::EBUSY);
    }
    // Who is killed waits for nobody: the move goes on or fails without it.
    let moved = c.thread.killable(&c.home, c.kernel.migrate(&c.home, node)).await?;
    moved.map_err(|refusal| refusal.errno)?;
    Ok(0)
}
