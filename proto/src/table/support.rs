//! How much of each call is there, for `docs/syscalls.md`.

use super::Sysno;

/// How much of a call is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// All that its manual page says, as far as it means something on such a node.
    Full,
    /// What programs ask for in practice; what is missing fails as Linux without it would.
    Partly(&'static str),
    /// Refused, for this reason.
    Refused(&'static str),
}

/// Calls of which something is missing, and what.
const PARTLY: &[(Sysno, &str)] = &[
    (Sysno::clone, "namespaces, CLONE_PARENT, sharing of files without a thread"),
    (Sysno::clone3, "as clone, and set_tid, CLONE_INTO_CGROUP"),
    (Sysno::mmap, "huge pages"),
    (Sysno::mlock, "not charged to RLIMIT_MEMLOCK"),
    (Sysno::mlock2, "not charged to RLIMIT_MEMLOCK"),
    (Sysno::mlockall, "not charged to RLIMIT_MEMLOCK"),
    (Sysno::ioctl, "terminals, FIONREAD, FIONBIO, FIOCLEX and the like"),
    (Sysno::fcntl, "leases, F_NOTIFY, signals of readiness"),
    (Sysno::prctl, "all but names, dumpability, capabilities and new privileges"),
    (Sysno::arch_prctl, "segment bases only"),
    (Sysno::futex, "priority is not lent; FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI"),
    (Sysno::timer_create, "timers of CPU time"),
    (Sysno::timerfd_settime, "TFD_TIMER_CANCEL_ON_SET never cancels"),
    (Sysno::sched_setaffinity, "a node has one processor"),
    (Sysno::sched_setscheduler, "recorded; SCHED_DEADLINE"),
    (Sysno::sched_setparam, "recorded"),
    (Sysno::sched_setattr, "recorded; SCHED_DEADLINE, utilisation"),
    (Sysno::setpriority, "recorded"),
    (Sysno::ioprio_set, "recorded"),
    (Sysno::personality, "recorded"),
    (Sysno::get_robust_list, "threads of the same process only"),
    (Sysno::capget, "ambient sets"),
    (Sysno::capset, "ambient sets"),
    (Sysno::shmget, "SHM_HUGETLB; not counted by shmctl(SHM_INFO)"),
    (Sysno::shmat, "the process stays at home while it is attached"),
    (Sysno::shmctl, "IPC_INFO, SHM_INFO, SHM_STAT"),
    (Sysno::semctl, "IPC_INFO, SEM_INFO, SEM_STAT"),
    (Sysno::msgctl, "IPC_INFO, MSG_INFO, MSG_STAT"),
    (Sysno::msgrcv, "MSG_COPY"),
    (Sysno::mq_notify, "SIGEV_THREAD"),
    (Sysno::setsockopt, "options of sockets, TCP and IP that programs use"),
    (Sysno::getsockopt, "options of sockets, TCP and IP that programs use"),
    (Sysno::socket, "AF_UNIX, and AF_INET without raw sockets"),
    (Sysno::mknod, "block devices cannot be opened"),
    (Sysno::renameat2, "RENAME_WHITEOUT"),
    (Sysno::openat2, "RESOLVE_CACHED"),
    (Sysno::setrlimit, "RLIMIT_NOFILE and RLIMIT_STACK count, the others are recorded"),
    (Sysno::prlimit64, "RLIMIT_NOFILE and RLIMIT_STACK count, the others are recorded"),
    (Sysno::getrusage, "time and few counters"),
    (Sysno::restart_syscall, "nothing needs it: waits go on by themselves"),
];

/// Calls that are refused, and why.
const REFUSED: &[(Sysno, &str)] = &[
    (Sysno::rseq, "ENOSYS: it would have to survive moves"),
    (Sysno::setxattr, NO_ATTRIBUTES),
    (Sysno::lsetxattr, NO_ATTRIBUTES),
    (Sysno::fsetxattr, NO_ATTRIBUTES),
    (Sysno::getxattr, NO_ATTRIBUTES),
    (Sysno::lgetxattr, NO_ATTRIBUTES),
    (Sysno::fgetxattr, NO_ATTRIBUTES),
    (Sysno::listxattr, NO_ATTRIBUTES),
    (Sysno::llistxattr, NO_ATTRIBUTES),
    (Sysno::flistxattr, NO_ATTRIBUTES),
    (Sysno::removexattr, NO_ATTRIBUTES),
    (Sysno::lremovexattr, NO_ATTRIBUTES),
    (Sysno::fremovexattr, NO_ATTRIBUTES),
];

/// What file systems without extended attributes say.
const NO_ATTRIBUTES: &str = "EOPNOTSUPP: files have no extended attributes";

impl Sysno {
    /// How much of this call is there.
    pub fn support(self) -> Support {
        let of = |list: &'static [(Self, &'static str)]| {
            list.iter().find(|(sysno, _)| *sysno == self).map(|(_, text)| *text)
        };
        match (of(PARTLY), of(REFUSED)) {
            (Some(missing), _) => Support::Partly(missing),
            (None, Some(reason)) => Support::Refused(reason),
            (None, None) => Support::Full,
        }
    }
}
