//! Record locks and flock.

use guest_common::{child, say};
use libc::{F_GETLK, F_RDLCK, F_SETLK, F_SETLKW, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_NB, LOCK_SH};
use libc::{LOCK_UN, O_CREAT, O_RDONLY, O_RDWR};

use crate::call::text;
use crate::{quiet, show};

/// `struct flock` as words: kind and whence, start, length, pid.
fn range(kind: i32, whence: i32, start: i64, length: i64) -> [u64; 4] {
    [(kind as u64) | (whence as u64) << 16, start as u64, length as u64, 0]
}

/// Runs `work` in a child and waits for it.
fn elsewhere(work: impl FnOnce()) {
    let end = child::fork_and_wait(|| {
        work();
        0
    });
    assert_eq!(end, child::End::Exited(0));
}

pub(crate) fn record_locks() {
    let file = quiet!(SYS_open, text("locked"), O_CREAT | O_RDWR, 0o644).value();
    quiet!(SYS_write, file, &b"0123456789"[..], 10);
    show!(SYS_fcntl, file, F_SETLK, &range(F_WRLCK, 0, 2, 4)[..]);
    show!(SYS_fcntl, file, F_SETLK, &range(F_RDLCK, 2, -3, 0)[..]);
    show!(SYS_fcntl, file, F_SETLK, &range(F_WRLCK, 0, -1, 4)[..]);
    show!(SYS_fcntl, file, F_SETLK, &range(F_WRLCK, 9, 0, 4)[..]);
    show!(SYS_fcntl, file, F_SETLK, &range(9, 0, 0, 4)[..]);
    elsewhere(|| {
        let mut found = range(F_WRLCK, 0, 0, 0);
        show!(SYS_fcntl, file, F_GETLK, &mut found[..]);
        say(&format!("kind {} start {} length {}", found[0] as i16, found[1], found[2]));
        show!(SYS_fcntl, file, F_SETLK, &range(F_RDLCK, 0, 0, 2)[..]);
        show!(SYS_fcntl, file, F_SETLK, &range(F_RDLCK, 0, 0, 3)[..]);
        show!(SYS_fcntl, file, F_SETLK, &range(F_RDLCK, 0, 8, 1)[..]);
        show!(SYS_fcntl, file, F_SETLK, &range(F_WRLCK, 0, 8, 1)[..]);
    });
    show!(SYS_fcntl, file, F_SETLK, &range(F_UNLCK, 0, 3, 1)[..]);
    elsewhere(|| {
        show!(SYS_fcntl, file, F_SETLK, &range(F_WRLCK, 0, 3, 1)[..]);
        show!(SYS_fcntl, file, F_SETLK, &range(F_WRLCK, 0, 4, 1)[..]);
    });
    let reader = quiet!(SYS_open, text("locked"), O_RDONLY).value();
    show!(SYS_fcntl, reader, F_SETLK, &range(F_WRLCK, 0, 50, 1)[..]);
    quiet!(SYS_close, reader);
    elsewhere(|| {
        // Closing any descriptor of the file has released them all.
        show!(SYS_fcntl, file, F_SETLKW, &range(F_WRLCK, 0, 0, 0)[..]);
    });
    quiet!(SYS_close, file);
    quiet!(SYS_unlink, text("locked"));
}

pub(crate) fn whole_file_locks() {
    let file = quiet!(SYS_open, text("flocked"), O_CREAT | O_RDWR, 0o644).value();
    let other = quiet!(SYS_open, text("flocked"), O_RDWR).value();
    let copy = quiet!(SYS_dup, file).value();
    show!(SYS_flock, file, LOCK_EX);
    show!(SYS_flock, copy, LOCK_EX | LOCK_NB);
    show!(SYS_flock, other, LOCK_SH | LOCK_NB);
    show!(SYS_flock, file, LOCK_SH);
    show!(SYS_flock, other, LOCK_SH | LOCK_NB);
    show!(SYS_flock, other, LOCK_EX | LOCK_NB);
    show!(SYS_flock, file, LOCK_UN);
    show!(SYS_flock, other, LOCK_EX | LOCK_NB);
    quiet!(SYS_close, other);
    show!(SYS_flock, file, LOCK_EX | LOCK_NB);
    show!(SYS_flock, file, 16);
    show!(SYS_flock, 99, LOCK_EX);
    quiet!(SYS_close, file);
    quiet!(SYS_close, copy);
    quiet!(SYS_unlink, text("flocked"));
}
