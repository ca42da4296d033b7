//! What keys do.

use std::time::{Duration, Instant};

use guest_common::{say, signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::stdio::stdin;

use crate::jobs::{background, end_child, give_terminal_to, stopped};
use crate::modes::{set, settings, with};

/// One read of at most `limit` bytes.
fn read(limit: usize) -> Vec<u8> {
    let mut buffer = vec![0; limit];
    let length = rustix::io::read(stdin(), &mut buffer).expect("the terminal can be read");
    buffer.truncate(length);
    buffer
}

fn press(name: &str) {
    say(&format!("press {name}"));
}

/// Whether something can be read, now or soon.
fn comes(limit: Duration) -> bool {
    let nanoseconds = i64::from(limit.subsec_nanos());
    let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: nanoseconds };
    poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], Some(&limit)).expect("poll") == 1
}

pub(crate) fn line() {
    press("line");
    assert_eq!(read(4), b"one ", "a part of the line");
    assert_eq!(read(100), b"two\n", "and its rest");
}

pub(crate) fn edited() {
    press("edited");
    assert_eq!(read(100), b"too\n");
}

/// The key of the end gives out what there is; at the beginning of a line that is the end.
pub(crate) fn end() {
    press("end");
    assert_eq!(read(100), b"word");
    assert_eq!(read(100), b"");
    press("end again");
    assert_eq!(read(100), b"");
}

pub(crate) fn long() {
    press("long");
    let line = read(1000);
    assert_eq!(line.len(), 301);
    assert!(line[..300].iter().all(|byte| *byte == b'x'));
}

pub(crate) fn raw() {
    let make_raw = |changed: &mut libc::termios| {
        // SAFETY: changes the structure it is given.
        unsafe { libc::cfmakeraw(changed) };
    };
    with(make_raw, || {
        print!("press raw\r\n");
        std::io::Write::flush(&mut std::io::stdout()).expect("the terminal can be written");
        let mut keys = Vec::new();
        while keys.len() < 3 {
            keys.extend(read(1));
        }
        assert_eq!(keys, b"a\x03\r", "every key as it is");
    });
}

/// VMIN 0 and VTIME: the read ends without a key.
pub(crate) fn read_timeout() {
    let wait_a_little = |changed: &mut libc::termios| {
        changed.c_lflag &= !(libc::ICANON | libc::ECHO);
        (changed.c_cc[libc::VMIN], changed.c_cc[libc::VTIME]) = (0, 2);
    };
    with(wait_a_little, || {
        let began = Instant::now();
        assert_eq!(read(10), b"");
        assert!(began.elapsed() >= Duration::from_millis(180), "{:?}", began.elapsed());
    });
}

pub(crate) fn interrupt() {
    signal::count(libc::SIGINT, libc::SA_RESTART);
    press("interrupt");
    signal::wait_for(libc::SIGINT, 1);
    signal::default(libc::SIGINT);
    signal::count(libc::SIGQUIT, libc::SA_RESTART);
    press("quit");
    signal::wait_for(libc::SIGQUIT, 1);
    signal::default(libc::SIGQUIT);
}

/// Stops the group in the foreground, and nobody else.
pub(crate) fn suspend() {
    let child = background(|| {
        std::thread::sleep(Duration::from_secs(1000));
        1
    });
    give_terminal_to(child);
    press("suspend");
    assert_eq!(stopped(child), Some(libc::SIGTSTP));
    give_terminal_to(getpgrp());
    end_child(child);
}

/// Settings set with TCSAFLUSH drop what was typed before.
pub(crate) fn flush() {
    press("flush");
    assert!(comes(Duration::from_secs(100)));
    set(&settings(), libc::TCSAFLUSH);
    assert!(!comes(Duration::ZERO));
}
