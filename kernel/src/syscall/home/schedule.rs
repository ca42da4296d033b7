//! What sched(7), nice(2) and ioprio_set(2) set, and personality(2): recorded.

use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Pid, Tid};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::capability::CAP_SYS_NICE;
use wayfarer_proto::linux::process::{
    SCHED_FIFO, SCHED_FLAG_RESET_ON_FORK, SCHED_RESET_ON_FORK, SCHED_RR, SchedAttr,
};
use wayfarer_proto::linux::time::Timespec;
use wayfarer_proto::table::Sysno;

use super::files::names::structure;
use crate::process::{Home, HomeThread, Schedule};
use crate::syscall::{Call, Caller, SysResult};

/// `PRIO_PROCESS`, `PRIO_PGRP`, `PRIO_USER` of getpriority(2).
const PRIORITY_OF: [i32; 3] = [0, 1, 2];
/// `IOPRIO_WHO_PROCESS`, `IOPRIO_WHO_PGRP`, `IOPRIO_WHO_USER` of ioprio_get(2).
const IO_PRIORITY_OF: [i32; 3] = [1, 2, 3];
/// The highest class of ioprio_set(2): idle.
const IO_CLASS_MAX: u32 = 3;
/// Where the class stands in an I/O priority.
const IO_CLASS_SHIFT: u32 = 13;
/// personality(2) with this argument only asks.
const ASK: u32 = u32::MAX;

/// Executes one of these calls.
pub(super) async fn dispatch(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::sched_setparam | Sysno::sched_setscheduler => set_policy(c, call).await,
        Sysno::sched_getparam => {
            let priority = named(c, call.int(0))?.thread.schedule.get().priority;
            c.memory.copy_out(call.addr(1), &priority.to_le_bytes()).await?;
            Ok(0)
        }
        Sysno::sched_getscheduler => {
            let schedule = named(c, call.int(0))?.thread.schedule.get();
            let reset = if schedule.reset_on_fork { SCHED_RESET_ON_FORK } else { 0 };
            Ok((schedule.policy | reset).into())
        }
        Sysno::sched_rr_get_interval => interval(c, call).await,
        Sysno::sched_setattr => set_attributes(c, call).await,
        Sysno::sched_getattr => get_attributes(c, call).await,
        Sysno::getpriority => {
            let all = threads(c, call, PRIORITY_OF)?;
            let nice = all.iter().map(|one| one.thread.schedule.get().nice).min();
            Ok((20 - nice.unwrap_or(0)) as u64)
        }
        Sysno::setpriority => {
            for one in threads(c, call, PRIORITY_OF)? {
                may_change(c, &one)?;
                let schedule = &one.thread.schedule;
                may_raise(c, call.int(2) < schedule.get().nice)?;
                schedule.set(schedule.get().with_nice(call.int(2)));
            }
            Ok(0)
        }
        Sysno::ioprio_get => {
            let all = threads(c, call, IO_PRIORITY_OF)?;
            Ok(all
                .iter()
                .map(|one| one.thread.schedule.get().io_priority)
                .min()
                .unwrap_or(0)
                .into())
        }
        Sysno::ioprio_set => set_io_priority(c, call),
        Sysno::personality => {
            let old = c.home.personality.get();
            if call.args[0] as u32 != ASK {
                c.home.personality.set(call.args[0] as u32);
            }
            Ok(old.into())
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// Fails for what only the privileged may: a better place than before.
fn may_raise(c: &Caller, raises: bool) -> Result<(), Errno> {
    let privileged = c.home.credentials.borrow().has(CAP_SYS_NICE);
    if raises && !privileged { Err(Errno::EACCES) } else { Ok(()) }
}

/// Fails for a thread of somebody else's process.
fn may_change(c: &Caller, named: &Named) -> Result<(), Errno> {
    let may = c.home.credentials.borrow().may_schedule(&named.owner.credentials.borrow());
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

/// A thread that a call names, and whose it is.
struct Named {
    owner: Rc<Home>,
    thread: Rc<HomeThread>,
}

/// The thread that an argument names; 0 is the caller.
fn named(c: &Caller, tid: i32) -> Result<Named, Errno> {
    match tid {
        0 => Ok(Named { owner: Rc::clone(&c.home), thread: Rc::clone(&c.thread) }),
        ..0 => Err(Errno::EINVAL),
        _ => {
            let of = |owner: Rc<Home>| Some(Named { thread: owner.thread(Tid(tid))?, owner });
            c.kernel.processes.homes().into_iter().find_map(of).ok_or(Errno::ESRCH)
        }
    }
}

/// The threads that two arguments name: a thread, a process group, or all of a user.
fn threads(c: &Caller, call: &Call, kinds: [i32; 3]) -> Result<Vec<Named>, Errno> {
    let (kind, who) = (call.int(0), call.int(1));
    let all = |homes: Vec<Rc<Home>>| -> Vec<_> {
        let threads = |owner: Rc<Home>| -> Vec<_> {
            let threads = owner.threads.borrow();
            let named = |thread| Named { owner: Rc::clone(&owner), thread: Rc::clone(thread) };
            threads.values().map(named).collect()
        };
        homes.into_iter().flat_map(threads).collect()
    };
    let found = match kinds.iter().position(|known| *known == kind) {
        Some(0) => return Ok(alloc::vec![named(c, who).map_err(|_| Errno::ESRCH)?]),
        Some(1) if who == 0 => all(c.kernel.group_members(c.home.group.get())),
        Some(1) => all(c.kernel.group_members(Pid(who))),
        Some(2) => {
            let own = c.home.credentials.borrow().user.real;
            let user = if who == 0 { own } else { who as u32 };
            let mut homes = c.kernel.processes.homes();
            homes.retain(|home| home.credentials.borrow().user.real == user);
            all(homes)
        }
        _ => return Err(Errno::EINVAL),
    };
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

/// sched_setscheduler(2) and sched_setparam(2).
async fn set_policy(c: &Caller, call: &Call) -> SysResult {
    let whole = call.sysno == Sysno::sched_setscheduler;
    let param = call.addr(if whole { 2 } else { 1 });
    if param.is_null() || call.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = u32::from_le_bytes(structure::<4>(c, param).await?);
    let named = named(c, call.int(0))?;
    may_change(c, &named)?;
    let old = named.thread.schedule.get();
    let policy = if whole { call.args[1] as u32 } else { old.policy };
    let mut new = old.with_policy(policy & !SCHED_RESET_ON_FORK, priority)?;
    if new.priority > old.priority {
        may_raise(c, true).map_err(|_| Errno::EPERM)?;
    }
    if whole {
        new.reset_on_fork = policy & SCHED_RESET_ON_FORK != 0;
    }
    named.thread.schedule.set(new);
    Ok(0)
}

/// sched_rr_get_interval(2): what Linux says, as no program here runs by these policies.
async fn interval(c: &Caller, call: &Call) -> SysResult {
    let millis = match named(c, call.int(0))?.thread.schedule.get().policy {
        SCHED_FIFO => 0,
        SCHED_RR => 100,
        _ => 4,
    };
    let interval = Timespec { seconds: 0, nanoseconds: millis * 1_000_000 };
    c.memory.copy_out(call.addr(1), &interval.to_bytes()).await?;
    Ok(0)
}

/// sched_setattr(2).
async fn set_attributes(c: &Caller, call: &Call) -> SysResult {
    if call.addr(1).is_null() || call.int(0) < 0 || call.args[2] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let bytes = structure::<{ SchedAttr::SIZE }>(c, call.addr(1)).await?;
    let attr = SchedAttr::from_bytes(&bytes);
    if attr.size != 0 && (attr.size as usize) < SchedAttr::SIZE {
        return Err(Errno::E2BIG);
    }
    if attr.flags & !SCHED_FLAG_RESET_ON_FORK != 0 {
        return Err(Errno::EINVAL);
    }
    let named = named(c, call.int(0))?;
    may_change(c, &named)?;
    let schedule = &named.thread.schedule;
    let new = schedule.get().with_policy(attr.policy, attr.priority)?;
    let reset_on_fork = attr.flags & SCHED_FLAG_RESET_ON_FORK != 0;
    schedule.set(Schedule { reset_on_fork, ..new.with_nice(attr.nice) });
    Ok(0)
}

/// sched_getattr(2).
async fn get_attributes(c: &Caller, call: &Call) -> SysResult {
    let room = call.args[2] as u32 as usize;
    if call.addr(1).is_null() || call.int(0) < 0 || call.args[3] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    if !(SchedAttr::SIZE..=4096).contains(&room) {
        return Err(Errno::EINVAL);
    }
    let schedule = named(c, call.int(0))?.thread.schedule.get();
    let attr = SchedAttr {
        size: SchedAttr::SIZE as u32,
        policy: schedule.policy,
        flags: if schedule.reset_on_fork { SCHED_FLAG_RESET_ON_FORK } else { 0 },
        nice: schedule.nice,
        priority: schedule.priority,
        deadline: [0; 24],
    };
    c.memory.copy_out(call.addr(1), &attr.to_bytes()).await?;
    Ok(0)
}

fn set_io_priority(c: &Caller, call: &Call) -> SysResult {
    let io_priority = call.args[2] as u32;
    let (class, level) = (io_priority >> IO_CLASS_SHIFT, io_priority & 7);
    if class > IO_CLASS_MAX || (class == 0 && level != 0) {
        return Err(Errno::EINVAL);
    }
    for one in threads(c, call, IO_PRIORITY_OF)? {
        may_change(c, &one)?;
        let schedule = &one.thread.schedule;
        schedule.set(Schedule { io_priority, ..schedule.get() });
    }
    Ok(0)
}
