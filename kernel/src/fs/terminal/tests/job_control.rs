//! Who may read and write, and who is signalled.

use super::*;

#[test]
fn background_readers_are_stopped() {
    let mut tty = Fixture::new();
    tty.type_in("line\n");
    tty.asker.group = Pid(5);
    assert_eq!(tty.read(10), Err(Errno::ERESTARTSYS));
    assert_eq!(tty.signals(), [(5, Signal::SIGTTIN)]);
    tty.asker.unaffected.insert(Signal::SIGTTIN);
    assert_eq!(tty.read(10), Err(Errno::EIO));
    tty.asker.unaffected = SignalSet::EMPTY;
    tty.asker.orphaned = true;
    assert_eq!(tty.read(10), Err(Errno::EIO));
    assert_eq!(tty.signals(), []);
    tty.asker.session = Pid(3);
    assert_eq!(tty.read(10).unwrap(), "line\n", "not its controlling terminal: no job control");
}

#[test]
fn background_writers_are_stopped_only_with_tostop() {
    let mut tty = Fixture::new();
    tty.asker.group = Pid(5);
    assert_eq!(tty.write("x"), Ok(1));
    tty.asker.group = Pid(1);
    tty.local(LocalFlags::TOSTOP, LocalFlags::empty());
    tty.asker.group = Pid(5);
    assert_eq!(tty.write("x"), Err(Errno::ERESTARTSYS));
    assert_eq!(tty.signals(), [(5, Signal::SIGTTOU)]);
    let termios = Termios::STANDARD.to_bytes();
    assert_eq!(tty.ioctl(TCSETS, 0, &termios), Err(Errno::ERESTARTSYS));
    tty.signals();
    tty.asker.unaffected.insert(Signal::SIGTTOU);
    assert_eq!(tty.write("x"), Ok(1), "who ignores SIGTTOU may");
    assert_eq!(tty.ioctl(TCSETS, 0, &termios), Ok(vec![]));
    tty.asker.unaffected = SignalSet::EMPTY;
    tty.asker.orphaned = true;
    assert_eq!(tty.ioctl(TCFLSH, TCIFLUSH, &[]), Err(Errno::EIO));
}

#[test]
fn the_foreground_group_is_set_within_the_session() {
    let mut tty = Fixture::new();
    let set = |tty: &Fixture, group: i32| tty.ioctl(TIOCSPGRP, 0, &group.to_le_bytes());
    assert_eq!(set(&tty, 42), Ok(vec![]));
    assert_eq!(tty.terminal.foreground(), Some(Pid(42)));
    assert_eq!(tty.ioctl(TIOCGPGRP, 0, &[]).unwrap(), 42i32.to_le_bytes());
    tty.asker.unaffected.insert(Signal::SIGTTOU);
    assert_eq!(set(&tty, -1), Err(Errno::EINVAL));
    assert_eq!(set(&tty, 100), Err(Errno::ESRCH));
    tty.asker.session = Pid(2);
    assert_eq!(set(&tty, 42), Err(Errno::ENOTTY));
    assert_eq!(tty.ioctl(TIOCGPGRP, 0, &[]), Err(Errno::ENOTTY));
    tty.terminal.control(Pid(2), Pid(2));
    assert_eq!(set(&tty, 42), Err(Errno::EPERM), "in another session");
}

#[test]
fn sessions_get_and_leave_a_terminal() {
    let mut tty = Fixture::new();
    assert_eq!(tty.ioctl(TIOCGSID, 0, &[]).unwrap(), 1i32.to_le_bytes());
    assert_eq!(tty.ioctl(TIOCNOTTY, 0, &[]), Ok(vec![]));
    assert_eq!(tty.signals(), [(1, Signal::SIGHUP), (1, Signal::SIGCONT)]);
    assert_eq!(tty.ioctl(TIOCGSID, 0, &[]), Err(Errno::ENOTTY));
    assert_eq!(tty.ioctl(TIOCNOTTY, 0, &[]), Err(Errno::ENOTTY));
    tty.asker.pid = Pid(9);
    assert_eq!(tty.ioctl(TIOCSCTTY, 0, &[]), Err(Errno::EPERM), "no session leader");
    tty.asker.pid = Pid(1);
    assert_eq!(tty.ioctl(TIOCSCTTY, 0, &[]), Ok(vec![]));
    assert_eq!(tty.ioctl(TIOCSCTTY, 0, &[]), Ok(vec![]));
    (tty.asker.pid, tty.asker.session) = (Pid(8), Pid(8));
    assert_eq!(tty.ioctl(TIOCSCTTY, 0, &[]), Err(Errno::EPERM), "another session has it");
    assert_eq!(tty.ioctl(TIOCSCTTY, 1, &[]), Ok(vec![]), "root may take it");
    assert_eq!(tty.terminal.session(), Some(Pid(8)));
}

#[test]
fn a_hang_up_is_the_end() {
    let tty = Fixture::new();
    tty.terminal.hang_up();
    assert_eq!(tty.signals(), [(1, Signal::SIGHUP), (1, Signal::SIGCONT)]);
    assert_eq!(tty.read(10).unwrap(), "");
    assert_eq!(tty.write("x"), Err(Errno::EIO));
    assert!(tty.terminal.poll().contains(PollEvents::HUP | PollEvents::IN));
}

#[test]
fn opening_the_console_may_make_it_the_controlling_terminal() {
    let tree = TestTree::new();
    let read_write = OpenFlags::READ_WRITE;
    assert_eq!(tree.open("/dev/console", read_write).err(), Some(Errno::ENXIO));
    let terminal = Terminal::new(TestSink::with_room(100), Box::new(|_, _| ()));
    tree.vfs.devices().set_console(terminal.clone());
    assert_eq!(tree.open("/dev/tty", read_write).err(), Some(Errno::ENXIO));
    tree.open("/dev/console", read_write | OpenFlags::NO_CONTROLLING_TTY).unwrap();
    assert_eq!(terminal.session(), None);
    let console = tree.open("/dev/console", read_write).unwrap();
    assert_eq!((terminal.session(), terminal.foreground()), (Some(Pid(1)), Some(Pid(1))));
    assert!(console.object().is_terminal());
    assert!(tree.open("/dev/tty", read_write).unwrap().object().is_terminal());
}
