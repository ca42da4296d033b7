//! Calls that would harm the host's Linux (these tests may run as root there), or that rightly
//! do something else than fail.

/// Calls that are not made at all.
pub(crate) fn is_avoided(number: i64) -> bool {
    const CLOCKS: [i64; 4] = [
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_adjtimex,
        libc::SYS_clock_adjtime,
    ];
    const WHOLE_SYSTEM: [i64; 14] = [
        libc::SYS_reboot,
        libc::SYS_sync,
        libc::SYS_vhangup,
        libc::SYS_syslog,
        libc::SYS_acct,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_iopl,
        libc::SYS_ioperm,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_delete_module,
    ];
    const OTHER_PROCESSES: [i64; 15] = [
        libc::SYS_msgctl,
        libc::SYS_semctl,
        libc::SYS_shmctl,
        libc::SYS_ptrace,
        libc::SYS_setpriority,
        libc::SYS_ioprio_set,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
        libc::SYS_migrate_pages,
        libc::SYS_move_pages,
        libc::SYS_process_vm_writev,
        libc::SYS_prlimit64,
        libc::SYS_process_mrelease,
    ];
    // A child of such a call would run on in this program, with the parent's stack.
    const SECOND_SELF: [i64; 4] =
        [libc::SYS_fork, libc::SYS_vfork, libc::SYS_clone, libc::SYS_clone3];
    CLOCKS.contains(&number)
        || WHOLE_SYSTEM.contains(&number)
        || OTHER_PROCESSES.contains(&number)
        || SECOND_SELF.contains(&number)
}

/// Makes arguments name nobody but this process where they name a process.
pub(crate) fn tame(number: i64, arguments: [u64; 6]) -> [u64; 6] {
    let [_, b, c, d, e, f] = arguments;
    let own = u64::from(std::process::id());
    match number {
        libc::SYS_kill | libc::SYS_tkill | libc::SYS_rt_sigqueueinfo => [own, b, c, d, e, f],
        libc::SYS_tgkill | libc::SYS_rt_tgsigqueueinfo => [own, own, c, d, e, f],
        libc::SYS_alarm | libc::SYS_setitimer => [3, b, c, d, e, f],
        // Memory for megabytes, not for all there is.
        libc::SYS_mmap | libc::SYS_mremap | libc::SYS_brk | libc::SYS_mlockall => arguments
            .map(|argument| if argument < 1 << 40 { argument % (1 << 24) } else { argument }),
        _ => arguments,
    }
}
