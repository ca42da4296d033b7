//! How children end, and how their parent learns of it (wait4(2), waitid(2)).

use std::io::{self, Read, Write};

use guest_common::child::{self, End};
use guest_common::signal;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, setpgid,
    test_kill_process, wait, waitid, waitpgid, waitpid,
};

pub(crate) fn exit_statuses() {
    for code in [0, 1, 7, 128, 255] {
        assert_eq!(child::fork_and_wait(|| code), End::Exited(code));
    }
    assert_eq!(child::fork_and_wait(|| 256 + 3), End::Exited(3), "eight bits are kept");
}

pub(crate) fn killed_statuses() {
    for number in [libc::SIGHUP, libc::SIGKILL, libc::SIGTERM, libc::SIGUSR1] {
        let end = child::fork_and_wait(|| {
            signal::kill(child::own_pid(), number);
            0
        });
        assert_eq!(end, End::Killed(number));
    }
}

pub(crate) fn any_then_none() {
    let first = child::fork(|| 1);
    let second = child::fork(|| 2);
    let mut ended = Vec::new();
    while let Ok(Some((pid, status))) = wait(WaitOptions::empty()) {
        ended.push((pid, status.exit_status()));
    }
    ended.sort_by_key(|(_, status)| *status);
    assert_eq!(ended, [(first, Some(1)), (second, Some(2))]);
    assert_eq!(wait(WaitOptions::empty()).err(), Some(Errno::CHILD));
    assert_eq!(waitpid(Some(first), WaitOptions::empty()).err(), Some(Errno::CHILD));
    assert_eq!(waitpid(Some(getpid()), WaitOptions::empty()).err(), Some(Errno::CHILD));
}

/// A child that lives until its standing pipe is written to or closed.
pub(crate) struct Held {
    pub(crate) pid: Pid,
    release: io::PipeWriter,
}

impl Held {
    pub(crate) fn fork(prepare: impl FnOnce()) -> Self {
        let (mut reader, release) = io::pipe().unwrap();
        let (mut prepared, mut tell) = io::pipe().unwrap();
        let pid = child::fork(|| {
            prepare();
            tell.write_all(b"!").unwrap();
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            i32::from(byte[0])
        });
        drop(tell);
        prepared.read_exact(&mut [0]).unwrap();
        Self { pid, release }
    }

    /// Lets it exit with this status.
    pub(crate) fn release(&mut self, status: u8) {
        self.release.write_all(&[status]).unwrap();
    }
}

pub(crate) fn without_hanging() {
    let mut held = Held::fork(|| ());
    assert!(waitpid(Some(held.pid), WaitOptions::NOHANG).unwrap().is_none());
    held.release(9);
    assert_eq!(child::wait(held.pid), End::Exited(9));
}

pub(crate) fn waitid_leaves_the_zombie() {
    let pid = child::fork(|| 42);
    for options in [WaitIdOptions::EXITED | WaitIdOptions::NOWAIT, WaitIdOptions::EXITED] {
        let status = waitid(WaitId::Pid(pid), options).unwrap().expect("it may block");
        assert!(status.exited());
        assert_eq!(status.exit_status(), Some(42));
    }
    assert_eq!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).err(), Some(Errno::CHILD));
    let pid = child::fork(|| {
        loop {
            signal::kill(child::own_pid(), libc::SIGKILL);
        }
    });
    let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).unwrap().expect("it may block");
    assert!(status.killed());
    assert_eq!(status.terminating_signal(), Some(libc::SIGKILL));
}

pub(crate) fn for_a_group() {
    let mut other = Held::fork(|| ());
    let mut grouped = Held::fork(|| setpgid(None, None).unwrap());
    grouped.release(5);
    let (pid, status) = waitpgid(grouped.pid, WaitOptions::empty()).unwrap().expect("it may block");
    assert_eq!((pid, status.exit_status()), (grouped.pid, Some(5)));
    assert_eq!(waitpgid(grouped.pid, WaitOptions::empty()).err(), Some(Errno::CHILD));
    other.release(0);
    assert_eq!(child::wait(other.pid), End::Exited(0));
}

pub(crate) fn stopped_and_continued() {
    let mut held = Held::fork(|| ());
    kill_process(held.pid, Signal::STOP).unwrap();
    let (_, status) = waitpid(Some(held.pid), WaitOptions::UNTRACED).unwrap().expect("may block");
    assert!(status.stopped());
    assert_eq!(status.stopping_signal(), Some(libc::SIGSTOP));
    assert!(waitpid(Some(held.pid), WaitOptions::NOHANG).unwrap().is_none(), "told once");
    kill_process(held.pid, Signal::CONT).unwrap();
    let (_, status) = waitpid(Some(held.pid), WaitOptions::CONTINUED).unwrap().expect("may block");
    assert!(status.continued());
    held.release(3);
    assert_eq!(child::wait(held.pid), End::Exited(3));
}

pub(crate) fn zombie_until_collected() {
    let pid = child::fork(|| 0);
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    assert_eq!(test_kill_process(pid), Ok(()), "a zombie still has its pid");
    assert_eq!(kill_process(pid, Signal::KILL), Ok(()), "and nothing can hurt it");
    assert_eq!(child::wait(pid), End::Exited(0));
    assert_eq!(test_kill_process(pid), Err(Errno::SRCH));
}
