//! The home handlers: written once, against [`UserMemory`](super::UserMemory), whether their
//! caller's body is here or far away.

mod events;
mod exec;
mod family;
mod files;
mod group;
mod identity;
mod ipc;
mod limits;
mod map;
mod posix_timer;
mod queue;
mod schedule;
mod signal;
mod sockets;
mod timer;
mod wait;

pub(crate) use ipc::take_back as take_back_semaphores;

use alloc::boxed::Box;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::table::Sysno;

use super::{Call, Caller, SysResult};

/// Executes the home part of a call. Handlers with much state are boxed: what they need would else
/// be copied with each call.
///
/// # Errors
/// What the call's manual page says; `ENOSYS` for a call that home has no part in.
pub async fn dispatch(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::execve => Box::pin(exec::execve(c, call)).await,
        Sysno::fork | Sysno::vfork | Sysno::clone => family::clone(c, call).await,
        Sysno::migrate => family::migrate(c, call).await,
        Sysno::mmap => map::map(c, call).await,
        Sysno::rt_sigaction => signal::rt_sigaction(c, call).await,
        Sysno::rt_sigprocmask => signal::rt_sigprocmask(c, call).await,
        Sysno::rt_sigpending => signal::rt_sigpending(c, call).await,
        Sysno::rt_sigsuspend => signal::rt_sigsuspend(c, call).await,
        Sysno::rt_sigtimedwait => signal::rt_sigtimedwait(c, call).await,
        Sysno::pause => signal::pause(c).await,
        Sysno::kill => signal::kill(c, call),
        Sysno::tkill => signal::tkill(c, call),
        Sysno::tgkill => signal::tgkill(c, call),
        Sysno::alarm => timer::alarm(c, call),
        Sysno::setitimer => timer::setitimer(c, call).await,
        Sysno::getitimer => timer::getitimer(c, call).await,
        Sysno::wait4 => wait::wait4(c, call).await,
        Sysno::waitid => wait::waitid(c, call).await,
        Sysno::getppid => Ok(group::parent(c).0 as u64),
        Sysno::getpgrp => Ok(c.home.group.get().0 as u64),
        Sysno::getpgid => group::getpgid(c, call),
        Sysno::setpgid => group::setpgid(c, call),
        Sysno::getsid => group::getsid(c, call),
        Sysno::setsid => group::setsid(c),
        Sysno::getrlimit => limits::getrlimit(c, call).await,
        Sysno::setrlimit => limits::setrlimit(c, call).await,
        Sysno::prlimit64 => limits::prlimit64(c, call).await,
        _ => dispatch_settings(c, call).await,
    }
}

/// Executes a call on how a process runs: its timers, its place among others, what is sent to it.
async fn dispatch_settings(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::timer_create => posix_timer::create(c, call).await,
        Sysno::timer_settime => posix_timer::set_time(c, call).await,
        Sysno::timer_gettime => posix_timer::get_time(c, call).await,
        Sysno::timer_getoverrun => posix_timer::overrun(c, call),
        Sysno::timer_delete => posix_timer::delete(c, call),
        Sysno::sched_setparam
        | Sysno::sched_getparam
        | Sysno::sched_setscheduler
        | Sysno::sched_getscheduler
        | Sysno::sched_rr_get_interval
        | Sysno::sched_setattr
        | Sysno::sched_getattr
        | Sysno::getpriority
        | Sysno::setpriority
        | Sysno::ioprio_get
        | Sysno::ioprio_set
        | Sysno::personality => schedule::dispatch(c, call).await,
        Sysno::shmget
        | Sysno::shmat
        | Sysno::shmdt
        | Sysno::shmctl
        | Sysno::semget
        | Sysno::semop
        | Sysno::semtimedop
        | Sysno::semctl
        | Sysno::msgget
        | Sysno::msgsnd
        | Sysno::msgrcv
        | Sysno::msgctl
        | Sysno::mq_open
        | Sysno::mq_unlink
        | Sysno::mq_timedsend
        | Sysno::mq_timedreceive
        | Sysno::mq_notify
        | Sysno::mq_getsetattr => Box::pin(ipc::dispatch(c, call)).await,
        Sysno::setuid
        | Sysno::setgid
        | Sysno::setreuid
        | Sysno::setregid
        | Sysno::setresuid
        | Sysno::setresgid
        | Sysno::getresuid
        | Sysno::getresgid
        | Sysno::setfsuid
        | Sysno::setfsgid
        | Sysno::getgroups
        | Sysno::setgroups
        | Sysno::capget
        | Sysno::capset
        | Sysno::prctl => identity::dispatch(c, call).await,
        Sysno::rt_sigqueueinfo => queue::rt_sigqueueinfo(c, call).await,
        Sysno::rt_tgsigqueueinfo => queue::rt_tgsigqueueinfo(c, call).await,
        // No call ends so that this one goes on: local waits go on by themselves.
        Sysno::restart_syscall => Err(Errno::EINTR),
        _ => dispatch_descriptors(c, call).await,
    }
}

/// Executes a call on descriptors: of events, of sockets, of files.
async fn dispatch_descriptors(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::epoll_create
        | Sysno::epoll_create1
        | Sysno::epoll_ctl
        | Sysno::epoll_wait
        | Sysno::epoll_pwait
        | Sysno::epoll_pwait2
        | Sysno::eventfd
        | Sysno::eventfd2
        | Sysno::timerfd_create
        | Sysno::timerfd_settime
        | Sysno::timerfd_gettime
        | Sysno::signalfd
        | Sysno::signalfd4
        | Sysno::pidfd_open
        | Sysno::pidfd_send_signal
        | Sysno::pidfd_getfd => events::dispatch(c, call).await,
        Sysno::socket
        | Sysno::socketpair
        | Sysno::bind
        | Sysno::listen
        | Sysno::connect
        | Sysno::accept
        | Sysno::accept4
        | Sysno::getsockname
        | Sysno::getpeername
        | Sysno::shutdown
        | Sysno::setsockopt
        | Sysno::getsockopt
        | Sysno::sendto
        | Sysno::sendmsg
        | Sysno::sendmmsg
        | Sysno::recvfrom
        | Sysno::recvmsg
        | Sysno::recvmmsg => sockets::dispatch(c, call).await,
        _ => files::dispatch(c, call).await,
    }
}
