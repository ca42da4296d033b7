//! Paths, names and attributes.

use guest_common::say;
use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW};
use libc::{O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};

use crate::call::{make, text};
use crate::{quiet, show};

/// A directory for a case, which it works in.
fn enter(name: &str) {
    quiet!(SYS_mkdir, text(name), 0o755);
    quiet!(SYS_chdir, text(name));
}

fn leave(name: &str) {
    quiet!(SYS_chdir, text(".."));
    std::fs::remove_dir_all(name).expect("everything in it is ours");
}

fn close(outcome: crate::call::Outcome) {
    if outcome.0.is_ok() {
        quiet!(SYS_close, outcome.value());
    }
}

/// `d/e/file`, `link -> d/e`, `dangling -> nowhere`, `loop -> loop`.
fn make_tree() {
    quiet!(SYS_mkdir, text("d"), 0o755);
    quiet!(SYS_mkdir, text("d/e"), 0o755);
    make("d/e/file", b"content");
    quiet!(SYS_symlink, text("d/e"), text("link"));
    quiet!(SYS_symlink, text("nowhere"), text("dangling"));
    quiet!(SYS_symlink, text("loop"), text("loop"));
}

pub(crate) fn paths() {
    enter("paths");
    make_tree();
    for path in [
        "",
        ".",
        "..",
        "/",
        "//",
        "d",
        "d/",
        "d/e/file",
        "d/e/file/",
        "d/e/file/.",
        "d/e/file/..",
        "d//e///file",
        "d/./e/../e/file",
        "link/file",
        "link",
        "link/",
        "link/..",
        "dangling",
        "dangling/",
        "loop",
        "loop/x",
        "missing",
        "missing/x",
        "d/missing/x",
    ] {
        let code = quiet!(SYS_access, text(path), 0);
        say(&format!("access {path:?}: {code}"));
    }
    show!(SYS_access, text(&"n".repeat(255)), 0);
    show!(SYS_access, text(&"n".repeat(256)), 0);
    show!(SYS_access, text(&"/".repeat(4095)), 0);
    show!(SYS_access, text(&"/".repeat(4096)), 0);
    show!(SYS_access, text("d/e/file"), 1);
    show!(SYS_access, text("d"), 1);
    show!(SYS_access, text("d"), 8);
    show!(SYS_access, 1usize, 0);
    for count in [40, 41] {
        quiet!(SYS_symlink, text("d"), text("l1"));
        for index in 2..=count {
            quiet!(SYS_symlink, text(&format!("l{}", index - 1)), text(&format!("l{index}")));
        }
        let code = quiet!(SYS_access, text(&format!("l{count}")), 0);
        say(&format!("{count} links: {code}"));
    }
    leave("paths");
}

pub(crate) fn opening() {
    enter("opening");
    make_tree();
    let cases: &[(&str, i32)] = &[
        ("missing", O_RDONLY),
        ("d", O_RDONLY),
        ("d", O_WRONLY),
        ("d", O_RDWR),
        ("d", O_RDONLY | O_CREAT),
        ("d", O_RDONLY | O_TRUNC),
        ("d/", O_RDONLY | O_CREAT),
        ("new/", O_RDWR | O_CREAT),
        ("d", O_RDWR | O_CREAT | O_EXCL),
        (".", O_RDWR | O_CREAT | O_EXCL),
        ("d/e/file", O_RDONLY | O_DIRECTORY),
        ("d/e/file", O_RDWR | O_CREAT | O_EXCL),
        ("d/e/file/", O_RDONLY),
        ("d/e/file/", O_RDWR | O_CREAT),
        ("link", O_RDONLY | O_NOFOLLOW),
        ("link", O_PATH | O_NOFOLLOW),
        ("link/", O_RDONLY | O_NOFOLLOW),
        ("dangling", O_RDWR | O_CREAT | O_EXCL),
        ("dangling", O_RDWR | O_CREAT | O_NOFOLLOW),
        ("dangling", O_RDONLY),
        ("loop", O_RDONLY),
        ("loop", O_RDWR | O_CREAT),
        ("missing/new", O_RDWR | O_CREAT),
        ("d/e/file/new", O_RDWR | O_CREAT),
        ("dangling", O_RDWR | O_CREAT),
    ];
    for (path, flags) in cases {
        let outcome = quiet!(SYS_openat, AT_FDCWD, text(path), *flags, 0o644);
        let shown = if outcome.0.is_ok() { "opened".into() } else { outcome.to_string() };
        say(&format!("open {path:?} {flags:#o}: {shown}"));
        close(outcome);
    }
    show!(SYS_access, text("nowhere"), 0);
    show!(SYS_openat, 99, text("d"), O_RDONLY, 0);
    close(show!(SYS_openat, 99, text("/"), O_RDONLY, 0));
    let file = quiet!(SYS_open, text("d/e/file"), O_RDONLY).value();
    show!(SYS_openat, file, text("x"), O_RDONLY, 0);
    show!(SYS_openat, file, text(""), O_RDONLY, 0);
    quiet!(SYS_close, file);
    leave("opening");
}

pub(crate) fn making() {
    enter("making");
    make_tree();
    show!(SYS_mkdir, text("d"), 0o755);
    show!(SYS_mkdir, text("dangling"), 0o755);
    show!(SYS_mkdir, text("dangling/"), 0o755);
    show!(SYS_mkdir, text("/"), 0o755);
    show!(SYS_mkdir, text("d/."), 0o755);
    show!(SYS_mkdir, text("d/.."), 0o755);
    show!(SYS_mkdir, text("fresh/"), 0o755);
    show!(SYS_mkdir, text("d/e/file/x"), 0o755);
    show!(SYS_mkdir, text("missing/x"), 0o755);
    show!(SYS_mkdir, text(""), 0o755);
    show!(SYS_symlink, text(""), text("empty"));
    show!(SYS_symlink, text(&"t".repeat(4095)), text("longest"));
    show!(SYS_symlink, text(&"t".repeat(4096)), text("longer"));
    show!(SYS_symlink, text("t"), text("link"));
    show!(SYS_symlink, text("t"), text("x/"));
    show!(SYS_mknod, text("plain"), 0o600, 0);
    show!(SYS_mknod, text("plain"), 0o600, 0);
    show!(SYS_mknod, text("pipe"), libc::S_IFIFO | 0o600, 0);
    show!(SYS_mknod, text("dir"), libc::S_IFDIR | 0o600, 0);
    show!(SYS_mknod, text("odd"), 0o050600, 0);
    leave("making");
}

pub(crate) fn removing() {
    enter("removing");
    make_tree();
    show!(SYS_unlink, text("d"));
    show!(SYS_unlink, text("link/"));
    show!(SYS_unlink, text("d/e/file/"));
    show!(SYS_unlink, text("missing"));
    show!(SYS_unlink, text("d/."));
    show!(SYS_unlink, text("d/.."));
    show!(SYS_unlink, text("/"));
    show!(SYS_unlink, text(""));
    show!(SYS_rmdir, text("d"));
    show!(SYS_rmdir, text("d/e/file"));
    show!(SYS_rmdir, text("link"));
    show!(SYS_rmdir, text("link/"));
    show!(SYS_rmdir, text("d/e/."));
    show!(SYS_rmdir, text("d/e/.."));
    show!(SYS_rmdir, text("/"));
    show!(SYS_unlinkat, AT_FDCWD, text("d/e/file"), AT_REMOVEDIR);
    show!(SYS_unlinkat, AT_FDCWD, text("d/e/file"), 1);
    show!(SYS_unlink, text("link"));
    show!(SYS_unlinkat, AT_FDCWD, text("d/e/file"), 0);
    show!(SYS_unlinkat, AT_FDCWD, text("d/e/"), AT_REMOVEDIR);
    // A directory that is gone while somebody is in it.
    quiet!(SYS_mkdir, text("gone"), 0o755);
    quiet!(SYS_chdir, text("gone"));
    quiet!(SYS_rmdir, text("../gone"));
    let mut buffer = [0u8; 200];
    show!(SYS_getcwd, &mut buffer[..], 200);
    show!(SYS_mkdir, text("x"), 0o755);
    show!(SYS_openat, AT_FDCWD, text("x"), O_RDWR | O_CREAT, 0o644);
    show!(SYS_access, text("."), 0);
    show!(SYS_access, text(".."), 0);
    show!(SYS_rmdir, text("../gone"));
    quiet!(SYS_chdir, text(".."));
    leave("removing");
}

pub(crate) fn renaming() {
    enter("renaming");
    make_tree();
    for name in ["full", "empty"] {
        quiet!(SYS_mkdir, text(name), 0o755);
    }
    make("full/x", b"");
    make("file", b"one");
    make("other", b"two");
    for (from, to) in [
        ("missing", "x"),
        ("d", "d/e/x"),
        ("d", "d/e"),
        ("d", "d"),
        ("d/e", "d"),
        ("empty", "full"),
        ("file", "empty"),
        ("empty", "file"),
        ("file/", "x"),
        ("file", "x/"),
        ("file", "empty/"),
        ("d/.", "x"),
        ("d/..", "x"),
        ("file", "."),
        ("file", "missing/x"),
        ("file", "file/x"),
        ("file", "file"),
        ("file", ""),
        ("link", "moved"),
        ("link", "x"),
        ("file", "other"),
        ("empty/", "named/"),
        ("full", "named"),
        ("d", "named"),
    ] {
        let code = quiet!(SYS_rename, text(from), text(to));
        say(&format!("rename {from:?} {to:?}: {code}"));
    }
    say(&format!("{:?}", std::fs::read("other")));
    let rename2 = |from: &str, to: &str, flags: i32| {
        let code = quiet!(SYS_renameat2, AT_FDCWD, text(from), AT_FDCWD, text(to), flags);
        say(&format!("renameat2 {from:?} {to:?} {flags}: {code}"));
    };
    make("one", b"1");
    make("two", b"2");
    rename2("one", "two", 1);
    rename2("one", "free", 1);
    rename2("free", "none", 2);
    rename2("free", "two", 2);
    rename2("free", "two", 3);
    rename2("free", "two", 8);
    say(&format!("{:?} {:?}", std::fs::read("free"), std::fs::read("two")));
    quiet!(SYS_link, text("free"), text("hard"));
    show!(SYS_rename, text("free"), text("hard"));
    show!(SYS_access, text("free"), 0);
    leave("renaming");
}

pub(crate) fn linking() {
    enter("linking");
    make_tree();
    show!(SYS_link, text("d/e/file"), text("hard"));
    show!(SYS_link, text("d/e/file"), text("hard"));
    show!(SYS_link, text("d"), text("x"));
    show!(SYS_link, text("missing"), text("x"));
    show!(SYS_link, text("d/e/file"), text("x/"));
    show!(SYS_link, text("d/e/file"), text("/proc/x"));
    show!(SYS_link, text("link"), text("hardlink"));
    show!(SYS_linkat, AT_FDCWD, text("dangling"), AT_FDCWD, text("y"), AT_SYMLINK_FOLLOW);
    show!(SYS_linkat, AT_FDCWD, text("link"), AT_FDCWD, text("y"), AT_SYMLINK_FOLLOW);
    show!(SYS_linkat, AT_FDCWD, text("d/e/file"), AT_FDCWD, text("y"), 1);
    say(&format!("{} names", links("hard")));
    show!(SYS_unlink, text("d/e/file"));
    say(&format!("{} names", links("hard")));
    let mut buffer = [0u8; 64];
    show!(SYS_readlink, text("link"), &mut buffer[..], 64);
    show!(SYS_readlink, text("link"), &mut buffer[..], 2);
    show!(SYS_readlink, text("link"), &mut buffer[..], 0);
    show!(SYS_readlink, text("link"), &mut buffer[..], -1);
    show!(SYS_readlink, text("d"), &mut buffer[..], 64);
    show!(SYS_readlink, text("missing"), &mut buffer[..], 64);
    show!(SYS_readlink, text("link"), 1usize, 64);
    let link = quiet!(SYS_open, text("link"), O_PATH | O_NOFOLLOW).value();
    show!(SYS_readlinkat, link, text(""), &mut buffer[..], 64);
    quiet!(SYS_close, link);
    let plain = quiet!(SYS_open, text("hard"), O_RDONLY).value();
    show!(SYS_readlinkat, plain, text(""), &mut buffer[..], 64);
    quiet!(SYS_close, plain);
    leave("linking");
}

fn links(path: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;

    std::fs::metadata(path).map_or(0, |metadata| metadata.nlink())
}

fn mode(path: &str) -> String {
    use std::os::unix::fs::MetadataExt;

    match std::fs::symlink_metadata(path) {
        Ok(metadata) => format!("{path} {:o} {} bytes", metadata.mode(), metadata.len()),
        Err(error) => format!("{path} {:?}", error.kind()),
    }
}

pub(crate) fn attributes() {
    enter("attributes");
    make_tree();
    say(&mode("d/e/file"));
    say(&mode("link"));
    show!(SYS_umask, 0o1077);
    close(quiet!(SYS_openat, AT_FDCWD, text("masked"), O_CREAT | O_RDWR, 0o6777));
    quiet!(SYS_mkdir, text("masked.d"), 0o1777);
    show!(SYS_umask, 0o022);
    say(&mode("masked"));
    show!(SYS_chmod, text("masked"), 0o104755);
    say(&mode("masked"));
    show!(SYS_fchmodat, AT_FDCWD, text("missing"), 0o644);
    show!(SYS_chown, text("masked"), -1, -1);
    let file = quiet!(SYS_open, text("d/e/file"), O_RDONLY).value();
    let name = quiet!(SYS_open, text("d/e/file"), O_PATH).value();
    show!(SYS_fchmod, file, 0o600);
    show!(SYS_fchmod, name, 0o600);
    let mut stat = [0u8; 256];
    show!(SYS_fstat, file, &mut stat[..]);
    show!(SYS_fstat, name, &mut stat[..]);
    show!(SYS_fstat, 99, &mut stat[..]);
    show!(SYS_fstat, file, 1usize);
    show!(SYS_newfstatat, file, text(""), &mut stat[..], AT_EMPTY_PATH);
    show!(SYS_newfstatat, file, text(""), &mut stat[..], 0);
    show!(SYS_newfstatat, AT_FDCWD, text("link"), &mut stat[..], AT_SYMLINK_NOFOLLOW);
    show!(SYS_newfstatat, AT_FDCWD, text("link"), &mut stat[..], 1);
    show!(SYS_statx, AT_FDCWD, text("link"), 0, 0xfff, &mut stat[..]);
    show!(SYS_statx, AT_FDCWD, text("link"), 0x6000, 0xfff, &mut stat[..]);
    show!(SYS_statx, AT_FDCWD, text("link"), 0, 0x8000_0000u32, &mut stat[..]);
    show!(SYS_faccessat2, AT_FDCWD, text("dangling"), 0, AT_SYMLINK_NOFOLLOW);
    show!(SYS_faccessat2, AT_FDCWD, text("dangling"), 0, 1);
    let times = [1_000_000i64, 5, 2_000_000, 1_000_000_000];
    show!(SYS_utimensat, AT_FDCWD, text("d/e/file"), &times[..], 0);
    let times = [1_000_000i64, 5, 2_000_000, 7];
    show!(SYS_utimensat, AT_FDCWD, text("d/e/file"), &times[..], 0);
    show!(SYS_utimensat, file, 0usize, &times[..], 0);
    show!(SYS_utimensat, AT_FDCWD, text("missing"), &times[..], 0);
    let omit = [0, 0x3fff_fffei64, 0, 0x3fff_fffe];
    show!(SYS_utimensat, AT_FDCWD, text("missing"), &omit[..], 0);
    let modified = std::fs::metadata("d/e/file").and_then(|metadata| metadata.modified());
    let since = modified.map(|time| time.duration_since(std::time::UNIX_EPOCH));
    say(&format!("{since:?}"));
    show!(SYS_truncate, text("d/e/file"), 3);
    show!(SYS_truncate, text("d/e/file"), -1);
    show!(SYS_truncate, text("d"), 3);
    show!(SYS_truncate, text("missing"), 3);
    say(&mode("d/e/file"));
    quiet!(SYS_close, file);
    quiet!(SYS_close, name);
    leave("attributes");
}

pub(crate) fn directories() {
    enter("directories");
    make_tree();
    let mut buffer = [0u8; 1024];
    show!(SYS_getcwd, &mut buffer[..], 1);
    show!(SYS_getcwd, &mut buffer[..], 0);
    show!(SYS_getcwd, 1usize, 1000);
    show!(SYS_chdir, text("d/e/file"));
    show!(SYS_chdir, text("missing"));
    show!(SYS_chdir, text("link"));
    show!(SYS_access, text("file"), 0);
    show!(SYS_chdir, text("../.."));
    let directory = quiet!(SYS_open, text("d"), O_RDONLY | O_DIRECTORY).value();
    let file = quiet!(SYS_open, text("d/e/file"), O_RDONLY).value();
    show!(SYS_fchdir, file);
    show!(SYS_fchdir, 99);
    show!(SYS_fchdir, directory);
    show!(SYS_access, text("e/file"), 0);
    quiet!(SYS_chdir, text(".."));
    show!(SYS_getdents64, directory, &mut buffer[..], 1024);
    show!(SYS_getdents64, directory, &mut buffer[..], 1024);
    show!(SYS_lseek, directory, 0, 0);
    show!(SYS_getdents64, directory, &mut buffer[..], 8);
    show!(SYS_getdents64, file, &mut buffer[..], 1024);
    show!(SYS_getdents64, 99, &mut buffer[..], 1024);
    show!(SYS_read, directory, &mut buffer[..], 10);
    show!(SYS_write, directory, &mut buffer[..], 10);
    quiet!(SYS_close, directory);
    quiet!(SYS_close, file);
    let mut names: Vec<_> = std::fs::read_dir(".")
        .expect("it is ours")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    names.sort();
    say(&format!("{names:?}"));
    leave("directories");
}
