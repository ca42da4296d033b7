//! preadv2(2), pwritev2(2), fallocate(2), and advice on files.

use guest_common::say;

use crate::call::{at, at_mut, call, close, content, file, path, pipe, show};

const CURRENT: usize = usize::MAX;
const NOWAIT: usize = 8;
const APPEND: usize = 16;

pub(crate) fn flags() {
    let fd = file(c"vectors.tmp", b"0123456789");
    let (one, two) = (b"abc", b"de");
    let parts = [(at(one), 3_usize), (at(two), 2)];
    let write = |what, at_offset: usize, flags: usize| {
        let _ = show(what, libc::SYS_pwritev2, &[fd, at(&parts), 2, at_offset, 0, flags]);
        let offset = call(libc::SYS_lseek, &[fd, 0, 1]).unwrap();
        say(&format!("offset {offset}: {}", content(fd)));
    };
    write("at 2", 2, 0);
    write("at the current offset", CURRENT, 0);
    write("appending at 0", 0, APPEND);
    write("appending", CURRENT, APPEND);
    write("synchronous", 0, 2 | 4);
    write("unknown flags", 0, 0x8000);
    write("below zero", -5_isize as usize, 0);
    let mut bytes = [0_u8; 30];
    let room = [(at_mut(&mut bytes), 30_usize)];
    let read = |what, fd, at_offset: usize, flags: usize| {
        let _ = show(what, libc::SYS_preadv2, &[fd, at(&room), 1, at_offset, 0, flags]);
    };
    read("read at 3", fd, 3, 0);
    read("read on", fd, CURRENT, 0);
    read("unknown flags", fd, 0, 0x8000);
    let mut ends = [0_i32; 2];
    call(libc::SYS_pipe2, &[at_mut(&mut ends), 0]).unwrap();
    let (reader, writer) = (ends[0] as usize, ends[1] as usize);
    read("a pipe without waiting", reader, CURRENT, NOWAIT);
    call(libc::SYS_write, &[writer, at(one), 3]).unwrap();
    read("with something there", reader, CURRENT, NOWAIT);
    read("a pipe at an offset", reader, 0, 0);
    [fd, reader, writer].into_iter().for_each(close);
}

fn stat(fd: usize) -> String {
    // SAFETY: the structure is plain data, for which zeroes are a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    call(libc::SYS_fstat, &[fd, at_mut(&mut stat)]).unwrap();
    format!("{} bytes in {} pages", stat.st_size, stat.st_blocks / 8)
}

pub(crate) fn fallocate() {
    const KEEP: usize = 1;
    const PUNCH: usize = 2;
    let fd = file(c"space.tmp", &[b'x'; 5000]);
    let allocate = |what, mode: usize, offset: usize, length: usize| {
        let _ = show(what, libc::SYS_fallocate, &[fd, mode, offset, length]);
        say(&stat(fd));
    };
    allocate("longer", 0, 4096, 12288);
    allocate("room behind the end", KEEP, 0, 40960);
    allocate("a hole", PUNCH | KEEP, 4096, 4096);
    allocate("parts of pages", PUNCH | KEEP, 100, 200);
    say(&content(fd)[..400]);
    allocate("a hole that changes the size", PUNCH, 0, 10);
    allocate("nothing", 0, 0, 0);
    allocate("below zero", 0, -1_isize as usize, 10);
    allocate("too far", 0, i64::MAX as usize - 5, 10);
    let reads = call(libc::SYS_open, &[path(c"space.tmp"), 0]).unwrap() as usize;
    let _ = show("not writable", libc::SYS_fallocate, &[reads, 0, 0, 10]);
    let (reader, writer) = pipe();
    let _ = show("a pipe", libc::SYS_fallocate, &[writer, 0, 0, 10]);
    [fd, reads, reader, writer].into_iter().for_each(close);
}

pub(crate) fn advice() {
    let fd = file(c"advice.tmp", b"text");
    let (reader, writer) = pipe();
    for advice in [0, 3, 5, 6] {
        let _ = show("fadvise", libc::SYS_fadvise64, &[fd, 0, 0, advice]);
    }
    let _ = show("of a pipe", libc::SYS_fadvise64, &[reader, 0, 0, 0]);
    let _ = show("below zero", libc::SYS_fadvise64, &[fd, 0, -1_isize as usize, 0]);
    let _ = show("readahead", libc::SYS_readahead, &[fd, 0, 100]);
    let _ = show("of a pipe", libc::SYS_readahead, &[reader, 0, 100]);
    let _ = show("sync_file_range", libc::SYS_sync_file_range, &[fd, 0, 0, 7]);
    let _ = show("unknown flags", libc::SYS_sync_file_range, &[fd, 0, 0, 8]);
    let _ = show("below zero", libc::SYS_sync_file_range, &[fd, -1_isize as usize, 0, 7]);
    let _ = show("of a pipe", libc::SYS_sync_file_range, &[reader, 0, 0, 7]);
    let _ = show("syncfs", libc::SYS_syncfs, &[fd]);
    let _ = show("no descriptor", libc::SYS_syncfs, &[999]);
    [fd, reader, writer].into_iter().for_each(close);
}
