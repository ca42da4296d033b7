//! Settings and size.

use std::io::IsTerminal;
use std::mem::MaybeUninit;

use guest_common::signal::{self, check};
use libc::termios;
use rustix::io::Errno;
use rustix::termios::{tcgetwinsize, tcsetwinsize};

/// The settings of the terminal on standard input.
pub(crate) fn settings() -> termios {
    let mut settings = MaybeUninit::zeroed();
    // SAFETY: the call fills the structure, for which zeroes are valid, too.
    unsafe {
        check(libc::tcgetattr(0, settings.as_mut_ptr()), "tcgetattr");
        settings.assume_init()
    }
}

pub(crate) fn set(settings: &termios, when: libc::c_int) {
    // SAFETY: the structure outlives the call.
    check(unsafe { libc::tcsetattr(0, when, settings) }, "tcsetattr");
}

/// Does `work` with settings that `change` made of the usual ones.
pub(crate) fn with(change: impl FnOnce(&mut termios), work: impl FnOnce()) {
    let usual = settings();
    let mut changed = usual;
    change(&mut changed);
    set(&changed, libc::TCSADRAIN);
    work();
    set(&usual, libc::TCSADRAIN);
}

pub(crate) fn is_a_terminal() {
    assert!(std::io::stdin().is_terminal() && std::io::stdout().is_terminal());
    let (reader, _writer) = std::io::pipe().unwrap();
    assert_eq!(tcgetwinsize(&reader).err(), Some(Errno::NOTTY));
    let tty = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty").unwrap();
    assert!(tty.is_terminal());
}

pub(crate) fn default_modes() {
    let usual = settings();
    let local = libc::ICANON | libc::ECHO | libc::ISIG | libc::ECHOE;
    assert_eq!(usual.c_lflag & local, local);
    assert_ne!(usual.c_iflag & libc::ICRNL, 0);
    assert_eq!(usual.c_oflag & (libc::OPOST | libc::ONLCR), libc::OPOST | libc::ONLCR);
    let keys = [libc::VINTR, libc::VQUIT, libc::VERASE, libc::VKILL, libc::VEOF, libc::VSUSP];
    assert_eq!(keys.map(|key| usual.c_cc[key]), [3, 28, 127, 21, 4, 26]);
    with(
        |changed| changed.c_lflag &= !libc::ECHO,
        || assert_eq!(settings().c_lflag & libc::ECHO, 0),
    );
    assert_eq!(settings().c_lflag, usual.c_lflag);
}

pub(crate) fn size() {
    let size = tcgetwinsize(rustix::stdio::stdin()).unwrap();
    assert_eq!((size.ws_row, size.ws_col), (24, 80));
}

pub(crate) fn size_change_is_told() {
    let usual = tcgetwinsize(rustix::stdio::stdin()).unwrap();
    signal::count(libc::SIGWINCH, libc::SA_RESTART);
    let mut smaller = usual;
    (smaller.ws_row, smaller.ws_col) = (10, 40);
    tcsetwinsize(rustix::stdio::stdin(), smaller).unwrap();
    signal::wait_for(libc::SIGWINCH, 1);
    assert_eq!(tcgetwinsize(rustix::stdio::stdout()).unwrap().ws_col, 40);
    tcsetwinsize(rustix::stdio::stdin(), smaller).unwrap();
    tcsetwinsize(rustix::stdio::stdin(), usual).unwrap();
    signal::wait_for(libc::SIGWINCH, 2);
    assert_eq!(signal::caught(libc::SIGWINCH), 2, "no change is no news");
    signal::default(libc::SIGWINCH);
}
