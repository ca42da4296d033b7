//! Descriptors: duplicating, flags, limits, devices.

use guest_common::say;
use libc::{
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, O_APPEND, O_CLOEXEC,
    O_CREAT, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
};

use crate::call::text;
use crate::{quiet, show};

fn open(path: &str, flags: i32) -> i64 {
    quiet!(SYS_open, text(path), flags, 0o644).value()
}

fn close(fds: &[i64]) {
    for fd in fds {
        quiet!(SYS_close, *fd);
    }
}

pub(crate) fn duplicating() {
    let file = open("dup", O_CREAT | O_RDWR | O_TRUNC);
    let copy = quiet!(SYS_dup, file).value();
    quiet!(SYS_write, file, &b"0123456789"[..], 10);
    show!(SYS_lseek, copy, -4, 1);
    let mut buffer = [0u8; 10];
    show!(SYS_read, file, &mut buffer[..], 10);
    show!(SYS_dup, 99);
    show!(SYS_dup2, file, 50);
    show!(SYS_dup2, file, 50);
    show!(SYS_dup2, 50, 50);
    show!(SYS_dup2, 99, 99);
    show!(SYS_dup2, file, -1);
    show!(SYS_dup2, file, 1_000_000_000);
    show!(SYS_dup3, file, file, 0);
    show!(SYS_dup3, file, 51, O_CLOEXEC);
    show!(SYS_dup3, file, 52, O_APPEND);
    show!(SYS_fcntl, 51, F_GETFD);
    show!(SYS_fcntl, 50, F_GETFD);
    show!(SYS_fcntl, file, F_DUPFD, 60);
    show!(SYS_fcntl, file, F_DUPFD, 60);
    show!(SYS_fcntl, file, F_DUPFD_CLOEXEC, 60);
    show!(SYS_fcntl, 62, F_GETFD);
    show!(SYS_fcntl, file, F_DUPFD, -1);
    show!(SYS_fcntl, file, F_DUPFD, 1_000_000_000);
    show!(SYS_close, 50);
    show!(SYS_close, 50);
    show!(SYS_close, -1);
    close(&[file, copy, 51, 60, 61, 62]);
    quiet!(SYS_unlink, text("dup"));
}

pub(crate) fn flags() {
    let file = open("flags", O_CREAT | O_RDWR | O_TRUNC | O_APPEND | O_CLOEXEC);
    let name = open("flags", O_PATH | O_CLOEXEC);
    show!(SYS_fcntl, file, F_GETFL);
    show!(SYS_fcntl, file, F_SETFL, O_NONBLOCK | O_WRONLY | O_CREAT);
    show!(SYS_fcntl, file, F_GETFL);
    show!(SYS_fcntl, file, F_GETFD);
    show!(SYS_fcntl, file, F_SETFD, 0);
    show!(SYS_fcntl, file, F_GETFD);
    show!(SYS_fcntl, file, F_SETFD, FD_CLOEXEC);
    show!(SYS_fcntl, name, F_GETFL);
    show!(SYS_fcntl, name, F_SETFL, 0);
    show!(SYS_fcntl, name, F_GETFD);
    show!(SYS_fcntl, file, 9999);
    show!(SYS_fcntl, 99, F_GETFD);
    let mut value = [1i32];
    show!(SYS_ioctl, file, libc::FIONBIO, &mut value[..]);
    show!(SYS_fcntl, file, F_GETFL);
    show!(SYS_ioctl, file, libc::FIOCLEX);
    show!(SYS_ioctl, file, libc::TCGETS, &mut [0u8; 64][..]);
    show!(SYS_ioctl, file, libc::TIOCGWINSZ, &mut [0u8; 64][..]);
    show!(SYS_ioctl, 99, libc::TCGETS, &mut [0u8; 64][..]);
    quiet!(SYS_write, file, &b"0123456789"[..], 10);
    quiet!(SYS_lseek, file, 3, 0);
    show!(SYS_ioctl, file, libc::FIONREAD, &mut value[..]);
    say(&format!("{value:?}"));
    close(&[file, name]);
    quiet!(SYS_unlink, text("flags"));
}

pub(crate) fn ranges() {
    let file = open("/dev/null", O_RDWR);
    for fd in 70..76 {
        quiet!(SYS_dup2, file, fd);
    }
    show!(SYS_close_range, 72u32, 71u32, 0);
    show!(SYS_close_range, 71u32, 72u32, 99);
    show!(SYS_close_range, 71u32, 72u32, 0);
    show!(SYS_close_range, 74u32, u32::MAX, 4);
    for fd in 70..76 {
        let code = quiet!(SYS_fcntl, fd, F_GETFD);
        say(&format!("{fd}: {code}"));
    }
    show!(SYS_close_range, 70u32, u32::MAX, 0);
    show!(SYS_fcntl, 75, F_GETFD);
    close(&[file]);
}

pub(crate) fn limits() {
    let mut old = [0u64; 2];
    quiet!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, 0usize, &mut old[..]);
    let file = open("/dev/null", O_RDWR);
    let new = [file as u64 + 2, old[1]];
    show!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, &new[..], 0usize);
    let next = quiet!(SYS_dup, file);
    say(&format!("one more: {}", next.0.is_ok()));
    show!(SYS_dup, file);
    show!(SYS_open, text("not-made"), O_CREAT | O_RDWR, 0o644);
    show!(SYS_access, text("not-made"), 0);
    show!(SYS_pipe, &mut [0i32; 2][..]);
    show!(SYS_dup2, file, file + 2);
    quiet!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, &old[..], 0usize);
    close(&[file, next.value()]);
}

pub(crate) fn devices() {
    let mut buffer = [1u8; 16];
    for path in ["/dev/null", "/dev/zero", "/dev/full"] {
        let device = open(path, O_RDWR);
        say(path);
        show!(SYS_read, device, &mut buffer[..], 16);
        say(&format!("{buffer:?}"));
        show!(SYS_write, device, &buffer[..], 16);
        show!(SYS_lseek, device, 100, 0);
        show!(SYS_pread64, device, &mut buffer[..], 16, 5);
        show!(SYS_ioctl, device, libc::TCGETS, &mut [0u8; 64][..]);
        close(&[device]);
    }
    let random = open("/dev/urandom", O_RDONLY);
    show!(SYS_read, random, &mut buffer[..], 16);
    close(&[random]);
}
