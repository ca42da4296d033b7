//! memfd_create(2) with its seals, and `O_TMPFILE`.

use std::fs;

use guest_common::say;

use crate::call::{AT_FDCWD, at, at_mut, call, close, content, open, path, show};

const MAP_SHARED: usize = libc::MAP_SHARED as usize;
const READ_WRITE: usize = (libc::PROT_READ | libc::PROT_WRITE) as usize;

fn fcntl(what: &str, fd: usize, command: i32, argument: i32) {
    let _ = show(what, libc::SYS_fcntl, &[fd, command as usize, argument as usize]);
}

pub(crate) fn memory_files() {
    let fd = open("made", libc::SYS_memfd_create, &[path(c"some name"), 1]);
    let _ = show("written", libc::SYS_write, &[fd, at(b"in memory"), 9]);
    say(&content(fd));
    let link = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    say(&link.to_string_lossy());
    fcntl("closed at exec", fd, libc::F_GETFD, 0);
    fcntl("flags", fd, libc::F_GETFL, 0);
    fcntl("seals", fd, libc::F_GET_SEALS, 0);
    fcntl("sealed", fd, libc::F_ADD_SEALS, libc::F_SEAL_GROW);
    // SAFETY: the structure is plain data, for which zeroes are a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    call(libc::SYS_fstat, &[fd, at_mut(&mut stat)]).unwrap();
    say(&format!("mode {:o}, {} links", stat.st_mode, stat.st_nlink));
    let again = format!("/proc/self/fd/{fd}");
    say(&fs::read_to_string(again).unwrap());
    let _ = show("unknown flags", libc::SYS_memfd_create, &[path(c"x"), 0x100]);
    let long: &'static str = Box::leak(("n".repeat(250) + "\0").into_boxed_str());
    let _ = show("a long name", libc::SYS_memfd_create, &[at(long), 0]);
    let _ = show("no name", libc::SYS_memfd_create, &[0, 0]);
    close(fd);
}

pub(crate) fn seals() {
    let fd = open("made", libc::SYS_memfd_create, &[path(c"sealed"), 2]);
    call(libc::SYS_write, &[fd, at(b"0123456789"), 10]).unwrap();
    fcntl("none", fd, libc::F_GET_SEALS, 0);
    fcntl("not shorter", fd, libc::F_ADD_SEALS, libc::F_SEAL_SHRINK);
    let _ = show("shorter", libc::SYS_ftruncate, &[fd, 5]);
    let _ = show("longer", libc::SYS_ftruncate, &[fd, 12]);
    fcntl("not longer", fd, libc::F_ADD_SEALS, libc::F_SEAL_GROW);
    let _ = show("longer", libc::SYS_ftruncate, &[fd, 20]);
    let _ = show("written over the end", libc::SYS_pwrite64, &[fd, at(b"abcdef"), 6, 10]);
    let _ = show("written behind it", libc::SYS_pwrite64, &[fd, at(b"abcdef"), 6, 12]);
    let _ = show("allocated behind it", libc::SYS_fallocate, &[fd, 0, 0, 100]);
    let map = call(libc::SYS_mmap, &[0, 4096, READ_WRITE, MAP_SHARED, fd, 0]).unwrap() as usize;
    fcntl("while mapped", fd, libc::F_ADD_SEALS, libc::F_SEAL_WRITE);
    call(libc::SYS_munmap, &[map, 4096]).unwrap();
    fcntl("not written", fd, libc::F_ADD_SEALS, libc::F_SEAL_WRITE);
    let _ = show("written", libc::SYS_pwrite64, &[fd, at(b"abcdef"), 6, 0]);
    let mapped = call(libc::SYS_mmap, &[0, 4096, READ_WRITE, MAP_SHARED, fd, 0]);
    crate::call::tell("mapped", mapped);
    let _ = show("a hole", libc::SYS_fallocate, &[fd, 3, 0, 100]);
    fcntl("no more seals", fd, libc::F_ADD_SEALS, libc::F_SEAL_SEAL);
    fcntl("another", fd, libc::F_ADD_SEALS, libc::F_SEAL_SHRINK);
    fcntl("all", fd, libc::F_GET_SEALS, 0);
    fcntl("unknown", fd, libc::F_ADD_SEALS, 0x1000);
    say(&content(fd));
    close(fd);
}

pub(crate) fn unnamed() {
    let flags = (libc::O_TMPFILE | libc::O_RDWR) as usize;
    let fd = open("made", libc::SYS_openat, &[AT_FDCWD, path(c"."), flags, 0o640]);
    call(libc::SYS_write, &[fd, at(b"unnamed"), 7]).unwrap();
    // SAFETY: the structure is plain data, for which zeroes are a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    call(libc::SYS_fstat, &[fd, at_mut(&mut stat)]).unwrap();
    say(&format!("mode {:o}, {} links", stat.st_mode, stat.st_nlink));
    let empty = libc::AT_EMPTY_PATH as usize;
    let name = path(c"named.tmp");
    let _ = show("named", libc::SYS_linkat, &[fd, path(c""), AT_FDCWD, name, empty]);
    say(&fs::read_to_string("named.tmp").unwrap());
    call(libc::SYS_fstat, &[fd, at_mut(&mut stat)]).unwrap();
    say(&format!("{} links", stat.st_nlink));
    close(fd);
    let _ = show("removed", libc::SYS_unlink, &[name]);
    let exclusive = flags | libc::O_EXCL as usize;
    let fd = open("for ever", libc::SYS_openat, &[AT_FDCWD, path(c"."), exclusive, 0o640]);
    let _ = show("named", libc::SYS_linkat, &[fd, path(c""), AT_FDCWD, name, empty]);
    close(fd);
    let reads = libc::O_TMPFILE as usize;
    let _ = show("to read", libc::SYS_openat, &[AT_FDCWD, path(c"."), reads, 0o640]);
    let _ = show("no directory", libc::SYS_openat, &[AT_FDCWD, path(c"missing"), flags, 0o640]);
}
