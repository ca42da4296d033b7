//! Who is told what: senders, parents, writers without a reader.

use std::io;
use std::time::{Duration, Instant};

use guest_common::child::{self, End};
use guest_common::signal::{self, Mask};
use libc::{SIGCHLD, SIGPIPE, SIGUSR1};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, kill_process, wait, waitpid};

/// `si_code` values (sigaction(2)).
const SI_USER: i32 = 0;
const SI_TKILL: i32 = -6;
const CLD_EXITED: i32 = 1;
const CLD_KILLED: i32 = 2;
const CLD_STOPPED: i32 = 5;
const CLD_CONTINUED: i32 = 6;

pub(crate) fn sender_is_told() {
    signal::record(SIGUSR1, 0);
    let parent = child::own_pid();
    let sender = child::fork(|| {
        signal::kill(parent, SIGUSR1);
        0
    });
    signal::wait_for(SIGUSR1, 1);
    assert_eq!((signal::last().code, signal::last().pid), (SI_USER, sender.as_raw_pid()));
    assert_eq!(child::wait(sender), End::Exited(0));
    signal::raise(SIGUSR1);
    assert_eq!((signal::last().code, signal::last().pid), (SI_TKILL, parent));
}

pub(crate) fn child_is_told() {
    signal::record(SIGCHLD, 0);
    let pid = child::fork(|| 33);
    signal::wait_for(SIGCHLD, 1);
    let info = signal::last();
    assert_eq!((info.code, info.pid, info.status), (CLD_EXITED, pid.as_raw_pid(), 33));
    assert_eq!(child::wait(pid), End::Exited(33));
    let pid = child::fork(|| {
        signal::raise(libc::SIGKILL);
        0
    });
    signal::wait_for(SIGCHLD, 2);
    let info = signal::last();
    assert_eq!((info.code, info.pid, info.status), (CLD_KILLED, pid.as_raw_pid(), libc::SIGKILL));
    assert_eq!(child::wait(pid), End::Killed(libc::SIGKILL));
    signal::default(SIGCHLD);
}

pub(crate) fn child_stop_is_told() {
    signal::record(SIGCHLD, 0);
    let pid = child::fork(|| {
        signal::raise(libc::SIGSTOP);
        0
    });
    signal::wait_for(SIGCHLD, 1);
    assert_eq!((signal::last().code, signal::last().status), (CLD_STOPPED, libc::SIGSTOP));
    kill_process(pid, Signal::CONT).unwrap();
    signal::wait_for(SIGCHLD, 2);
    // The exit may have come since, or merged with it.
    assert!(matches!(signal::last().code, CLD_CONTINUED | CLD_EXITED));
    assert_eq!(child::wait(pid), End::Exited(0));
    signal::record(SIGCHLD, libc::SA_NOCLDSTOP);
    let pid = child::fork(|| {
        signal::raise(libc::SIGSTOP);
        0
    });
    waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
    assert_eq!(signal::caught(SIGCHLD), 0, "SA_NOCLDSTOP");
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(child::wait(pid), End::Exited(0));
    signal::default(SIGCHLD);
}

/// With `SIGCHLD` ignored there are no zombies; wait waits for all and finds none.
pub(crate) fn ignored_children_vanish() {
    signal::ignore(SIGCHLD);
    child::fork(|| 1);
    child::fork_later(Duration::from_millis(20), || ());
    assert_eq!(wait(WaitOptions::empty()).err(), Some(Errno::CHILD));
    signal::default(SIGCHLD);
}

pub(crate) fn broken_pipe() {
    let broken = || {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        rustix::io::write(&writer, b"nobody reads this")
    };
    // The standard library ignores SIGPIPE.
    assert_eq!(broken(), Err(Errno::PIPE));
    let end = child::fork_and_wait(|| {
        signal::default(SIGPIPE);
        i32::from(broken().is_ok())
    });
    assert_eq!(end, End::Killed(SIGPIPE));
    signal::count(SIGPIPE, 0);
    assert_eq!(broken(), Err(Errno::PIPE));
    assert_eq!(signal::caught(SIGPIPE), 1);
    signal::ignore(SIGPIPE);
}

pub(crate) fn timed_wait() {
    signal::count(SIGUSR1, 0);
    let before = signal::block(&[SIGUSR1]);
    let set = Mask::of(&[SIGUSR1]);
    let began = Instant::now();
    assert_eq!(set.timed_wait(Duration::from_millis(20)), Err(libc::EAGAIN));
    assert!(began.elapsed() >= Duration::from_millis(20));
    let parent = child::own_pid();
    let sender = child::fork_later(Duration::from_millis(20), || signal::kill(parent, SIGUSR1));
    assert_eq!(set.timed_wait(Duration::from_secs(10)), Ok((SIGUSR1, sender.as_raw_pid())));
    assert_eq!(signal::caught(SIGUSR1), 0, "taken without its handler");
    assert_eq!(child::wait(sender), End::Exited(0));
    signal::set_mask(&before);
}

pub(crate) fn default_actions() {
    for harmless in [SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT] {
        assert_eq!(after_raising(harmless), End::Exited(0), "{harmless} is ignored");
    }
    for deadly in [libc::SIGINT, libc::SIGQUIT, libc::SIGUSR2, libc::SIGALRM, libc::SIGRTMIN()] {
        assert_eq!(after_raising(deadly), End::Killed(deadly));
    }
}

fn after_raising(number: i32) -> End {
    child::fork_and_wait(|| {
        signal::default(number);
        signal::raise(number);
        0
    })
}
