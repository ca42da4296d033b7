//! Reading, writing, seeking.

use guest_common::say;
use libc::{O_APPEND, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};

use crate::call::{make, text};
use crate::{quiet, show};

const NEW: i32 = O_CREAT | O_RDWR | O_TRUNC;
/// An address that nothing is mapped at, in the upper half, and one in the lower.
const KERNEL: usize = 0xffff_8000_0000_0000;
const NOWHERE: usize = 16;

fn open(path: &str, flags: i32) -> i64 {
    quiet!(SYS_open, text(path), flags, 0o644).value()
}

pub(crate) fn reading_and_writing() {
    let file = open("rw", NEW);
    let mut buffer = [0u8; 64];
    show!(SYS_write, file, &b"0123456789"[..], 10);
    show!(SYS_read, file, &mut buffer[..], 64);
    show!(SYS_pread64, file, &mut buffer[..], 4, 3);
    say(&format!("{:?}", &buffer[..4]));
    show!(SYS_pread64, file, &mut buffer[..], 64, 8);
    show!(SYS_pread64, file, &mut buffer[..], 64, 100);
    show!(SYS_pread64, file, &mut buffer[..], 64, -1);
    show!(SYS_pwrite64, file, &b"xy"[..], 2, 12);
    show!(SYS_pread64, file, &mut buffer[..], 64, 8);
    say(&format!("{:?}", &buffer[..6]));
    show!(SYS_pwrite64, file, &b"xy"[..], 2, -1);
    show!(SYS_read, file, &mut buffer[..], 0);
    show!(SYS_write, file, &buffer[..], 0);
    quiet!(SYS_close, file);
    let reader = open("rw", O_RDONLY);
    let writer = open("rw", O_WRONLY | O_APPEND);
    let name = open("rw", O_PATH);
    show!(SYS_write, reader, &b"x"[..], 1);
    show!(SYS_write, reader, &b"x"[..], 0);
    show!(SYS_read, writer, &mut buffer[..], 1);
    show!(SYS_read, writer, &mut buffer[..], 0);
    show!(SYS_read, name, &mut buffer[..], 1);
    show!(SYS_read, 99, &mut buffer[..], 1);
    show!(SYS_read, -1, &mut buffer[..], 1);
    show!(SYS_write, writer, &b"end"[..], 3);
    show!(SYS_lseek, writer, 0, 1);
    show!(SYS_pwrite64, writer, &b"!"[..], 1, 0);
    show!(SYS_read, reader, &mut buffer[..], 64);
    say(&format!("{:?}", &buffer[..18]));
    for fd in [reader, writer, name] {
        quiet!(SYS_close, fd);
    }
    quiet!(SYS_unlink, text("rw"));
}

fn vector(parts: &[(usize, usize)]) -> Vec<[usize; 2]> {
    parts.iter().map(|(address, length)| [*address, *length]).collect()
}

pub(crate) fn vectors() {
    let file = open("v", NEW);
    let (one, two) = (*b"one-", *b"two-three");
    let parts = [(one.as_ptr() as usize, 4), (0, 0), (two.as_ptr() as usize, 9)];
    let out = vector(&parts);
    show!(SYS_writev, file, &out[..], 3);
    show!(SYS_pwritev, file, &out[..], 1, 20, 0);
    let (mut first, mut second) = ([0u8; 6], [0u8; 40]);
    let parts = [(first.as_mut_ptr() as usize, 6), (second.as_mut_ptr() as usize, 40)];
    let into = vector(&parts);
    show!(SYS_preadv, file, &into[..], 2, 0, 0);
    say(&format!("{:?} {:?}", first, &second[..18]));
    show!(SYS_preadv, file, &into[..], 2, -1, 0);
    show!(SYS_lseek, file, 2, 0);
    show!(SYS_readv, file, &into[..], 1);
    say(&format!("{first:?}"));
    show!(SYS_readv, file, &into[..], 0);
    show!(SYS_readv, file, &into[..], -1);
    show!(SYS_readv, file, &into[..], 1025);
    show!(SYS_readv, file, NOWHERE, 1);
    let negative = vector(&[(first.as_ptr() as usize, usize::MAX)]);
    show!(SYS_readv, file, &negative[..], 1);
    quiet!(SYS_close, file);
    quiet!(SYS_unlink, text("v"));
}

pub(crate) fn bad_addresses() {
    let file = open("bad", NEW);
    show!(SYS_write, file, &b"0123456789"[..], 10);
    show!(SYS_write, file, NOWHERE, 10);
    show!(SYS_write, file, KERNEL, 10);
    show!(SYS_pread64, file, NOWHERE, 10, 0);
    show!(SYS_pread64, file, KERNEL, 10, 0);
    show!(SYS_open, NOWHERE, O_RDONLY);
    show!(SYS_stat, text("bad"), NOWHERE);
    show!(SYS_pipe, NOWHERE);
    // A buffer whose second page is missing: what fits is transferred.
    // SAFETY: a fresh mapping of two pages, of which the second is taken away again.
    let start = unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(std::ptr::null_mut(), 8192, protection, flags, -1, 0) as usize;
        libc::munmap((start + 4096) as *mut libc::c_void, 4096);
        start
    };
    let edge = start + 4096 - 4;
    show!(SYS_pread64, file, edge, 10, 0);
    show!(SYS_pwrite64, file, edge, 10, 0);
    let mut fds = [0i32; 2];
    quiet!(SYS_pipe, &mut fds[..]);
    show!(SYS_write, fds[1], edge, 10);
    show!(SYS_write, fds[1], &b"abcdefghij"[..], 10);
    show!(SYS_read, fds[0], NOWHERE, 10);
    let mut buffer = [0u8; 32];
    let left = quiet!(SYS_read, fds[0], &mut buffer[..], 32);
    say(&format!("{} or more left", left.value().min(10)));
    quiet!(SYS_close, fds[0]);
    quiet!(SYS_close, fds[1]);
    quiet!(SYS_close, file);
    quiet!(SYS_unlink, text("bad"));
}

pub(crate) fn seeking() {
    let file = open("seek", NEW);
    quiet!(SYS_write, file, &b"0123456789"[..], 10);
    show!(SYS_lseek, file, 3, 0);
    show!(SYS_lseek, file, -1, 1);
    show!(SYS_lseek, file, -10, 1);
    show!(SYS_lseek, file, 10, 2);
    show!(SYS_lseek, file, -11, 2);
    show!(SYS_lseek, file, i64::MAX, 1);
    show!(SYS_lseek, file, 1, 3);
    show!(SYS_lseek, file, 1, 4);
    show!(SYS_lseek, file, 10, 3);
    show!(SYS_lseek, file, 10, 4);
    show!(SYS_lseek, file, -1, 3);
    show!(SYS_lseek, file, 0, 9);
    show!(SYS_lseek, 99, 0, 0);
    quiet!(SYS_close, file);
    quiet!(SYS_unlink, text("seek"));
}

pub(crate) fn sizes() {
    let file = open("size", NEW);
    show!(SYS_ftruncate, file, 5000);
    show!(SYS_lseek, file, 0, 2);
    quiet!(SYS_pwrite64, file, &b"x"[..], 1, 4999);
    show!(SYS_ftruncate, file, 4098);
    show!(SYS_ftruncate, file, 6000);
    let mut buffer = [1u8; 8192];
    show!(SYS_pread64, file, &mut buffer[..], 8192, 0);
    say(&format!(
        "{} bytes are not zero",
        buffer[..6000].iter().filter(|byte| **byte != 0).count()
    ));
    show!(SYS_ftruncate, file, -1);
    show!(SYS_ftruncate, 99, 0);
    show!(SYS_fsync, file);
    show!(SYS_fdatasync, file);
    show!(SYS_fsync, 99);
    quiet!(SYS_close, file);
    let reader = open("size", O_RDONLY);
    show!(SYS_ftruncate, reader, 0);
    quiet!(SYS_close, reader);
    let directory = open(".", O_RDONLY | O_DIRECTORY);
    show!(SYS_ftruncate, directory, 0);
    quiet!(SYS_close, directory);
    let null = open("/dev/null", O_RDWR);
    show!(SYS_ftruncate, null, 0);
    show!(SYS_fsync, null);
    quiet!(SYS_close, null);
    quiet!(SYS_unlink, text("size"));
}

pub(crate) fn sending() {
    make("from", b"0123456789");
    let (from, to) = (open("from", O_RDONLY), open("to", NEW));
    show!(SYS_sendfile, to, from, 0usize, 4);
    let mut offset = [6i64];
    show!(SYS_sendfile, to, from, &mut offset[..], 100);
    say(&format!("{offset:?}"));
    show!(SYS_sendfile, to, from, 0usize, 2);
    show!(SYS_lseek, from, 0, 1);
    say(&format!("{:?}", std::fs::read("to")));
    let mut fds = [0i32; 2];
    quiet!(SYS_pipe, &mut fds[..]);
    show!(SYS_sendfile, fds[1], from, 0usize, 100);
    show!(SYS_sendfile, to, fds[0], 0usize, 100);
    show!(SYS_sendfile, from, to, 0usize, 100);
    let append = open("to", O_WRONLY | O_APPEND);
    show!(SYS_sendfile, append, from, 0usize, 100);
    let mut negative = [-1i64];
    show!(SYS_sendfile, to, from, &mut negative[..], 100);
    for fd in [from, to, append, fds[0].into(), fds[1].into()] {
        quiet!(SYS_close, fd);
    }
    quiet!(SYS_unlink, text("from"));
    quiet!(SYS_unlink, text("to"));
}

pub(crate) fn large() {
    let data: Vec<u8> = (0..300_000u32).map(|index| (index / 7) as u8).collect();
    let file = open("large", NEW);
    show!(SYS_write, file, &data[..], data.len());
    let mut back = vec![0u8; 300_000];
    show!(SYS_pread64, file, &mut back[..], back.len() + 1000, 0);
    say(&format!("equal: {}", back == data));
    show!(SYS_pread64, file, &mut back[..], 200_000, 200_000);
    say(&format!("equal: {}", back[..100_000] == data[200_000..]));
    quiet!(SYS_close, file);
    quiet!(SYS_unlink, text("large"));
}
