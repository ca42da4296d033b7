//! Which processes may use the terminal.

use std::fs::OpenOptions;
use std::io::{self, Read};

use guest_common::child::{self, End};
use guest_common::signal;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, getpgrp, getpid, setpgid, setsid, waitpid};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{tcgetpgrp, tcgetsid, tcsetpgrp};

use crate::modes::with;

/// Forks a child into a process group of its own, in the background.
pub(crate) fn background(work: impl FnOnce() -> i32) -> Pid {
    let child = child::fork(|| {
        setpgid(None, None).expect("a group of its own");
        work()
    });
    // Both do it, so that neither can be too early.
    setpgid(Some(child), Some(child)).ok();
    child
}

/// The signal that stopped the child.
pub(crate) fn stopped(child: Pid) -> Option<i32> {
    let (_, status) = waitpid(Some(child), WaitOptions::UNTRACED).unwrap().expect("it may block");
    status.stopping_signal()
}

pub(crate) fn end_child(child: Pid) {
    signal::kill(child.as_raw_pid(), libc::SIGKILL);
    assert_eq!(child::wait(child), End::Killed(libc::SIGKILL));
}

/// Makes `group` the foreground group, from whatever group this process is in.
pub(crate) fn give_terminal_to(group: Pid) {
    let before = signal::block(&[libc::SIGTTOU]);
    tcsetpgrp(stdin(), group).expect("a group of this session");
    signal::set_mask(&before);
}

pub(crate) fn foreground_group() {
    let own = getpgrp();
    assert_eq!(tcgetpgrp(stdin()), Ok(own));
    assert_eq!(tcgetsid(stdin()), Ok(rustix::process::getsid(None).unwrap()));
    let (mut reader, writer) = io::pipe().unwrap();
    let child = background(|| {
        reader.read_exact(&mut [0]).unwrap();
        i32::from(tcgetpgrp(stdin()) != Ok(getpid()))
    });
    give_terminal_to(child);
    rustix::io::write(&writer, b"x").unwrap();
    assert_eq!(child::wait(child), End::Exited(0));
    give_terminal_to(own);
    assert_eq!(tcgetpgrp(stdin()), Ok(own));
    let nobody = Pid::from_raw(i32::MAX).expect("positive");
    assert_eq!(tcsetpgrp(stdin(), nobody), Err(Errno::SRCH));
}

pub(crate) fn background_read_stops() {
    let child = background(|| i32::from(rustix::io::read(stdin(), &mut [0; 10]).is_err()));
    assert_eq!(stopped(child), Some(libc::SIGTTIN));
    end_child(child);
}

/// Writing is allowed, unless TOSTOP is set; changing settings never is.
pub(crate) fn background_write() {
    let write = || i32::from(rustix::io::write(stdout(), b"from the background\n").is_err());
    let child = background(write);
    assert_eq!(child::wait(child), End::Exited(0));
    with(
        |changed| changed.c_lflag |= libc::TOSTOP,
        || {
            let child = background(write);
            assert_eq!(stopped(child), Some(libc::SIGTTOU));
            end_child(child);
        },
    );
    let child = background(|| {
        crate::modes::set(&crate::modes::settings(), libc::TCSANOW);
        0
    });
    assert_eq!(stopped(child), Some(libc::SIGTTOU));
    end_child(child);
}

/// Who ignores the signal is not stopped: a read fails, a write goes through.
pub(crate) fn ignored_in_background() {
    let child = background(|| {
        signal::ignore(libc::SIGTTIN);
        i32::from(rustix::io::read(stdin(), &mut [0; 10]) != Err(Errno::IO))
    });
    assert_eq!(child::wait(child), End::Exited(0));
    with(
        |changed| changed.c_lflag |= libc::TOSTOP,
        || {
            let child = background(|| {
                signal::ignore(libc::SIGTTOU);
                i32::from(rustix::io::write(stdout(), b"ignoring\n").is_err())
            });
            assert_eq!(child::wait(child), End::Exited(0));
        },
    );
}

pub(crate) fn new_session_has_no_terminal() {
    let child = child::fork(|| {
        setsid().expect("not a leader");
        let error = OpenOptions::new().read(true).open("/dev/tty").err();
        i32::from(error.and_then(|error| error.raw_os_error()) != Some(libc::ENXIO))
    });
    assert_eq!(child::wait(child), End::Exited(0));
}
