//! The home handlers: written once, against [`UserMemory`](super::UserMemory), whether their
//! caller's body is here or far away.

mod across;
mod at_once;
mod cpu_clock;
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
mod ties;
mod timer;
mod wait;

pub use at_once::{Handler, at_once};
pub(crate) use ipc::take_back as take_back_semaphores;
pub(super) use limits::tell_of_refusal;

use alloc::boxed::Box;
use core::future::ready;
use core::pin::Pin;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::table::Sysno;

use super::{Call, Caller, SysResult};

/// A call that is being executed; nothing is done before it is polled. Boxed, each for itself: one
/// future of all handlers would be as large as the largest, and is copied wherever it is made.
pub type Handling<'a> = Pin<Box<dyn Future<Output = SysResult> + 'a>>;

/// Executes the home part of a call.
///
/// # Errors
/// What the call's manual page says; `ENOSYS` for a call that home has no part in.
pub fn dispatch<'a>(c: &'a Caller, call: &'a Call) -> Handling<'a> {
    match call.sysno {
        Sysno::execve => Box::pin(exec::execve(c, call)),
        Sysno::execveat => Box::pin(exec::execveat(c, call)),
        Sysno::fork | Sysno::vfork | Sysno::clone => Box::pin(family::clone(c, call)),
        Sysno::migrate => Box::pin(family::migrate(c, call)),
        Sysno::mmap => Box::pin(map::map(c, call)),
        Sysno::rt_sigaction => Box::pin(signal::rt_sigaction(c, call)),
        Sysno::rt_sigprocmask => Box::pin(signal::rt_sigprocmask(c, call)),
        Sysno::rt_sigpending => Box::pin(signal::rt_sigpending(c, call)),
        Sysno::rt_sigsuspend => Box::pin(signal::rt_sigsuspend(c, call)),
        Sysno::rt_sigtimedwait => Box::pin(signal::rt_sigtimedwait(c, call)),
        Sysno::pause => Box::pin(signal::pause(c)),
        Sysno::setitimer => Box::pin(timer::setitimer(c, call)),
        Sysno::getitimer => Box::pin(timer::getitimer(c, call)),
        Sysno::wait4 => Box::pin(wait::wait4(c, call)),
        Sysno::waitid => Box::pin(wait::waitid(c, call)),
        Sysno::getrlimit => Box::pin(limits::getrlimit(c, call)),
        Sysno::setrlimit => Box::pin(limits::setrlimit(c, call)),
        Sysno::prlimit64 => Box::pin(limits::prlimit64(c, call)),
        _ => dispatch_settings(c, call),
    }
}

/// Executes a call on how a process runs: its timers, its place among others, what is sent to it.
fn dispatch_settings<'a>(c: &'a Caller, call: &'a Call) -> Handling<'a> {
    match call.sysno {
        Sysno::timer_create => Box::pin(posix_timer::create(c, call)),
        Sysno::timer_settime => Box::pin(posix_timer::set_time(c, call)),
        Sysno::timer_gettime => Box::pin(posix_timer::get_time(c, call)),
        Sysno::clock_gettime => Box::pin(cpu_clock::get_time(c, call)),
        Sysno::clock_getres => Box::pin(cpu_clock::get_resolution(c, call)),
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
        | Sysno::personality => Box::pin(schedule::dispatch(c, call)),
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
        | Sysno::mq_getsetattr => Box::pin(ipc::dispatch(c, call)),
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
        | Sysno::prctl => Box::pin(identity::dispatch(c, call)),
        Sysno::process_vm_readv | Sysno::process_vm_writev => Box::pin(across::transfer(c, call)),
        Sysno::rt_sigqueueinfo => Box::pin(queue::rt_sigqueueinfo(c, call)),
        Sysno::rt_tgsigqueueinfo => Box::pin(queue::rt_tgsigqueueinfo(c, call)),
        // No call ends so that this one goes on: local waits go on by themselves.
        Sysno::restart_syscall => Box::pin(ready(Err(Errno::EINTR))),
        _ => dispatch_descriptors(c, call),
    }
}

/// Executes a call on descriptors: of events, of sockets, of files.
fn dispatch_descriptors<'a>(c: &'a Caller, call: &'a Call) -> Handling<'a> {
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
        | Sysno::pidfd_getfd => Box::pin(events::dispatch(c, call)),
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
        | Sysno::recvmmsg => Box::pin(sockets::dispatch(c, call)),
        _ => files::dispatch(c, call),
    }
}
