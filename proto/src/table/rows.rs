//! The rows of files, processes, signals and memory; those of the other families are in files of
//! their own, and [`TABLE`] is made of all.

use super::ArgKind::{
    Address, DirFd, Fd, Hex, InBuffer, InMessage, InMessages, InOutArray, InOutStruct, InStruct,
    InVector, Int, Mode, Opaque, OutArray, OutBuffer, OutMessage, OutMessages, OutStruct,
    OutVector, Path, Pid, Signal, Size,
};
use super::{Arg, Class, Row};

/// Makes [`Sysno`] and [`TABLE`] of one list, so that neither can be without the other.
macro_rules! syscalls {
    ([] { $($number:literal $name:ident $class:ident ($($arg:ident: $kind:expr),*);)* }) => {
        /// The calls that have a row, named as in the manual pages.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[expect(non_camel_case_types, reason = "the manual pages' names are the terms here")]
        #[repr(u16)]
        pub enum Sysno {
            $(#[doc = concat!("`", stringify!($name), "(2)`.")] $name = $number,)*
        }

        /// All rows, sorted by number.
        pub static TABLE: &[Row] = &sorted([
            $(Row {
                sysno: Sysno::$name,
                name: stringify!($name),
                class: Class::$class,
                args: &[$(Arg { name: stringify!($arg), kind: $kind }),*],
            },)*
        ]);
    };
}

socket_rows! { [event_rows file_rows ipc_rows process_rows refused_rows syscalls] {
    0 read Remote (fd: Fd, buf: OutBuffer { len: 2 }, count: Size);
    1 write Remote (fd: Fd, buf: InBuffer { len: 2 }, count: Size);
    2 open Remote (path: Path, flags: Hex, mode: Mode);
    3 close Remote (fd: Fd);
    4 stat Remote (path: Path, statbuf: OutStruct(144));
    5 fstat Remote (fd: Fd, statbuf: OutStruct(144));
    6 lstat Remote (path: Path, statbuf: OutStruct(144));
    7 poll Remote (fds: InOutArray { count: 1, size: 8 }, nfds: Size, timeout: Int);
    8 lseek Remote (fd: Fd, offset: Int, whence: Int);
    9 mmap Special (addr: Address, length: Size, prot: Hex, flags: Hex, fd: Fd, offset: Size);
    10 mprotect Local (addr: Address, length: Size, prot: Hex);
    11 munmap Local (addr: Address, length: Size);
    12 brk Local (addr: Address);
    13 rt_sigaction Remote (
        signum: Signal,
        act: InStruct(32),
        oldact: OutStruct(32),
        sigsetsize: Size
    );
    14 rt_sigprocmask Remote (how: Int, set: InStruct(8), oldset: OutStruct(8), sigsetsize: Size);
    15 rt_sigreturn Special ();
    16 ioctl Remote (fd: Fd, request: Hex, argp: Opaque);
    17 pread64 Remote (fd: Fd, buf: OutBuffer { len: 2 }, count: Size, offset: Int);
    18 pwrite64 Remote (fd: Fd, buf: InBuffer { len: 2 }, count: Size, offset: Int);
    19 readv Remote (fd: Fd, iov: OutVector { count: 2 }, iovcnt: Size);
    20 writev Remote (fd: Fd, iov: InVector { count: 2 }, iovcnt: Size);
    21 access Remote (path: Path, mode: Hex);
    22 pipe Remote (pipefd: OutStruct(8));
    23 select Remote (
        nfds: Int,
        readfds: Opaque,
        writefds: Opaque,
        exceptfds: Opaque,
        timeout: InOutStruct(16)
    );
    24 sched_yield Local ();
    25 mremap Local (
        old_address: Address,
        old_size: Size,
        new_size: Size,
        flags: Hex,
        new_address: Address
    );
    26 msync Local (addr: Address, length: Size, flags: Hex);
    28 madvise Local (addr: Address, length: Size, advice: Int);
    32 dup Remote (oldfd: Fd);
    33 dup2 Remote (oldfd: Fd, newfd: Fd);
    34 pause Remote ();
    35 nanosleep Local (req: InStruct(16), rem: OutStruct(16));
    36 getitimer Remote (which: Int, curr_value: OutStruct(32));
    37 alarm Remote (seconds: Size);
    38 setitimer Remote (which: Int, new_value: InStruct(32), old_value: OutStruct(32));
    39 getpid Local ();
    40 sendfile Remote (out_fd: Fd, in_fd: Fd, offset: InOutStruct(8), count: Size);
    56 clone Special (
        flags: Hex,
        stack: Address,
        parent_tid: Address,
        child_tid: Address,
        tls: Address
    );
    57 fork Special ();
    58 vfork Special ();
    59 execve Special (path: Path, argv: Opaque, envp: Opaque);
    60 exit Special (status: Int);
    61 wait4 Remote (pid: Pid, wstatus: OutStruct(4), options: Hex, rusage: OutStruct(144));
    62 kill Remote (pid: Pid, sig: Signal);
    63 uname Local (buf: OutStruct(390));
    72 fcntl Remote (fd: Fd, cmd: Int, arg: Opaque);
    73 flock Remote (fd: Fd, operation: Hex);
    74 fsync Remote (fd: Fd);
    75 fdatasync Remote (fd: Fd);
    76 truncate Remote (path: Path, length: Int);
    77 ftruncate Remote (fd: Fd, length: Int);
    79 getcwd Remote (buf: OutBuffer { len: 1 }, size: Size);
    80 chdir Remote (path: Path);
    81 fchdir Remote (fd: Fd);
    82 rename Remote (oldpath: Path, newpath: Path);
    83 mkdir Remote (path: Path, mode: Mode);
    84 rmdir Remote (path: Path);
    85 creat Remote (path: Path, mode: Mode);
    86 link Remote (oldpath: Path, newpath: Path);
    87 unlink Remote (path: Path);
    88 symlink Remote (target: Path, linkpath: Path);
    89 readlink Remote (path: Path, buf: OutBuffer { len: 2 }, bufsiz: Size);
    90 chmod Remote (path: Path, mode: Mode);
    91 fchmod Remote (fd: Fd, mode: Mode);
    92 chown Remote (path: Path, owner: Int, group: Int);
    93 fchown Remote (fd: Fd, owner: Int, group: Int);
    94 lchown Remote (path: Path, owner: Int, group: Int);
    95 umask Remote (mask: Mode);
    96 gettimeofday Local (tv: OutStruct(16), tz: OutStruct(8));
    97 getrlimit Remote (resource: Int, rlim: OutStruct(16));
    98 getrusage Local (who: Int, usage: OutStruct(144));
    99 sysinfo Local (info: OutStruct(112));
    100 times Local (buf: OutStruct(32));
    102 getuid Local ();
    104 getgid Local ();
    107 geteuid Local ();
    108 getegid Local ();
    109 setpgid Remote (pid: Pid, pgid: Pid);
    110 getppid Remote ();
    111 getpgrp Remote ();
    112 setsid Remote ();
    121 getpgid Remote (pid: Pid);
    124 getsid Remote (pid: Pid);
    127 rt_sigpending Remote (set: OutStruct(8), sigsetsize: Size);
    128 rt_sigtimedwait Remote (
        set: InStruct(8),
        info: OutStruct(128),
        timeout: InStruct(16),
        sigsetsize: Size
    );
    130 rt_sigsuspend Remote (mask: InStruct(8), sigsetsize: Size);
    131 sigaltstack Local (ss: InStruct(24), old_ss: OutStruct(24));
    132 utime Remote (path: Path, times: InStruct(16));
    133 mknod Remote (path: Path, mode: Mode, dev: Hex);
    137 statfs Remote (path: Path, buf: OutStruct(120));
    138 fstatfs Remote (fd: Fd, buf: OutStruct(120));
    157 prctl Local (option: Int, arg2: Hex, arg3: Hex, arg4: Hex, arg5: Hex);
    158 arch_prctl Local (op: Hex, addr: Address);
    160 setrlimit Remote (resource: Int, rlim: InStruct(16));
    161 chroot Remote (path: Path);
    162 sync Remote ();
    186 gettid Local ();
    200 tkill Remote (tid: Pid, sig: Signal);
    201 time Local (tloc: OutStruct(8));
    202 futex Local (
        uaddr: Address,
        op: Hex,
        val: Int,
        timeout: Address,
        uaddr2: Address,
        val3: Int
    );
    203 sched_setaffinity Local (pid: Pid, cpusetsize: Size, mask: InBuffer { len: 1 });
    204 sched_getaffinity Local (pid: Pid, cpusetsize: Size, mask: OutBuffer { len: 1 });
    217 getdents64 Remote (fd: Fd, dirp: OutBuffer { len: 2 }, count: Size);
    218 set_tid_address Local (tidptr: Address);
    219 restart_syscall Remote ();
    228 clock_gettime Local (clockid: Int, tp: OutStruct(16));
    229 clock_getres Local (clockid: Int, res: OutStruct(16));
    230 clock_nanosleep Local (
        clockid: Int,
        flags: Hex,
        request: InStruct(16),
        remain: OutStruct(16)
    );
    231 exit_group Special (status: Int);
    234 tgkill Remote (tgid: Pid, tid: Pid, sig: Signal);
    235 utimes Remote (path: Path, times: InStruct(32));
    247 waitid Remote (
        idtype: Int,
        id: Pid,
        infop: OutStruct(128),
        options: Hex,
        rusage: OutStruct(144)
    );
    257 openat Remote (dirfd: DirFd, path: Path, flags: Hex, mode: Mode);
    258 mkdirat Remote (dirfd: DirFd, path: Path, mode: Mode);
    259 mknodat Remote (dirfd: DirFd, path: Path, mode: Mode, dev: Hex);
    260 fchownat Remote (dirfd: DirFd, path: Path, owner: Int, group: Int, flags: Hex);
    262 newfstatat Remote (dirfd: DirFd, path: Path, statbuf: OutStruct(144), flags: Hex);
    263 unlinkat Remote (dirfd: DirFd, path: Path, flags: Hex);
    264 renameat Remote (olddirfd: DirFd, oldpath: Path, newdirfd: DirFd, newpath: Path);
    265 linkat Remote (olddirfd: DirFd, oldpath: Path, newdirfd: DirFd, newpath: Path, flags: Hex);
    266 symlinkat Remote (target: Path, newdirfd: DirFd, linkpath: Path);
    267 readlinkat Remote (dirfd: DirFd, path: Path, buf: OutBuffer { len: 3 }, bufsiz: Size);
    268 fchmodat Remote (dirfd: DirFd, path: Path, mode: Mode);
    269 faccessat Remote (dirfd: DirFd, path: Path, mode: Hex);
    270 pselect6 Remote (
        nfds: Int,
        readfds: Opaque,
        writefds: Opaque,
        exceptfds: Opaque,
        timeout: InStruct(16),
        sigmask: InStruct(16)
    );
    271 ppoll Remote (
        fds: InOutArray { count: 1, size: 8 },
        nfds: Size,
        tmo_p: InStruct(16),
        sigmask: InStruct(8),
        sigsetsize: Size
    );
    272 unshare Remote (flags: Hex);
    273 set_robust_list Local (head: Address, len: Size);
    280 utimensat Remote (dirfd: DirFd, path: Path, times: InStruct(32), flags: Hex);
    292 dup3 Remote (oldfd: Fd, newfd: Fd, flags: Hex);
    293 pipe2 Remote (pipefd: OutStruct(8), flags: Hex);
    295 preadv Remote (fd: Fd, iov: OutVector { count: 2 }, iovcnt: Size, pos_l: Size, pos_h: Size);
    296 pwritev Remote (fd: Fd, iov: InVector { count: 2 }, iovcnt: Size, pos_l: Size, pos_h: Size);
    302 prlimit64 Remote (
        pid: Pid,
        resource: Int,
        new_limit: InStruct(16),
        old_limit: OutStruct(16)
    );
    309 getcpu Local (cpu: OutStruct(4), node: OutStruct(4));
    316 renameat2 Remote (
        olddirfd: DirFd,
        oldpath: Path,
        newdirfd: DirFd,
        newpath: Path,
        flags: Hex
    );
    318 getrandom Local (buf: OutBuffer { len: 1 }, buflen: Size, flags: Hex);
    322 execveat Special (dirfd: DirFd, path: Path, argv: Opaque, envp: Opaque, flags: Hex);
    329 pkey_mprotect Local (addr: Address, length: Size, prot: Hex, pkey: Int);
    332 statx Remote (dirfd: DirFd, path: Path, flags: Hex, mask: Hex, statxbuf: OutStruct(256));
    334 rseq Local (rseq: Address, rseq_len: Size, flags: Hex, sig: Hex);
    436 close_range Remote (first: Size, last: Size, flags: Hex);
    439 faccessat2 Remote (dirfd: DirFd, path: Path, mode: Hex, flags: Hex);
    0x1000 migrate Special (node: Int);
} }

/// The rows in the order of their numbers; each number once.
const fn sorted<const N: usize>(mut rows: [Row; N]) -> [Row; N] {
    let mut index = 1;
    while index < N {
        let mut at = index;
        while at > 0 && rows[at - 1].sysno as u16 > rows[at].sysno as u16 {
            rows.swap(at - 1, at);
            at -= 1;
        }
        index += 1;
    }
    rows
}
