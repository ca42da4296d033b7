//! `sched.h`, `sys/wait.h`, `sys/resource.h`, `futex(2)`, `prctl(2)`: processes and threads.

/// `CSIGNAL`: the part of clone's flags that names the signal sent at exit.
pub const CSIGNAL: u64 = 0xff;
/// `CLONE_VM`: share the address space.
pub const CLONE_VM: u64 = 0x100;
/// `CLONE_FS`: share root, current directory and umask.
pub const CLONE_FS: u64 = 0x200;
/// `CLONE_FILES`: share the descriptor table.
pub const CLONE_FILES: u64 = 0x400;
/// `CLONE_SIGHAND`: share the signal handlers.
pub const CLONE_SIGHAND: u64 = 0x800;
/// `CLONE_VFORK`: the parent waits until the child execs or exits.
pub const CLONE_VFORK: u64 = 0x4000;
/// `CLONE_THREAD`: same thread group.
pub const CLONE_THREAD: u64 = 0x1_0000;
/// `CLONE_SYSVSEM`: share System V semaphore adjustments.
pub const CLONE_SYSVSEM: u64 = 0x4_0000;
/// `CLONE_SETTLS`: set the thread's TLS base.
pub const CLONE_SETTLS: u64 = 0x8_0000;
/// `CLONE_PIDFD`.
pub const CLONE_PIDFD: u64 = 0x1000;
/// `CLONE_PARENT_SETTID`: store the new tid at `parent_tid`.
pub const CLONE_PARENT_SETTID: u64 = 0x10_0000;
/// `CLONE_CHILD_CLEARTID`: clear `child_tid` and wake its futex at exit.
pub const CLONE_CHILD_CLEARTID: u64 = 0x20_0000;
/// `CLONE_CHILD_SETTID`: store the new tid at `child_tid`, in the child.
pub const CLONE_CHILD_SETTID: u64 = 0x100_0000;

/// `CLONE_PARENT`: be a sibling of the caller.
pub const CLONE_PARENT: u64 = 0x8000;
/// `CLONE_CLEAR_SIGHAND` of clone3(2): reset all handlers.
pub const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// `CLONE_INTO_CGROUP` of clone3(2).
pub const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// Where the call that clone3(2) is said as holds the id that was asked for: there are no flags.
pub const CLONE_ID_SHIFT: u32 = 40;
/// `MAX_PID_NS_LEVEL`: ids that clone3(2) takes.
pub const MAX_PID_NS_LEVEL: u64 = 32;
/// `CLONE_ARGS_SIZE_VER0`: bytes of the first version of `struct clone_args`.
pub const CLONE_ARGS_SIZE_VER0: u64 = 64;
/// `CLONE_NEWNS`, `CLONE_NEWCGROUP`, `CLONE_NEWUTS`, `CLONE_NEWIPC`, `CLONE_NEWUSER`,
/// `CLONE_NEWPID`, `CLONE_NEWNET`: namespaces of its own.
pub const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// `WNOHANG`.
pub const WNOHANG: u64 = 1;
/// `WUNTRACED` (wait4) and `WSTOPPED` (waitid).
pub const WUNTRACED: u64 = 2;
/// `WEXITED`.
pub const WEXITED: u64 = 4;
/// `WCONTINUED`.
pub const WCONTINUED: u64 = 8;
/// `WNOWAIT`.
pub const WNOWAIT: u64 = 0x0100_0000;
/// `__WNOTHREAD`: no children of other threads.
pub const WNOTHREAD: u64 = 0x2000_0000;
/// `__WALL`: children whatever signal tells of their end.
pub const WALL: u64 = 0x4000_0000;
/// `__WCLONE`: only children whose end another signal than SIGCHLD tells of, or none.
pub const WCLONE: u64 = 0x8000_0000;
/// `P_ALL` of waitid(2).
pub const P_ALL: u64 = 0;
/// `P_PID` of waitid(2).
pub const P_PID: u64 = 1;
/// `P_PGID` of waitid(2).
pub const P_PGID: u64 = 2;

/// `FUTEX_WAIT`.
pub const FUTEX_WAIT: u64 = 0;
/// `FUTEX_WAKE`.
pub const FUTEX_WAKE: u64 = 1;
/// `FUTEX_REQUEUE`.
pub const FUTEX_REQUEUE: u64 = 3;
/// `FUTEX_CMP_REQUEUE`.
pub const FUTEX_CMP_REQUEUE: u64 = 4;
/// `FUTEX_WAKE_OP`.
pub const FUTEX_WAKE_OP: u64 = 5;
/// `FUTEX_LOCK_PI`.
pub const FUTEX_LOCK_PI: u64 = 6;
/// `FUTEX_UNLOCK_PI`.
pub const FUTEX_UNLOCK_PI: u64 = 7;
/// `FUTEX_TRYLOCK_PI`.
pub const FUTEX_TRYLOCK_PI: u64 = 8;
/// `FUTEX_LOCK_PI2`: as `FUTEX_LOCK_PI`, by the clock that the flags say.
pub const FUTEX_LOCK_PI2: u64 = 13;
/// `FUTEX_WAIT_REQUEUE_PI`.
pub const FUTEX_WAIT_REQUEUE_PI: u64 = 11;
/// `FUTEX_CMP_REQUEUE_PI`.
pub const FUTEX_CMP_REQUEUE_PI: u64 = 12;
/// `FUTEX_WAITERS`: somebody waits for the lock.
pub const FUTEX_WAITERS: u32 = 0x8000_0000;
/// `FUTEX_OWNER_DIED`: it was not let go.
pub const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
/// `FUTEX_TID_MASK`: who has it.
pub const FUTEX_TID_MASK: u32 = 0x3fff_ffff;
/// `FUTEX_WAIT_BITSET`.
pub const FUTEX_WAIT_BITSET: u64 = 9;
/// `FUTEX_WAKE_BITSET`.
pub const FUTEX_WAKE_BITSET: u64 = 10;
/// `FUTEX_PRIVATE_FLAG`.
pub const FUTEX_PRIVATE_FLAG: u64 = 128;
/// `FUTEX_CLOCK_REALTIME`.
pub const FUTEX_CLOCK_REALTIME: u64 = 256;

/// `FUTEX2_SIZE_U32`: the word of futex_waitv(2) has four bytes.
pub const FUTEX2_SIZE_U32: u64 = 2;
/// `FUTEX_WAITV_MAX`: words that one call waits on.
pub const FUTEX_WAITV_MAX: u32 = 128;

/// `ARCH_SET_GS`.
pub const ARCH_SET_GS: u64 = 0x1001;
/// `ARCH_SET_FS`.
pub const ARCH_SET_FS: u64 = 0x1002;
/// `ARCH_GET_FS`.
pub const ARCH_GET_FS: u64 = 0x1003;
/// `ARCH_GET_GS`.
pub const ARCH_GET_GS: u64 = 0x1004;

/// `PR_SET_NAME` of prctl(2).
pub const PR_SET_NAME: u64 = 15;
/// `PR_GET_NAME` of prctl(2).
pub const PR_GET_NAME: u64 = 16;
/// `PR_SET_PDEATHSIG` of prctl(2).
pub const PR_SET_PDEATHSIG: u64 = 1;
/// `PR_GET_PDEATHSIG` of prctl(2).
pub const PR_GET_PDEATHSIG: u64 = 2;
/// `PR_SET_CHILD_SUBREAPER` of prctl(2).
pub const PR_SET_CHILD_SUBREAPER: u64 = 36;
/// `PR_GET_CHILD_SUBREAPER` of prctl(2).
pub const PR_GET_CHILD_SUBREAPER: u64 = 37;
/// `PR_GET_DUMPABLE` of prctl(2).
pub const PR_GET_DUMPABLE: u64 = 3;
/// `PR_SET_DUMPABLE` of prctl(2).
pub const PR_SET_DUMPABLE: u64 = 4;

/// `PR_GET_KEEPCAPS`.
pub const PR_GET_KEEPCAPS: u64 = 7;
/// `PR_SET_KEEPCAPS`.
pub const PR_SET_KEEPCAPS: u64 = 8;
/// `PR_CAPBSET_READ`.
pub const PR_CAPBSET_READ: u64 = 23;
/// `PR_CAPBSET_DROP`.
pub const PR_CAPBSET_DROP: u64 = 24;
/// `PR_SET_NO_NEW_PRIVS`.
pub const PR_SET_NO_NEW_PRIVS: u64 = 38;
/// `PR_GET_NO_NEW_PRIVS`.
pub const PR_GET_NO_NEW_PRIVS: u64 = 39;
/// The options of prctl(2) that are about what stays at home.
pub const PRCTL_AT_HOME: [u64; 12] = [
    PR_SET_PDEATHSIG,
    PR_GET_PDEATHSIG,
    PR_SET_CHILD_SUBREAPER,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_NAME,
    PR_GET_NAME,
    PR_GET_KEEPCAPS,
    PR_SET_KEEPCAPS,
    PR_CAPBSET_READ,
    PR_CAPBSET_DROP,
    PR_SET_NO_NEW_PRIVS,
    PR_GET_NO_NEW_PRIVS,
];

/// `RLIM_INFINITY`.
pub const RLIM_INFINITY: u64 = u64::MAX;
/// `RLIMIT_FSIZE`.
pub const RLIMIT_FSIZE: u64 = 1;
/// `RLIMIT_STACK`.
pub const RLIMIT_STACK: u64 = 3;
/// `RLIMIT_CORE`.
pub const RLIMIT_CORE: u64 = 4;
/// `RLIMIT_NPROC`.
pub const RLIMIT_NPROC: u64 = 6;
/// `RLIMIT_NOFILE`.
pub const RLIMIT_NOFILE: u64 = 7;
/// How many resource limits there are.
pub const RLIM_NLIMITS: usize = 16;

/// How a process ended or stopped, as wait4(2) reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitStatus {
    /// exit(2) with this status (0 to 255).
    Exited(u8),
    /// Killed by this signal.
    Signaled(u8),
    /// Stopped by this signal.
    Stopped(u8),
    /// Resumed by SIGCONT.
    Continued,
}

impl WaitStatus {
    /// The word that wait4(2) stores.
    pub const fn to_word(self) -> u32 {
        match self {
            Self::Exited(status) => (status as u32) << 8,
            Self::Signaled(signal) => signal as u32,
            Self::Stopped(signal) => (signal as u32) << 8 | 0x7f,
            Self::Continued => 0xffff,
        }
    }

    /// `CLD_*` code and status of the `siginfo_t` that waitid(2) and SIGCHLD give.
    pub const fn to_siginfo(self) -> (i32, i32) {
        match self {
            Self::Exited(status) => (1, status as i32),
            Self::Signaled(signal) => (2, signal as i32),
            Self::Stopped(signal) => (5, signal as i32),
            Self::Continued => (6, 18),
        }
    }
}

/// `SCHED_OTHER`.
pub const SCHED_OTHER: u32 = 0;
/// `SCHED_FIFO`.
pub const SCHED_FIFO: u32 = 1;
/// `SCHED_RR`.
pub const SCHED_RR: u32 = 2;
/// `SCHED_BATCH`.
pub const SCHED_BATCH: u32 = 3;
/// `SCHED_IDLE`.
pub const SCHED_IDLE: u32 = 5;
/// `SCHED_DEADLINE`.
pub const SCHED_DEADLINE: u32 = 6;
/// `SCHED_RESET_ON_FORK`, in the policy of sched_setscheduler(2).
pub const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;
/// `SCHED_FLAG_RESET_ON_FORK`, in the flags of sched_setattr(2).
pub const SCHED_FLAG_RESET_ON_FORK: u64 = 1;

/// `SIGEV_SIGNAL` of sigevent(7).
pub const SIGEV_SIGNAL: i32 = 0;
/// `SIGEV_NONE`.
pub const SIGEV_NONE: i32 = 1;
/// `SIGEV_THREAD`, which is for the C library but in mq_notify(2).
pub const SIGEV_THREAD: i32 = 2;
/// `SIGEV_THREAD_ID`.
pub const SIGEV_THREAD_ID: i32 = 4;

layout! {
    /// `struct clone_args` of clone3(2), as its third version has it.
    Clone3Args {
        /// `CLONE_*`, without the signal.
        flags: u64,
        /// Where the descriptor of the child is put.
        pidfd: u64,
        /// Where the child finds its id.
        child_tid: u64,
        /// Where the parent finds it.
        parent_tid: u64,
        /// The signal sent at exit.
        exit_signal: u64,
        /// The lowest byte of the stack.
        stack: u64,
        /// Bytes of the stack.
        stack_size: u64,
        /// The thread's TLS base.
        tls: u64,
        /// Where the wanted ids are, one for each namespace.
        set_tid: u64,
        /// How many.
        set_tid_size: u64,
        /// A descriptor of a control group.
        cgroup: u64,
    }
    /// `struct futex_waitv` of futex_waitv(2).
    FutexWaitv {
        /// What the word shall hold.
        value: u64,
        /// Where it is.
        address: u64,
        /// `FUTEX2_*`.
        flags: u32,
        /// Zero.
        reserved: u32,
    }
    /// `struct sched_attr` of sched_setattr(2), as its first version has it.
    SchedAttr {
        /// Bytes of the structure.
        size: u32,
        /// `SCHED_*`.
        policy: u32,
        /// `SCHED_FLAG_*`.
        flags: u64,
        /// The nice value of `SCHED_OTHER` and `SCHED_BATCH`.
        nice: i32,
        /// The priority of `SCHED_FIFO` and `SCHED_RR`.
        priority: u32,
        /// Parameters of `SCHED_DEADLINE`.
        deadline: [u8; 24],
    }
    /// The part of `struct sigevent` that the kernel reads.
    SigEvent {
        /// The value sent along.
        value: u64,
        /// The signal.
        signal: i32,
        /// `SIGEV_*`.
        notify: i32,
        /// The thread, for `SIGEV_THREAD_ID`.
        thread: i32,
        /// The rest.
        padding: [u8; 44],
    }
    /// `struct rusage` of getrusage(2); the fields Linux leaves unmaintained are zero.
    Rusage {
        /// User CPU time, seconds.
        user_seconds: i64,
        /// User CPU time, microseconds.
        user_micros: i64,
        /// System CPU time, seconds.
        system_seconds: i64,
        /// System CPU time, microseconds.
        system_micros: i64,
        /// Largest resident set, KiB.
        max_resident_kib: i64,
        /// Shared memory size, unmaintained.
        reserved1: [u8; 24],
        /// Page faults without I/O.
        minor_faults: i64,
        /// Page faults with I/O.
        major_faults: i64,
        /// Unmaintained counters.
        reserved2: [u8; 56],
    }
    /// `struct rlimit64`.
    Rlimit {
        /// The soft limit.
        current: u64,
        /// The hard limit.
        maximum: u64,
    }
}
