//! openat2(2), `O_PATH`, fchmodat2(2), extended attributes, getdents(2).

use std::ffi::CStr;

use guest_common::say;

use crate::call::{AT_FDCWD, at, at_mut, call, close, file, open, path, show, tell};

const NO_XDEV: u64 = 1;
const NO_MAGICLINKS: u64 = 2;
const NO_SYMLINKS: u64 = 4;
const BENEATH: u64 = 8;
const IN_ROOT: u64 = 16;

fn tree() -> usize {
    for directory in [c"top", c"top/below"] {
        let _ = call(libc::SYS_mkdir, &[path(directory), 0o755]);
    }
    close(file(c"top/file", b"content"));
    for (target, link) in [
        (c"../file", c"top/below/up"),
        (c"../../outside", c"top/below/out"),
        (c"/file", c"top/absolute"),
        (c"below", c"top/link"),
    ] {
        let _ = call(libc::SYS_symlink, &[path(target), path(link)]);
    }
    let flags = (libc::O_PATH | libc::O_DIRECTORY) as usize;
    call(libc::SYS_open, &[path(c"top"), flags]).unwrap() as usize
}

pub(crate) fn openat2() {
    let top = tree();
    let try_open = |what: &'static CStr, resolve: u64| {
        let how = [libc::O_RDONLY as u64, 0, resolve];
        let outcome = call(libc::SYS_openat2, &[top, path(what), at(&how), 24]);
        if let Ok(fd) = outcome {
            close(fd as usize);
        }
        tell(&format!("{} {resolve}", what.to_string_lossy()), outcome.map(|_| 0));
    };
    for what in
        [c"file", c"below/up", c"below/out", c"absolute", c"link/up", c"..", c"below/../file", c"/"]
    {
        for resolve in [0, NO_SYMLINKS, BENEATH, IN_ROOT] {
            try_open(what, resolve);
        }
    }
    // What is mounted where differs, but not within a directory.
    for what in [c"file", c"below/up", c"/proc/self/status"] {
        try_open(what, NO_XDEV);
    }
    for resolve in [0, NO_XDEV, NO_MAGICLINKS, BENEATH, IN_ROOT] {
        try_open(c"/proc/self/cwd", resolve);
    }
    for resolve in [BENEATH | IN_ROOT, 0x100] {
        try_open(c"file", resolve);
    }
    let how = |flags: i32, mode: u64| [flags as u64, mode, 0, 0];
    let arguments = [
        ("too small", how(0, 0), 16),
        ("larger, all zero", how(0, 0), 32),
        ("larger, not zero", [0, 0, 0, 1], 32),
        ("unknown flags", [1 << 40, 0, 0, 0], 24),
        ("mode without creation", how(0, 0o600), 24),
        ("mode with more bits", how(libc::O_CREAT, 0o1_000_000), 24),
    ];
    for (what, how, size) in arguments {
        let outcome = call(libc::SYS_openat2, &[top, path(c"file"), at(&how), size]);
        if let Ok(fd) = outcome {
            close(fd as usize);
        }
        tell(what, outcome.map(|_| 0));
    }
    close(top);
}

/// A descriptor that is only a name (open(2), `O_PATH`).
pub(crate) fn names_only() {
    let top = tree();
    let flags = libc::O_PATH as usize;
    let fd = open("of a file", libc::SYS_openat, &[top, path(c"file"), flags]);
    let mut byte = 0_u8;
    let _ = show("read", libc::SYS_read, &[fd, at_mut(&mut byte), 1]);
    let _ = show("write", libc::SYS_write, &[fd, at(&byte), 1]);
    let _ = show("fchmod", libc::SYS_fchmod, &[fd, 0o600]);
    let _ = show("fchown", libc::SYS_fchown, &[fd, 0, 0]);
    let _ = show("ioctl", libc::SYS_ioctl, &[fd, 0x5401, 0]);
    let _ = show("lseek", libc::SYS_lseek, &[fd, 0, 0]);
    let _ = show("ftruncate", libc::SYS_ftruncate, &[fd, 0]);
    let _ = show("fsync", libc::SYS_fsync, &[fd]);
    let _ = show("flock", libc::SYS_flock, &[fd, libc::LOCK_SH as usize]);
    let _ = show("mmap", libc::SYS_mmap, &[0, 4096, 1, 2, fd, 0]);
    let _ = show("status flags", libc::SYS_fcntl, &[fd, libc::F_GETFL as usize, 0]);
    let _ = show("new ones", libc::SYS_fcntl, &[fd, libc::F_SETFL as usize, 0]);
    let mut stat = [0_u8; 144];
    let _ = show("fstat", libc::SYS_fstat, &[fd, at_mut(&mut stat)]);
    let _ = show("fstatfs", libc::SYS_fstatfs, &[fd, at_mut(&mut [0_u8; 120])]);
    let _ = show("fchdir", libc::SYS_fchdir, &[fd]);
    let _ = show("below a directory", libc::SYS_faccessat, &[top, path(c"below"), 0]);
    close(fd);
    let flags = (libc::O_PATH | libc::O_NOFOLLOW) as usize;
    let link = open("of a link", libc::SYS_openat, &[top, path(c"link"), flags]);
    let mut target = [0_u8; 20];
    let read = [link, path(c""), at_mut(&mut target), 20];
    let _ = show("where it leads", libc::SYS_readlinkat, &read);
    [link, top].into_iter().for_each(close);
}

pub(crate) fn modes() {
    const FCHMODAT2: libc::c_long = 452;
    let top = tree();
    let change = |what, name: &'static CStr, flags: i32| {
        let _ = show(what, FCHMODAT2, &[top, path(name), 0o604, flags as usize]);
    };
    change("a file", c"file", 0);
    change("a file, not followed", c"file", libc::AT_SYMLINK_NOFOLLOW);
    change("a link, not followed", c"link", libc::AT_SYMLINK_NOFOLLOW);
    change("a link to a directory", c"link", 0);
    change("the directory itself", c"", libc::AT_EMPTY_PATH);
    change("unknown flags", c"file", 0x8000);
    change("nothing", c"missing", 0);
    let mut stat = [0_u32; 36];
    for name in [c"file", c"below", c"."] {
        call(libc::SYS_newfstatat, &[top, path(name), at_mut(&mut stat), 0]).unwrap();
        say(&format!("{:o}", stat[6]));
    }
    call(FCHMODAT2, &[top, path(c""), 0o755, libc::AT_EMPTY_PATH as usize]).unwrap();
    call(FCHMODAT2, &[top, path(c"below"), 0o755, 0]).unwrap();
    let times = [1_i64, 5, 2, 6];
    let _ = show("futimesat", libc::SYS_futimesat, &[top, path(c"file"), at(&times)]);
    let bad = [1_i64, 1_000_000, 2, 6];
    let _ = show("too many microseconds", libc::SYS_futimesat, &[top, path(c"file"), at(&bad)]);
    close(top);
}

/// Attributes of a namespace that no file system has.
pub(crate) fn attributes() {
    let fd = file(c"attributes.tmp", b"x");
    let (name, value) = (path(c"strange.name"), at(b"value"));
    let file = path(c"attributes.tmp");
    let _ = show("set", libc::SYS_setxattr, &[file, name, value, 5, 0]);
    let _ = show("get", libc::SYS_getxattr, &[file, name, 0, 0]);
    let _ = show("get by descriptor", libc::SYS_fgetxattr, &[fd, name, 0, 0]);
    let _ = show("list", libc::SYS_listxattr, &[file, 0, 0]);
    let _ = show("list by descriptor", libc::SYS_flistxattr, &[fd, 0, 0]);
    let _ = show("remove", libc::SYS_removexattr, &[file, name]);
    let _ = show("no file", libc::SYS_getxattr, &[path(c"missing"), name, 0, 0]);
    let _ = show("no descriptor", libc::SYS_fgetxattr, &[999, name, 0, 0]);
    let _ = show("no name", libc::SYS_getxattr, &[file, path(c""), 0, 0]);
    close(fd);
    let lease = call(libc::SYS_open, &[file, 0]).unwrap() as usize;
    let _ = show("lease", libc::SYS_fcntl, &[lease, libc::F_GETLEASE as usize, 0]);
    close(lease);
}

/// The entries of getdents(2): the type stands behind the name.
pub(crate) fn old_entries() {
    close(tree());
    let fd = call(libc::SYS_open, &[path(c"top"), libc::O_DIRECTORY as usize]).unwrap() as usize;
    let mut bytes = [0_u8; 1024];
    let count = call(libc::SYS_getdents, &[fd, at_mut(&mut bytes), bytes.len()]).unwrap();
    let (mut at, mut names) = (0, Vec::new());
    while at < count as usize {
        let length = usize::from(u16::from_le_bytes([bytes[at + 16], bytes[at + 17]]));
        let name = CStr::from_bytes_until_nul(&bytes[at + 18..at + length]).unwrap();
        names.push((name.to_string_lossy().into_owned(), bytes[at + length - 1]));
        at += length;
    }
    names.sort();
    say(&format!("{names:?}"));
    let _ = show("the end", libc::SYS_getdents, &[fd, at_mut(&mut bytes), bytes.len()]);
    close(fd);
    let fd = call(libc::SYS_openat, &[AT_FDCWD, path(c"top"), libc::O_DIRECTORY as usize]).unwrap();
    let _ = show("too small", libc::SYS_getdents, &[fd as usize, at_mut(&mut bytes), 10]);
    close(fd as usize);
}
