//! Blocking calls and signals: restarted, interrupted, undisturbed.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use guest_common::child::{self, End, fork_later};
use guest_common::signal;
use libc::{SIGUSR1, SIGUSR2};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// Long enough for the other side to be asleep in its call.
const SOON: Duration = Duration::from_millis(30);

/// Sends this process `SIGUSR1` soon, and does `then` a while later.
fn signal_then(then: impl FnOnce()) -> Pid {
    let parent = child::own_pid();
    fork_later(SOON, move || {
        signal::kill(parent, SIGUSR1);
        std::thread::sleep(SOON);
        then();
    })
}

/// A child that sends this process `SIGUSR1` again and again: one of them will come in the middle
/// of a call, however late that begins.
fn signal_again_and_again() -> Pid {
    let parent = child::own_pid();
    child::fork(move || {
        loop {
            std::thread::sleep(SOON);
            signal::kill(parent, SIGUSR1);
        }
    })
}

fn no_more(helper: Pid) {
    kill_process(helper, Signal::KILL).unwrap();
    assert_eq!(child::wait(helper), End::Killed(libc::SIGKILL));
    assert!(signal::caught(SIGUSR1) >= 1);
}

fn read_once(reader: &io::PipeReader) -> Result<usize, Errno> {
    rustix::io::read(reader, &mut [0; 16])
}

fn finish(helper: Pid) {
    assert_eq!(child::wait(helper), End::Exited(0));
}

pub(crate) fn restarted_read() {
    let (reader, writer) = io::pipe().unwrap();
    signal::count(SIGUSR1, libc::SA_RESTART);
    let helper = signal_then(|| {
        rustix::io::write(&writer, b"data").unwrap();
    });
    assert_eq!(read_once(&reader), Ok(4), "the call went on after the handler");
    assert_eq!(signal::caught(SIGUSR1), 1);
    finish(helper);
}

pub(crate) fn interrupted_read() {
    let (reader, writer) = io::pipe().unwrap();
    signal::count(SIGUSR1, 0);
    let helper = signal_again_and_again();
    assert_eq!(read_once(&reader), Err(Errno::INTR));
    no_more(helper);
    rustix::io::write(&writer, b"data").unwrap();
    assert_eq!(read_once(&reader), Ok(4));
}

/// A write that has already written something returns how much, not EINTR.
pub(crate) fn interrupted_write() {
    let (mut reader, writer) = io::pipe().unwrap();
    fcntl_setpipe_size(&writer, 4096).ok();
    let data = vec![1_u8; 1 << 20];
    signal::count(SIGUSR1, 0);
    let helper = signal_again_and_again();
    let written = rustix::io::write(&writer, &data).unwrap();
    assert!(written > 0 && written < data.len(), "the pipe took a part: {written}");
    assert_eq!(rustix::io::write(&writer, b"!"), Err(Errno::INTR), "the pipe is full");
    no_more(helper);
    drop(writer);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), written);
}

pub(crate) fn poll_is_never_restarted() {
    let (reader, _writer) = io::pipe().unwrap();
    signal::count(SIGUSR1, libc::SA_RESTART);
    let helper = signal_again_and_again();
    let mut fds = [PollFd::new(&reader, PollFlags::IN)];
    assert_eq!(poll(&mut fds, None), Err(Errno::INTR));
    no_more(helper);
}

pub(crate) fn restarted_wait() {
    signal::count(SIGUSR1, libc::SA_RESTART);
    // It ends when it is told to, which is after the signal.
    let (reader, writer) = io::pipe().unwrap();
    let waited_for = fork_later(Duration::ZERO, || assert_eq!(read_once(&reader), Ok(4)));
    let helper = signal_then(|| {
        rustix::io::write(&writer, b"done").unwrap();
    });
    let (_, status) = waitpid(Some(waited_for), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
    finish(helper);
    assert_eq!(signal::caught(SIGUSR1), 1);
}

pub(crate) fn interrupted_wait() {
    signal::count(SIGUSR1, 0);
    let (reader, writer) = io::pipe().unwrap();
    let waited_for = fork_later(Duration::ZERO, || assert_eq!(read_once(&reader), Ok(4)));
    let helper = signal_again_and_again();
    assert_eq!(waitpid(Some(waited_for), WaitOptions::empty()).err(), Some(Errno::INTR));
    no_more(helper);
    rustix::io::write(&writer, b"done").unwrap();
    finish(waited_for);
}

/// nanosleep(2) is interrupted whatever the flags, and says how much was left.
pub(crate) fn interrupted_sleep() {
    for flags in [0, libc::SA_RESTART] {
        signal::count(SIGUSR1, flags);
        let helper = signal_again_and_again();
        let request = libc::timespec { tv_sec: 1000, tv_nsec: 0 };
        let mut left = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both structures outlive the call.
        let result = unsafe { libc::nanosleep(&request, &mut left) };
        let error = io::Error::last_os_error().raw_os_error();
        assert_eq!((result, error), (-1, Some(libc::EINTR)));
        assert!((500..1000).contains(&left.tv_sec), "{} seconds left", left.tv_sec);
        no_more(helper);
    }
}

pub(crate) fn ignored_interrupts_nothing() {
    let (reader, writer) = io::pipe().unwrap();
    signal::ignore(SIGUSR1);
    let helper = signal_then(|| {
        rustix::io::write(&writer, b"x").unwrap();
    });
    assert_eq!(read_once(&reader), Ok(1));
    finish(helper);
    signal::default(SIGUSR1);
}

/// A child that is stopped and continued while it reads does not notice.
pub(crate) fn stop_interrupts_nothing() {
    let (reader, writer) = io::pipe().unwrap();
    let reading = child::fork(|| i32::from(read_once(&reader) == Ok(2)));
    std::thread::sleep(SOON);
    kill_process(reading, Signal::STOP).unwrap();
    waitpid(Some(reading), WaitOptions::UNTRACED).unwrap();
    kill_process(reading, Signal::CONT).unwrap();
    std::thread::sleep(SOON);
    rustix::io::write(writer.as_fd(), b"ok").unwrap();
    assert_eq!(child::wait(reading), End::Exited(1));
}

pub(crate) fn suspend() {
    signal::count(SIGUSR1, 0);
    signal::count(SIGUSR2, 0);
    let before = signal::block(&[SIGUSR1, SIGUSR2]);
    let parent = child::own_pid();
    let helper = fork_later(SOON, move || {
        signal::kill(parent, SIGUSR2);
        signal::kill(parent, SIGUSR1);
    });
    signal::suspend(&before.without(SIGUSR1).with(SIGUSR2));
    assert_eq!((signal::caught(SIGUSR1), signal::caught(SIGUSR2)), (1, 0));
    assert!(signal::pending().has(SIGUSR2), "blocked again, as before the call");
    signal::set_mask(&before);
    assert_eq!(signal::caught(SIGUSR2), 1);
    finish(helper);
}

pub(crate) fn pause() {
    signal::count(SIGUSR1, libc::SA_RESTART);
    let helper = signal_again_and_again();
    // SAFETY: `pause` takes nothing.
    let result = unsafe { libc::pause() };
    let error = io::Error::last_os_error().raw_os_error();
    assert_eq!((result, error), (-1, Some(libc::EINTR)));
    no_more(helper);
}
