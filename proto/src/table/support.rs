//! How much of each call is there, for `docs/syscalls.md`.

use super::Sysno;
use crate::errno::Errno;

/// How much of a call is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// All that its manual page says, as far as it means something on such a node.
    Full,
    /// What programs ask for in practice; what is missing fails as Linux without it would.
    Partly(&'static str),
    /// Refused with this error, for this reason.
    Refused(Errno, &'static str),
}

/// Calls of which something is missing, and what.
const PARTLY: &[(Sysno, &str)] = &[
    (
        Sysno::clone,
        "namespaces (EPERM), threads that share only a part, memory shared but for vfork",
    ),
    (Sysno::clone3, "as clone; there are no groups for CLONE_INTO_CGROUP (EBADF)"),
    (Sysno::unshare, "namespaces (EPERM), and files that threads share"),
    (Sysno::mmap, "huge pages"),
    (Sysno::pkey_mprotect, "there are no keys but the default"),
    (Sysno::mlock, "not charged to RLIMIT_MEMLOCK"),
    (Sysno::mlock2, "not charged to RLIMIT_MEMLOCK"),
    (Sysno::mlockall, "not charged to RLIMIT_MEMLOCK"),
    (Sysno::ioctl, "terminals, FIONREAD, FIONBIO, FIOCLEX and the like"),
    (Sysno::fcntl, "leases, F_NOTIFY, signals of readiness"),
    (Sysno::prctl, "all but names, parents, dumpability, capabilities and new privileges"),
    (Sysno::arch_prctl, "segment bases only"),
    (Sysno::futex, "priority is not lent"),
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
    (Sysno::shmctl, "IPC_INFO, SHM_INFO, SHM_STAT"),
    (Sysno::semctl, "IPC_INFO, SEM_INFO, SEM_STAT"),
    (Sysno::msgctl, "IPC_INFO, MSG_INFO, MSG_STAT"),
    (Sysno::msgrcv, "MSG_COPY"),
    (Sysno::setsockopt, "options of sockets, TCP and IP that programs use"),
    (Sysno::getsockopt, "options of sockets, TCP and IP that programs use"),
    (Sysno::socket, "AF_UNIX, AF_INET without raw sockets, AF_NETLINK for mq_notify only"),
    (Sysno::mknod, "block devices cannot be opened"),
    (Sysno::renameat2, "RENAME_WHITEOUT"),
    (Sysno::openat2, "RESOLVE_CACHED"),
    (
        Sysno::setrlimit,
        "RLIMIT_FSIZE, RLIMIT_NOFILE and RLIMIT_STACK count, the others are recorded",
    ),
    (
        Sysno::prlimit64,
        "RLIMIT_FSIZE, RLIMIT_NOFILE and RLIMIT_STACK count, the others are recorded",
    ),
    (Sysno::getrusage, "time and few counters"),
    (Sysno::restart_syscall, "nothing needs it: waits go on by themselves"),
];

/// Calls that are refused: what they answer, and why.
const REFUSED: &[(Sysno, Errno, &str)] = &[
    (Sysno::rseq, Errno::ENOSYS, "it would have to survive moves"),
    (Sysno::setxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::lsetxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::fsetxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::getxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::lgetxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::fgetxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::listxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::llistxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::flistxattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::removexattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::lremovexattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::fremovexattr, Errno::ENOTSUP, NO_ATTRIBUTES),
    (Sysno::seccomp, Errno::ENOSYS, "as Linux without CONFIG_SECCOMP; prctl says EINVAL"),
    (Sysno::ptrace, Errno::EPERM, "nobody is traced: the registers are where the body is"),
    (Sysno::mount, Errno::EPERM, MOUNTED),
    (Sysno::umount2, Errno::EPERM, MOUNTED),
    (Sysno::pivot_root, Errno::EPERM, MOUNTED),
    (Sysno::setns, Errno::EINVAL, "there are no namespaces"),
    (Sysno::settimeofday, Errno::EPERM, OF_THE_HOST),
    (Sysno::clock_settime, Errno::EPERM, OF_THE_HOST),
    (Sysno::sethostname, Errno::EPERM, OF_THE_NODE),
    (Sysno::setdomainname, Errno::EPERM, OF_THE_NODE),
    (Sysno::reboot, Errno::EPERM, OF_THE_NODE),
    (Sysno::syslog, Errno::EPERM, "the node's log goes to the runner"),
    (Sysno::vhangup, Errno::EPERM, "nobody logs in"),
    (Sysno::acct, Errno::ENOSYS, "as Linux without CONFIG_BSD_PROCESS_ACCT"),
    (Sysno::swapon, Errno::EPERM, NO_SWAP),
    (Sysno::swapoff, Errno::EPERM, NO_SWAP),
    (Sysno::iopl, Errno::EPERM, NO_PORTS),
    (Sysno::ioperm, Errno::EPERM, NO_PORTS),
    (Sysno::init_module, Errno::EPERM, NO_MODULES),
    (Sysno::finit_module, Errno::EPERM, NO_MODULES),
    (Sysno::delete_module, Errno::EPERM, NO_MODULES),
    (Sysno::kexec_load, Errno::EPERM, OF_THE_NODE),
    (Sysno::modify_ldt, Errno::ENOSYS, "as Linux without CONFIG_MODIFY_LDT_SYSCALL"),
    (Sysno::io_setup, Errno::ENOSYS, "as Linux without CONFIG_AIO"),
    (Sysno::io_uring_setup, Errno::ENOSYS, "as Linux without CONFIG_IO_URING"),
    (Sysno::mbind, Errno::ENOSYS, NO_NUMA),
    (Sysno::set_mempolicy, Errno::ENOSYS, NO_NUMA),
    (Sysno::get_mempolicy, Errno::ENOSYS, NO_NUMA),
    (Sysno::add_key, Errno::ENOSYS, NO_KEYS),
    (Sysno::request_key, Errno::ENOSYS, NO_KEYS),
    (Sysno::keyctl, Errno::ENOSYS, NO_KEYS),
    (Sysno::perf_event_open, Errno::ENOSYS, "as Linux without CONFIG_PERF_EVENTS"),
    (Sysno::fanotify_init, Errno::ENOSYS, "as Linux without CONFIG_FANOTIFY"),
    (Sysno::name_to_handle_at, Errno::ENOTSUP, "no file system here gives handles"),
    (Sysno::open_by_handle_at, Errno::EPERM, "no file system here gives handles"),
    (Sysno::kcmp, Errno::ENOSYS, "as Linux without CONFIG_KCMP"),
    (Sysno::bpf, Errno::EPERM, "nothing runs in this kernel but itself"),
    (Sysno::userfaultfd, Errno::ENOSYS, "as Linux without CONFIG_USERFAULTFD"),
    (Sysno::pkey_alloc, Errno::ENOSPC, NO_PROTECTION_KEYS),
    (Sysno::pkey_free, Errno::EINVAL, NO_PROTECTION_KEYS),
    (Sysno::landlock_create_ruleset, Errno::ENOSYS, "as Linux without Landlock"),
    (Sysno::memfd_secret, Errno::ENOSYS, "as Linux without CONFIG_SECRETMEM"),
];

/// What file systems without extended attributes say.
const NO_ATTRIBUTES: &str = "files have no extended attributes";
/// Why nothing can be mounted.
const MOUNTED: &str = "what a node mounts is the runner's to say";
/// Why the time cannot be set.
const OF_THE_HOST: &str = "the time is the host's";
/// Why settings of the node cannot be changed.
const OF_THE_NODE: &str = "a node has other processes than those at home on it";
/// Why there is no swapping.
const NO_SWAP: &str = "memory is not swapped";
/// Why programs reach no devices.
const NO_PORTS: &str = "devices are the kernel's";
/// Why no modules are loaded.
const NO_MODULES: &str = "the kernel has no modules";
/// Why no memory is of a node of its own.
const NO_NUMA: &str = "as Linux without CONFIG_NUMA";
/// Why there are no keyrings.
const NO_KEYS: &str = "as Linux without CONFIG_KEYS";
/// Why there are no memory protection keys.
const NO_PROTECTION_KEYS: &str = "as on a processor without protection keys";

impl Sysno {
    /// How much of this call is there.
    pub fn support(self) -> Support {
        let partly = PARTLY.iter().find(|(sysno, _)| *sysno == self);
        let refused = REFUSED.iter().find(|(sysno, ..)| *sysno == self);
        match (partly, refused) {
            (Some((_, missing)), _) => Support::Partly(missing),
            (None, Some((_, errno, reason))) => Support::Refused(*errno, reason),
            (None, None) => Support::Full,
        }
    }

    /// What this call answers if it is refused whoever asks.
    pub fn refusal(self) -> Option<Errno> {
        match self.support() {
            Support::Refused(errno, _) => Some(errno),
            _ => None,
        }
    }
}
