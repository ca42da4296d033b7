//! The rows of the less common calls on files and memory: transfers between descriptors, extended
//! attributes, locked memory, inotify(7).

/// Adds the rows of files and memory to those given and hands all to the next macro.
macro_rules! file_rows {
    ([$next:ident $($then:ident)*] { $($rows:tt)* }) => { $next! { [$($then)*] {
        $($rows)*
        27 mincore Local (addr: Address, length: Size, vec: Address);
        78 getdents Remote (fd: Fd, dirp: OutBuffer { len: 2 }, count: Size);
        149 mlock Local (addr: Address, length: Size);
        150 munlock Local (addr: Address, length: Size);
        151 mlockall Local (flags: Hex);
        152 munlockall Local ();
        187 readahead Remote (fd: Fd, offset: Int, count: Size);
        188 setxattr Remote (path: Path, name: Path, value: Address, size: Size, flags: Hex);
        189 lsetxattr Remote (path: Path, name: Path, value: Address, size: Size, flags: Hex);
        190 fsetxattr Remote (fd: Fd, name: Path, value: Address, size: Size, flags: Hex);
        191 getxattr Remote (path: Path, name: Path, value: Address, size: Size);
        192 lgetxattr Remote (path: Path, name: Path, value: Address, size: Size);
        193 fgetxattr Remote (fd: Fd, name: Path, value: Address, size: Size);
        194 listxattr Remote (path: Path, list: Address, size: Size);
        195 llistxattr Remote (path: Path, list: Address, size: Size);
        196 flistxattr Remote (fd: Fd, list: Address, size: Size);
        197 removexattr Remote (path: Path, name: Path);
        198 lremovexattr Remote (path: Path, name: Path);
        199 fremovexattr Remote (fd: Fd, name: Path);
        221 fadvise64 Remote (fd: Fd, offset: Int, len: Int, advice: Int);
        253 inotify_init Remote ();
        254 inotify_add_watch Remote (fd: Fd, path: Path, mask: Hex);
        255 inotify_rm_watch Remote (fd: Fd, wd: Int);
        261 futimesat Remote (dirfd: DirFd, path: Path, times: InStruct(32));
        275 splice Remote (
            fd_in: Fd,
            off_in: InOutStruct(8),
            fd_out: Fd,
            off_out: InOutStruct(8),
            len: Size,
            flags: Hex
        );
        276 tee Remote (fd_in: Fd, fd_out: Fd, len: Size, flags: Hex);
        277 sync_file_range Remote (fd: Fd, offset: Int, nbytes: Int, flags: Hex);
        278 vmsplice Remote (fd: Fd, iov: InVector { count: 2 }, nr_segs: Size, flags: Hex);
        285 fallocate Remote (fd: Fd, mode: Hex, offset: Int, len: Int);
        294 inotify_init1 Remote (flags: Hex);
        306 syncfs Remote (fd: Fd);
        319 memfd_create Remote (name: Path, flags: Hex);
        325 mlock2 Local (addr: Address, length: Size, flags: Hex);
        326 copy_file_range Remote (
            fd_in: Fd,
            off_in: InOutStruct(8),
            fd_out: Fd,
            off_out: InOutStruct(8),
            len: Size,
            flags: Hex
        );
        327 preadv2 Remote (
            fd: Fd,
            iov: OutVector { count: 2 },
            iovcnt: Size,
            pos_l: Size,
            pos_h: Size,
            flags: Hex
        );
        328 pwritev2 Remote (
            fd: Fd,
            iov: InVector { count: 2 },
            iovcnt: Size,
            pos_l: Size,
            pos_h: Size,
            flags: Hex
        );
        437 openat2 Remote (dirfd: DirFd, path: Path, how: InBuffer { len: 3 }, size: Size);
        452 fchmodat2 Remote (dirfd: DirFd, path: Path, mode: Mode, flags: Hex);
    } } };
}
