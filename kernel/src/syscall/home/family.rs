//! fork(2), vfork(2), clone(2), clone3(2): home makes the new identity, the body its new context.

use alloc::rc::Rc;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, Pid, Tid};
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::process::WaitStatus;

use super::events;
use crate::process::{CloneArgs, Home, Kind, spawn_reaper};
use crate::syscall::{Call, Caller, SysResult};

/// All of them; clone3(2) comes as clone(2).
///
/// # Errors
/// `EINVAL` for flags that make neither a thread, a vfork child nor a fork child; `EAGAIN` if no
/// id is free; `ENOMEM` if the child's body cannot be made.
pub(super) async fn clone(c: &Caller, call: &Call) -> SysResult {
    let args = CloneArgs::of(call);
    let kind = args.kind()?;
    if kind == Kind::Thread {
        return new_thread(c);
    }
    let child = new_process(c, &args, kind)?;
    if let Err(errno) = c.memory.make_child(&child, call, kind).await {
        abandon(c, &child);
        return Err(errno);
    }
    if args.wants_descriptor() {
        let fd = events::open_process(c, &child, OpenFlags::empty())? as u32;
        c.memory.copy_out(call.addr(2), &fd.to_le_bytes()).await?;
    }
    if kind == Kind::Vfork {
        let returned = || (!child.borrows_memory.get()).then_some(());
        c.thread.killable(&c.home, child.memory_returned.wait_until(returned)).await?;
    }
    Ok(child.pid.0 as u64)
}

fn new_thread(c: &Caller) -> SysResult {
    let tid = Tid(c.kernel.processes.allocate_id()?);
    let thread = c.home.add_thread(tid);
    *thread.name.borrow_mut() = Some(c.home.name_of(Some(&c.thread)));
    thread.mask.set(c.thread.mask.get());
    thread.schedule.set(c.thread.schedule.get().inherited());
    Ok(tid.0 as u64)
}

fn new_process(c: &Caller, args: &CloneArgs, kind: Kind) -> Result<Rc<Home>, Errno> {
    let parent = &c.home;
    let pid = Pid(c.kernel.processes.allocate_id()?);
    let (group, session) = (parent.group.get(), parent.session.get());
    let child = Home::new(pid, group, session, parent.files.fork(), parent.signals.clone());
    *child.limits.borrow_mut() = parent.limits.borrow().clone();
    *child.program.borrow_mut() = parent.program.borrow().clone();
    child.started.set(c.kernel.now());
    child.oom_adjustment.set(parent.oom_adjustment.get());
    *child.parent.borrow_mut() = Rc::downgrade(parent);
    child.borrows_memory.set(kind == Kind::Vfork);
    if let Some(thread) = child.thread(pid.leader()) {
        thread.name.replace(c.thread.name.borrow().clone());
        thread.mask.set(c.thread.mask.get());
        thread.schedule.set(c.thread.schedule.get().inherited());
    }
    *child.credentials.borrow_mut() = parent.credentials.borrow().clone();
    child.personality.set(parent.personality.get());
    if args.clears_handlers() {
        child.signals.reset_caught();
    }
    child.maps.copy_from(&parent.maps);
    if kind != Kind::Vfork {
        for map in parent.maps.lent() {
            child.maps.lend(map);
        }
    }
    parent.children.borrow_mut().insert(pid, Rc::clone(&child));
    c.kernel.processes.insert_home(&child);
    spawn_reaper(&c.kernel, &child);
    Ok(child)
}

/// Takes back a child whose body could not be made: nobody shall wait for it.
fn abandon(c: &Caller, child: &Rc<Home>) {
    c.home.children.borrow_mut().remove(&child.pid);
    *child.parent.borrow_mut() = alloc::rc::Weak::new();
    child.begin_exit(WaitStatus::Exited(0));
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
    c.kernel.migrate(&c.home, node).await.map_err(|refusal| refusal.errno)?;
    Ok(0)
}
