//! The rows of the less common calls on processes and threads: clone3(2), who they are, how they
//! are scheduled (sched(7)), timers (timer_create(2)), queued signals.

/// Adds the rows of processes to those given and hands all to the next macro.
macro_rules! process_rows {
    ([$next:ident $($then:ident)*] { $($rows:tt)* }) => { $next! { [$($then)*] {
        $($rows)*
        105 setuid Remote (uid: Int);
        106 setgid Remote (gid: Int);
        113 setreuid Remote (ruid: Int, euid: Int);
        114 setregid Remote (rgid: Int, egid: Int);
        115 getgroups Remote (size: Int, list: OutArray { count: 0, size: 4 });
        116 setgroups Remote (size: Int, list: Opaque);
        117 setresuid Remote (ruid: Int, euid: Int, suid: Int);
        118 getresuid Remote (ruid: OutStruct(4), euid: OutStruct(4), suid: OutStruct(4));
        119 setresgid Remote (rgid: Int, egid: Int, sgid: Int);
        120 getresgid Remote (rgid: OutStruct(4), egid: OutStruct(4), sgid: OutStruct(4));
        122 setfsuid Remote (fsuid: Int);
        123 setfsgid Remote (fsgid: Int);
        125 capget Remote (hdrp: InOutStruct(8), datap: OutStruct(24));
        126 capset Remote (hdrp: InOutStruct(8), datap: InStruct(24));
        129 rt_sigqueueinfo Remote (tgid: Pid, sig: Signal, info: InStruct(128));
        135 personality Remote (persona: Hex);
        140 getpriority Remote (which: Int, who: Int);
        141 setpriority Remote (which: Int, who: Int, prio: Int);
        142 sched_setparam Remote (pid: Pid, param: InStruct(4));
        143 sched_getparam Remote (pid: Pid, param: OutStruct(4));
        144 sched_setscheduler Remote (pid: Pid, policy: Int, param: InStruct(4));
        145 sched_getscheduler Remote (pid: Pid);
        146 sched_get_priority_max Local (policy: Int);
        147 sched_get_priority_min Local (policy: Int);
        148 sched_rr_get_interval Remote (pid: Pid, tp: OutStruct(16));
        222 timer_create Remote (clockid: Int, sevp: InStruct(64), timerid: OutStruct(4));
        223 timer_settime Remote (
            timerid: Int,
            flags: Hex,
            new_value: InStruct(32),
            old_value: OutStruct(32)
        );
        224 timer_gettime Remote (timerid: Int, curr_value: OutStruct(32));
        225 timer_getoverrun Remote (timerid: Int);
        226 timer_delete Remote (timerid: Int);
        251 ioprio_set Remote (which: Int, who: Int, ioprio: Hex);
        252 ioprio_get Remote (which: Int, who: Int);
        274 get_robust_list Local (pid: Pid, head_ptr: OutStruct(8), sizep: OutStruct(8));
        297 rt_tgsigqueueinfo Remote (tgid: Pid, tid: Pid, sig: Signal, info: InStruct(128));
        310 process_vm_readv Remote (
            pid: Pid,
            local_iov: OutVector { count: 2 },
            liovcnt: Size,
            remote_iov: Opaque,
            riovcnt: Size,
            flags: Hex
        );
        311 process_vm_writev Remote (
            pid: Pid,
            local_iov: InVector { count: 2 },
            liovcnt: Size,
            remote_iov: Opaque,
            riovcnt: Size,
            flags: Hex
        );
        314 sched_setattr Remote (pid: Pid, attr: InStruct(48), flags: Hex);
        315 sched_getattr Remote (pid: Pid, attr: OutBuffer { len: 2 }, size: Size, flags: Hex);
        324 membarrier Local (cmd: Int, flags: Hex, cpu_id: Int);
        449 futex_waitv Local (
            waiters: Opaque,
            nr_futexes: Size,
            flags: Hex,
            timeout: InStruct(16),
            clockid: Int
        );
        435 clone3 Special (cl_args: InBuffer { len: 1 }, size: Size);
    } } };
}
