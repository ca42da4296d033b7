//! The rows of calls that are refused: programs ask for them and go on without.
//!
//! What they answer, and why, is in [`Support::Refused`](super::Support::Refused).

/// Adds the rows of refused calls to those given and hands all to the next macro.
macro_rules! refused_rows {
    ([$next:ident $($then:ident)*] { $($rows:tt)* }) => { $next! { [$($then)*] {
        $($rows)*
        101 ptrace Local (request: Int, pid: Pid, addr: Address, data: Hex);
        103 syslog Local (kind: Int, buf: Address, len: Size);
        153 vhangup Local ();
        154 modify_ldt Local (func: Int, ptr: Address, bytecount: Size);
        155 pivot_root Local (new_root: Address, put_old: Address);
        163 acct Local (filename: Address);
        164 settimeofday Local (tv: Address, tz: Address);
        165 mount Local (
            source: Address,
            target: Address,
            filesystemtype: Address,
            mountflags: Hex,
            data: Address
        );
        166 umount2 Local (target: Address, flags: Hex);
        167 swapon Local (path: Address, swapflags: Hex);
        168 swapoff Local (path: Address);
        169 reboot Local (magic: Hex, magic2: Hex, op: Hex, arg: Address);
        170 sethostname Local (name: Address, len: Size);
        171 setdomainname Local (name: Address, len: Size);
        172 iopl Local (level: Int);
        173 ioperm Local (from: Hex, num: Size, turn_on: Int);
        175 init_module Local (module_image: Address, len: Size, param_values: Address);
        176 delete_module Local (name: Address, flags: Hex);
        206 io_setup Local (nr_events: Size, ctx_idp: Address);
        227 clock_settime Local (clockid: Int, tp: Address);
        237 mbind Local (
            addr: Address,
            len: Size,
            mode: Int,
            nodemask: Address,
            maxnode: Size,
            flags: Hex
        );
        238 set_mempolicy Local (mode: Int, nodemask: Address, maxnode: Size);
        239 get_mempolicy Local (
            mode: Address,
            nodemask: Address,
            maxnode: Size,
            addr: Address,
            flags: Hex
        );
        246 kexec_load Local (entry: Address, nr_segments: Size, segments: Address, flags: Hex);
        248 add_key Local (
            kind: Address,
            description: Address,
            payload: Address,
            plen: Size,
            keyring: Int
        );
        249 request_key Local (
            kind: Address,
            description: Address,
            callout_info: Address,
            keyring: Int
        );
        250 keyctl Local (operation: Int, arg2: Hex, arg3: Hex, arg4: Hex, arg5: Hex);
        298 perf_event_open Local (attr: Address, pid: Pid, cpu: Int, group_fd: Fd, flags: Hex);
        300 fanotify_init Local (flags: Hex, event_f_flags: Hex);
        303 name_to_handle_at Local (
            dirfd: DirFd,
            path: Address,
            handle: Address,
            mount_id: Address,
            flags: Hex
        );
        304 open_by_handle_at Local (mount_fd: Fd, handle: Address, flags: Hex);
        308 setns Local (fd: Fd, nstype: Hex);
        312 kcmp Local (pid1: Pid, pid2: Pid, kind: Int, idx1: Hex, idx2: Hex);
        313 finit_module Local (fd: Fd, param_values: Address, flags: Hex);
        317 seccomp Local (operation: Int, flags: Hex, args: Address);
        321 bpf Local (cmd: Int, attr: Address, size: Size);
        323 userfaultfd Local (flags: Hex);
        330 pkey_alloc Local (flags: Hex, access_rights: Hex);
        331 pkey_free Local (pkey: Int);
        425 io_uring_setup Local (entries: Size, params: Address);
        444 landlock_create_ruleset Local (attr: Address, size: Size, flags: Hex);
        447 memfd_secret Local (flags: Hex);
    } } };
}
