//! Parents, process groups and sessions.

use std::io::{self, Read, Write};

use guest_common::child::{self, End};
use guest_common::signal;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, getpgid, getpgrp, getpid, getppid, getsid, kill_process, kill_process_group,
    setpgid, setsid,
};

use crate::waits::Held;

pub(crate) fn orphan_goes_to_init() {
    let (mut reader, mut writer) = io::pipe().unwrap();
    let own = getpid();
    let parent = child::fork(|| {
        let middle = getpid();
        assert_eq!(getppid(), Some(own));
        child::fork(|| {
            while getppid() == Some(middle) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            writer.write_all(b"adopted").unwrap();
            0
        });
        3
    });
    drop(writer);
    assert_eq!(child::wait(parent), End::Exited(3));
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(said, "adopted");
}

pub(crate) fn groups() {
    let own = getpgrp();
    let mut held = Held::fork(|| ());
    assert_eq!(getpgid(Some(held.pid)), Ok(own), "a child is in its parent's group");
    setpgid(Some(held.pid), None).unwrap();
    assert_eq!(getpgid(Some(held.pid)), Ok(held.pid));
    setpgid(Some(held.pid), Some(own)).unwrap();
    assert_eq!(getpgid(Some(held.pid)), Ok(own));
    let nobody = Pid::from_raw(i32::MAX);
    assert_eq!(getpgid(nobody), Err(Errno::SRCH));
    assert_eq!(setpgid(nobody, None), Err(Errno::SRCH));
    assert_eq!(setpgid(Some(held.pid), nobody), Err(Errno::PERM), "no such group here");
    held.release(0);
    assert_eq!(child::wait(held.pid), End::Exited(0));
}

pub(crate) fn sessions() {
    let own = getsid(None).unwrap();
    let end = child::fork_and_wait(|| {
        assert_eq!(getsid(None), Ok(own));
        let pid = getpid();
        assert_eq!(setsid(), Ok(pid));
        assert_eq!((getsid(None), getpgrp()), (Ok(pid), pid));
        assert_eq!(setsid().err(), Some(Errno::PERM), "a leader of a group cannot");
        assert_eq!(setpgid(None, None), Err(Errno::PERM), "nor a leader of a session");
        0
    });
    assert_eq!(end, End::Exited(0));
    assert_eq!(getsid(None), Ok(own));
}

pub(crate) fn kill_a_group() {
    let leader = Held::fork(|| setpgid(None, None).unwrap());
    let member = Held::fork(|| ());
    setpgid(Some(member.pid), Some(leader.pid)).unwrap();
    let mut outsider = Held::fork(|| ());
    kill_process_group(leader.pid, Signal::TERM).unwrap();
    assert_eq!(child::wait(leader.pid), End::Killed(libc::SIGTERM));
    assert_eq!(child::wait(member.pid), End::Killed(libc::SIGTERM));
    assert_eq!(kill_process_group(leader.pid, Signal::TERM), Err(Errno::SRCH));
    outsider.release(1);
    assert_eq!(child::wait(outsider.pid), End::Exited(1));
    let end = child::fork_and_wait(|| {
        setpgid(None, None).unwrap();
        signal::kill(0, libc::SIGHUP);
        0
    });
    assert_eq!(end, End::Killed(libc::SIGHUP), "pid 0 means the own group");
}

pub(crate) fn kill_nobody() {
    let nobody = Pid::from_raw(i32::MAX).unwrap();
    assert_eq!(kill_process(nobody, Signal::TERM), Err(Errno::SRCH));
    // SAFETY: takes two numbers.
    let result = unsafe { libc::kill(child::own_pid(), 65) };
    assert_eq!((result, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EINVAL)));
}
