//! Pipes and fifos.

use guest_common::{child, say, signal};
use libc::{O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY};

use crate::call::text;
use crate::{quiet, show};

fn close(fds: [i32; 2]) {
    quiet!(SYS_close, fds[0]);
    quiet!(SYS_close, fds[1]);
}

pub(crate) fn pipes() {
    let mut fds = [0i32; 2];
    show!(SYS_pipe2, &mut fds[..], O_NONBLOCK | O_CLOEXEC);
    let mut buffer = vec![0u8; 70_000];
    show!(SYS_read, fds[0], &mut buffer[..], 10);
    show!(SYS_read, fds[0], &mut buffer[..], 0);
    show!(SYS_write, fds[1], &b"hello"[..], 5);
    let mut count = [0i32];
    show!(SYS_ioctl, fds[0], libc::FIONREAD, &mut count[..]);
    say(&format!("{count:?}"));
    show!(SYS_read, fds[0], &mut buffer[..], 3);
    show!(SYS_read, fds[0], &mut buffer[..], 10);
    show!(SYS_write, fds[0], &b"x"[..], 1);
    show!(SYS_read, fds[1], &mut buffer[..], 1);
    show!(SYS_lseek, fds[0], 0, 0);
    show!(SYS_pread64, fds[0], &mut buffer[..], 1, 0);
    show!(SYS_pwrite64, fds[1], &buffer[..], 1, 0);
    show!(SYS_fcntl, fds[1], libc::F_GETPIPE_SZ);
    show!(SYS_fcntl, 0x7fff, libc::F_GETPIPE_SZ);
    show!(SYS_write, fds[1], &buffer[..], 70_000);
    show!(SYS_write, fds[1], &buffer[..], 1);
    show!(SYS_read, fds[0], &mut buffer[..], 70_000);
    show!(SYS_fcntl, fds[1], libc::F_SETPIPE_SZ, 8000);
    show!(SYS_fcntl, fds[1], libc::F_SETPIPE_SZ, 0);
    show!(SYS_write, fds[1], &buffer[..], 70_000);
    show!(SYS_fcntl, fds[1], libc::F_SETPIPE_SZ, 4096);
    show!(SYS_ftruncate, fds[1], 0);
    show!(SYS_fsync, fds[1]);
    quiet!(SYS_close, fds[1]);
    show!(SYS_read, fds[0], &mut buffer[..], 70_000);
    show!(SYS_read, fds[0], &mut buffer[..], 70_000);
    quiet!(SYS_close, fds[0]);
    show!(SYS_pipe2, &mut fds[..], libc::O_APPEND);
}

pub(crate) fn fifos() {
    quiet!(SYS_mknod, text("fifo"), libc::S_IFIFO | 0o600, 0);
    show!(SYS_open, text("fifo"), O_WRONLY | O_NONBLOCK);
    let reader = quiet!(SYS_open, text("fifo"), O_RDONLY | O_NONBLOCK).value();
    let mut buffer = [0u8; 10];
    show!(SYS_read, reader, &mut buffer[..], 10);
    let writer = quiet!(SYS_open, text("fifo"), O_WRONLY | O_NONBLOCK).value();
    show!(SYS_read, reader, &mut buffer[..], 10);
    show!(SYS_write, writer, &b"through"[..], 7);
    show!(SYS_read, reader, &mut buffer[..], 10);
    quiet!(SYS_close, writer);
    show!(SYS_read, reader, &mut buffer[..], 10);
    quiet!(SYS_close, reader);
    let both = quiet!(SYS_open, text("fifo"), O_RDWR).value();
    show!(SYS_write, both, &b"self"[..], 4);
    show!(SYS_read, both, &mut buffer[..], 10);
    quiet!(SYS_close, both);
    let child = child::fork(|| {
        let writer = quiet!(SYS_open, text("fifo"), O_WRONLY).value();
        quiet!(SYS_write, writer, &b"child"[..], 5);
        0
    });
    let reader = quiet!(SYS_open, text("fifo"), O_RDONLY).value();
    show!(SYS_read, reader, &mut buffer[..], 10);
    show!(SYS_read, reader, &mut buffer[..], 10);
    say(&format!("{:?}", child::wait(child)));
    quiet!(SYS_close, reader);
    quiet!(SYS_unlink, text("fifo"));
}

pub(crate) fn broken() {
    let mut fds = [0i32; 2];
    quiet!(SYS_pipe, &mut fds[..]);
    quiet!(SYS_close, fds[0]);
    signal::count(libc::SIGPIPE, 0);
    show!(SYS_write, fds[1], &b"x"[..], 1);
    say(&format!("{} SIGPIPE", signal::caught(libc::SIGPIPE)));
    quiet!(SYS_close, fds[1]);
    // A reader in another process keeps it whole until it exits.
    quiet!(SYS_pipe, &mut fds[..]);
    let child = child::fork(|| {
        let mut buffer = [0u8; 3];
        quiet!(SYS_close, fds[1]);
        quiet!(SYS_read, fds[0], &mut buffer[..], 3);
        0
    });
    quiet!(SYS_close, fds[0]);
    show!(SYS_write, fds[1], &b"abc"[..], 3);
    say(&format!("{:?}", child::wait(child)));
    show!(SYS_write, fds[1], &b"x"[..], 1);
    say(&format!("{} SIGPIPE", signal::caught(libc::SIGPIPE)));
    let large = vec![0u8; 200_000];
    quiet!(SYS_close, fds[1]);
    quiet!(SYS_pipe, &mut fds[..]);
    let child = child::fork(|| {
        let mut buffer = vec![0u8; 5000];
        quiet!(SYS_close, fds[1]);
        quiet!(SYS_read, fds[0], &mut buffer[..], 5000);
        0
    });
    quiet!(SYS_close, fds[0]);
    let written = quiet!(SYS_write, fds[1], &large[..], large.len());
    say(&format!("some of a large write: {}", (4096..200_000).contains(&written.value())));
    say(&format!("{:?} {} SIGPIPE", child::wait(child), signal::caught(libc::SIGPIPE)));
    close([fds[1], fds[1]]);
}
