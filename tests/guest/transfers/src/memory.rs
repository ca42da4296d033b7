//! mlock(2), mincore(2), madvise(2).

use guest_common::say;

use crate::call::{at_mut, call, close, file, show};

pub(crate) const PAGE: usize = 4096;
const READ_WRITE: usize = (libc::PROT_READ | libc::PROT_WRITE) as usize;
const PRIVATE: usize = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;

pub(crate) fn map(pages: usize) -> usize {
    call(libc::SYS_mmap, &[0, pages * PAGE, READ_WRITE, PRIVATE, usize::MAX, 0]).unwrap() as usize
}

fn resident(start: usize, pages: usize) -> String {
    let mut vector = vec![9_u8; pages];
    call(libc::SYS_mincore, &[start, pages * PAGE, at_mut(&mut vector[..])]).unwrap();
    format!("{:?}", vector.iter().map(|byte| byte & 1).collect::<Vec<_>>())
}

pub(crate) fn store(address: usize, byte: u8) {
    // SAFETY: the cases store to their own mappings.
    unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(byte) };
}

pub(crate) fn load(address: usize) -> u8 {
    // SAFETY: the cases load from their own mappings.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() }
}

pub(crate) fn locked() {
    let start = map(8);
    let _ = show("a hole", libc::SYS_munmap, &[start + 6 * PAGE, PAGE]);
    let _ = show("mlock", libc::SYS_mlock, &[start + 5, PAGE]);
    let _ = show("on fault", libc::SYS_mlock2, &[start + 3 * PAGE, PAGE, 1]);
    let _ = show("unknown flags", libc::SYS_mlock2, &[start, PAGE, 2]);
    let _ = show("over a hole", libc::SYS_mlock, &[start + 5 * PAGE, 3 * PAGE]);
    let _ = show("nothing", libc::SYS_mlock, &[start, 0]);
    let _ = show("too much", libc::SYS_mlock, &[start, usize::MAX - 10]);
    let _ = show("munlock", libc::SYS_munlock, &[start, 4 * PAGE]);
    let _ = show("over a hole", libc::SYS_munlock, &[start + 5 * PAGE, 3 * PAGE]);
    let _ = show("all", libc::SYS_mlockall, &[3]);
    let _ = show("none of all", libc::SYS_mlockall, &[0]);
    let _ = show("only on fault", libc::SYS_mlockall, &[4]);
    let _ = show("unknown", libc::SYS_mlockall, &[8]);
    let _ = show("munlockall", libc::SYS_munlockall, &[]);
    call(libc::SYS_munmap, &[start, 8 * PAGE]).unwrap();
}

pub(crate) fn residence() {
    let start = map(6);
    store(start + PAGE, 1);
    store(start + 4 * PAGE, 1);
    say(&resident(start, 6));
    let mut vector = [0_u8; 6];
    let vector = at_mut(&mut vector);
    let _ = show("odd", libc::SYS_mincore, &[start + 1, PAGE, vector]);
    let _ = show("nothing", libc::SYS_mincore, &[start, 0, vector]);
    let _ = show("no vector", libc::SYS_mincore, &[start, PAGE, 8]);
    call(libc::SYS_munmap, &[start + 2 * PAGE, PAGE]).unwrap();
    let _ = show("a hole", libc::SYS_mincore, &[start, 4 * PAGE, vector]);
    call(libc::SYS_munmap, &[start, 6 * PAGE]).unwrap();
}

pub(crate) fn advice() {
    const POPULATE_READ: usize = 22;
    const POPULATE_WRITE: usize = 23;
    let start = map(6);
    let advise = |what, page: usize, pages: usize, advice: usize| {
        let _ = show(what, libc::SYS_madvise, &[start + page * PAGE, pages * PAGE, advice]);
    };
    store(start, 7);
    advise("random", 0, 6, 1);
    advise("will need", 0, 6, 3);
    advise("free", 1, 1, 8);
    advise("cold", 0, 6, 20);
    advise("huge pages", 0, 6, 14);
    advise("populate by loads", 1, 1, POPULATE_READ);
    advise("populate by stores", 2, 2, POPULATE_WRITE);
    advise("do not need", 0, 1, 4);
    say(&format!("{}", load(start)));
    advise("unknown", 0, 1, 1000);
    let _ = show("odd", libc::SYS_madvise, &[start + 1, PAGE, 4]);
    call(libc::SYS_munmap, &[start + 3 * PAGE, PAGE]).unwrap();
    store(start + 5 * PAGE, 9);
    advise("over a hole", 2, 4, 4);
    say(&format!("{}", load(start + 5 * PAGE)));
    advise("populate over a hole", 0, 6, POPULATE_READ);
    let fd = file(c"mapped.tmp", &[5; 5000]);
    let private = libc::MAP_PRIVATE as usize;
    let mapped = call(libc::SYS_mmap, &[0, 2 * PAGE, READ_WRITE, private, fd, 0]).unwrap() as usize;
    store(mapped, 6);
    let _ = show("free of a file", libc::SYS_madvise, &[mapped, PAGE, 8]);
    let _ = show("do not need of a file", libc::SYS_madvise, &[mapped, PAGE, 4]);
    say(&format!("{}", load(mapped)));
    for part in [(start, 6), (mapped, 2)] {
        call(libc::SYS_munmap, &[part.0, part.1 * PAGE]).unwrap();
    }
    close(fd);
}
