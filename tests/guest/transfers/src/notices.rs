//! inotify(7): what is told, to whom, in which order.

use std::fs;

use guest_common::say;

use crate::call::{at, at_mut, call, close, file, path, show};

const ALL: usize = 0xfff;
const NAMES: [(u32, &str); 15] = [
    (0x1, "access"),
    (0x2, "modify"),
    (0x4, "attrib"),
    (0x8, "close-write"),
    (0x10, "close"),
    (0x20, "open"),
    (0x40, "from"),
    (0x80, "to"),
    (0x100, "create"),
    (0x200, "delete"),
    (0x400, "delete-self"),
    (0x800, "move-self"),
    (0x4000, "overflow"),
    (0x8000, "ignored"),
    (0x4000_0000, "directory"),
];

fn new() -> usize {
    call(libc::SYS_inotify_init1, &[libc::IN_NONBLOCK as usize]).unwrap() as usize
}

fn watch(fd: usize, name: &'static std::ffi::CStr, mask: usize) -> Result<i64, i32> {
    call(libc::SYS_inotify_add_watch, &[fd, path(name), mask])
}

/// Prints the events that wait. A cookie is shown by what it is equal to.
fn tell(fd: usize) {
    let mut bytes = [0_u8; 8192];
    let mut cookies = vec![0];
    while let Ok(count) = call(libc::SYS_read, &[fd, at_mut(&mut bytes), bytes.len()]) {
        let mut rest = &bytes[..count as usize];
        while !rest.is_empty() {
            let word =
                |index: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| rest[index * 4 + byte]));
            let known = cookies.iter().position(|cookie| *cookie == word(2));
            let cookie = known.unwrap_or_else(|| {
                cookies.push(word(2));
                cookies.len() - 1
            });
            let end = 16 + word(3) as usize;
            let name = String::from_utf8_lossy(&rest[16..end]).replace('\0', "");
            let what: Vec<&str> =
                NAMES.iter().filter(|(bit, _)| word(1) & bit != 0).map(|(_, name)| *name).collect();
            say(&format!("{} {} {cookie} {name}", word(0) as i32, what.join("+")));
            rest = &rest[end..];
        }
    }
}

fn make_place() {
    let _ = fs::remove_dir_all("watched");
    fs::create_dir("watched").unwrap();
}

pub(crate) fn in_directories() {
    make_place();
    let fd = new();
    watch(fd, c"watched", ALL).unwrap();
    fs::write("watched/file", "text").unwrap();
    tell(fd);
    say("read");
    fs::read("watched/file").unwrap();
    tell(fd);
    say("rename");
    fs::rename("watched/file", "watched/other").unwrap();
    fs::rename("watched/other", "outside.tmp").unwrap();
    fs::rename("outside.tmp", "watched/file").unwrap();
    tell(fd);
    say("directories");
    fs::create_dir("watched/sub").unwrap();
    fs::read_dir("watched/sub").unwrap().for_each(drop);
    fs::write("watched/sub/unseen", "x").unwrap();
    fs::remove_file("watched/sub/unseen").unwrap();
    fs::remove_dir("watched/sub").unwrap();
    tell(fd);
    say("links");
    fs::hard_link("watched/file", "watched/hard").unwrap();
    std::os::unix::fs::symlink("file", "watched/soft").unwrap();
    fs::remove_file("watched/hard").unwrap();
    tell(fd);
    say("attributes");
    let name = path(c"watched/file");
    call(libc::SYS_chmod, &[name, 0o600]).unwrap();
    call(libc::SYS_chown, &[name, 0, 0]).unwrap();
    call(libc::SYS_utimensat, &[libc::AT_FDCWD as usize, name, 0, 0]).unwrap();
    call(libc::SYS_truncate, &[name, 2]).unwrap();
    tell(fd);
    say("the end");
    // One by one: the order in a directory is the file system's own.
    fs::remove_file("watched/file").unwrap();
    fs::remove_file("watched/soft").unwrap();
    fs::remove_dir("watched").unwrap();
    tell(fd);
    close(fd);
}

pub(crate) fn of_files() {
    make_place();
    close(file(c"watched/file", b"text"));
    let fd = new();
    watch(fd, c"watched/file", ALL).unwrap();
    let flags = libc::O_RDWR as usize;
    let open = call(libc::SYS_open, &[path(c"watched/file"), flags]).unwrap() as usize;
    call(libc::SYS_pwrite64, &[open, at(b"xy"), 2, 0]).unwrap();
    call(libc::SYS_ftruncate, &[open, 1]).unwrap();
    tell(fd);
    say("moved");
    fs::rename("watched/file", "watched/other").unwrap();
    tell(fd);
    say("replaced while open");
    fs::write("watched/new", "new").unwrap();
    fs::rename("watched/new", "watched/other").unwrap();
    tell(fd);
    say("closed");
    close(open);
    tell(fd);
    close(fd);
}

pub(crate) fn arguments() {
    make_place();
    let fd = new();
    let add = libc::SYS_inotify_add_watch;
    let name = path(c"watched");
    let _ = show("a watch", add, &[fd, name, libc::IN_OPEN as usize]);
    let _ = show("the same", add, &[fd, name, libc::IN_CREATE as usize]);
    let more = libc::IN_OPEN | libc::IN_MASK_ADD;
    let _ = show("more of it", add, &[fd, name, more as usize]);
    let _ = show("not again", add, &[fd, name, (libc::IN_OPEN | libc::IN_MASK_CREATE) as usize]);
    close(file(c"watched/file", b"text"));
    tell(fd);
    let _ = show("once", add, &[fd, path(c"watched/file"), libc::IN_OPEN as usize | 1 << 31]);
    fs::read("watched/file").unwrap();
    fs::read("watched/file").unwrap();
    tell(fd);
    let only = (libc::IN_OPEN | libc::IN_ONLYDIR) as usize;
    let _ = show("a directory only", add, &[fd, path(c"watched/file"), only]);
    let _ = show("nothing", add, &[fd, name, 0]);
    let both = (libc::IN_OPEN | libc::IN_MASK_ADD | libc::IN_MASK_CREATE) as usize;
    let _ = show("both", add, &[fd, name, both]);
    let _ = show("no file", add, &[fd, path(c"missing"), ALL]);
    let plain = file(c"plain.tmp", b"x");
    let _ = show("no instance", add, &[plain, name, ALL]);
    let _ = show("no descriptor", add, &[999, name, ALL]);
    let remove = libc::SYS_inotify_rm_watch;
    let _ = show("removed", remove, &[fd, 1]);
    tell(fd);
    let _ = show("again", remove, &[fd, 1]);
    let _ = show("unknown flags", libc::SYS_inotify_init1, &[1]);
    watch(fd, c"watched", ALL).unwrap();
    fs::write("watched/a-name-that-is-longer-than-sixteen", "x").unwrap();
    let mut bytes = [0_u8; 20];
    let _ = show("too little room", libc::SYS_read, &[fd, at_mut(&mut bytes), 20]);
    let mut waiting = 0_i32;
    call(libc::SYS_ioctl, &[fd, libc::FIONREAD as usize, at_mut(&mut waiting)]).unwrap();
    say(&format!("{waiting} bytes wait"));
    tell(fd);
    let _ = show("nothing waits", libc::SYS_read, &[fd, at_mut(&mut bytes), 20]);
    [fd, plain].into_iter().for_each(close);
}
