//! Reads and writes of hundreds of kilobytes, whole and over holes in the memory.

use guest_common::say;

use crate::call::{at, at_mut, call, close, file, pipe, show};
use crate::memory::{PAGE, load, map, store};

const PAGES: usize = 80;

/// Whether every page of the memory but that of the hole holds its number.
fn is_numbered(start: usize, pages: usize) -> bool {
    (0..pages).all(|page| load(start + page * PAGE + 17) == page as u8)
}

pub(crate) fn transfers() {
    let fd = file(c"large.tmp", b"");
    let start = map(PAGES);
    (0..PAGES).for_each(|page| store(start + page * PAGE + 17, page as u8));
    let _ = show("whole", libc::SYS_pwrite64, &[fd, start, PAGES * PAGE, 0]);
    let back = map(PAGES);
    let _ = show("back", libc::SYS_pread64, &[fd, back, PAGES * PAGE, 0]);
    say(&format!("numbered: {}", is_numbered(back, PAGES)));
    for hole in [70, 40, 20, 4, 1] {
        call(libc::SYS_munmap, &[start + hole * PAGE, PAGE]).unwrap();
        call(libc::SYS_munmap, &[back + hole * PAGE, PAGE]).unwrap();
        call(libc::SYS_ftruncate, &[fd, 0]).unwrap();
        let _ = show("over a hole", libc::SYS_pwrite64, &[fd, start, PAGES * PAGE, 0]);
        (0..hole).for_each(|page| store(back + page * PAGE + 17, 255));
        let _ = show("back", libc::SYS_pread64, &[fd, back, PAGES * PAGE, 0]);
        say(&format!("numbered: {}", is_numbered(back, hole)));
        small();
    }
    for map in [start, back] {
        call(libc::SYS_munmap, &[map, PAGES * PAGE]).unwrap();
    }
    close(fd);
}

/// Transfers that need not wait for their answers.
fn small() {
    let (reader, writer) = pipe();
    let mut bytes = [0_u8; 64];
    for _ in 0..8 {
        call(libc::SYS_write, &[writer, at(b"small"), 5]).unwrap();
    }
    let _ = show("through a pipe", libc::SYS_read, &[reader, at_mut(&mut bytes), 64]);
    [reader, writer].into_iter().for_each(close);
}
