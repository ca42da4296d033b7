//! Modes other than the canonical one.

use super::*;

#[test]
fn raw_reads_wait_for_the_minimum() {
    let tty = Fixture::new();
    tty.raw(3, 0);
    tty.type_in("ab");
    assert_eq!(tty.read(10), Err(Errno::EAGAIN));
    assert_eq!(tty.terminal.poll(), PollEvents::WRITABLE);
    assert_eq!(tty.read(2).unwrap(), "ab", "a smaller buffer is enough when full");
    tty.type_in("cdef");
    assert_eq!(tty.read(10).unwrap(), "cdef");
    tty.type_in("g");
    let io = Io { nonblock: true, ..tty.io() };
    assert_eq!(tty.read_with(10, &io).unwrap(), "g", "without blocking what there is");
    assert_eq!(tty.terminal.read_timeout(), None);
}

#[test]
fn raw_reads_can_be_timed() {
    let tty = Fixture::new();
    tty.raw(0, 5);
    assert_eq!(tty.terminal.read_timeout(), Some(Duration::from_millis(500)));
    assert_eq!(tty.read(10), Err(Errno::EAGAIN));
    let late = Io { timed_out: true, ..tty.io() };
    assert_eq!(tty.read_with(10, &late).unwrap(), "");
    tty.type_in("x");
    assert_eq!(tty.read(10).unwrap(), "x");
    tty.raw(3, 5);
    assert_eq!(tty.terminal.read_timeout(), None, "runs from the first byte");
    tty.type_in("y");
    assert_eq!(tty.terminal.read_timeout(), Some(Duration::from_millis(500)));
    assert_eq!(tty.read(10), Err(Errno::EAGAIN));
    assert_eq!(tty.read_with(10, &late).unwrap(), "y");
    assert_eq!(tty.read_with(10, &late), Err(Errno::EAGAIN));
    tty.raw(0, 0);
    assert_eq!(tty.read(10).unwrap(), "");
}

#[test]
fn switching_modes_keeps_what_was_typed() {
    let tty = Fixture::new();
    tty.type_in("half");
    tty.local(LocalFlags::empty(), LocalFlags::ICANON);
    assert_eq!(tty.read(2).unwrap(), "ha");
    tty.local(LocalFlags::ICANON, LocalFlags::empty());
    assert_eq!(tty.read(10).unwrap(), "lf", "a line of its own");
    tty.type_in("new\n");
    assert_eq!(tty.read(10).unwrap(), "new\n");
}

#[test]
fn output_is_processed_as_asked() {
    let tty = Fixture::new();
    let shown = |flags: OutputFlags, text: &str| {
        tty.change(|termios| termios.output = flags.bits());
        tty.sink.text();
        assert_eq!(tty.write(text), Ok(text.len()));
        tty.sink.text()
    };
    assert_eq!(shown(OutputFlags::ONLCR, "a\n"), "a\n", "without OPOST nothing changes");
    let on = OutputFlags::OPOST;
    assert_eq!(shown(on | OutputFlags::ONLCR, "a\nb\r\n"), "a\r\nb\r\r\n");
    assert_eq!(shown(on | OutputFlags::OCRNL, "a\r"), "a\n");
    assert_eq!(shown(on | OutputFlags::ONOCR | OutputFlags::ONLRET, "\n\r"), "\n");
    assert_eq!(shown(on | OutputFlags::OLCUC, "aB1"), "AB1");
    assert_eq!(shown(on | OutputFlags::XTABS | OutputFlags::ONLCR, "\nab\tc"), "\r\nab      c");
}

#[test]
fn a_full_sink_holds_writers_back() {
    let tty = Fixture::new();
    tty.sink.room.set(0);
    let text = "x".repeat(10_000);
    let written = tty.write(&text).unwrap();
    assert!(written < 4096 && written > 4000, "{written}");
    assert_eq!(tty.write(&text), Err(Errno::EAGAIN));
    assert_eq!(tty.terminal.poll(), PollEvents::empty());
    assert_eq!(tty.ioctl(TIOCOUTQ, 0, &[]).unwrap(), (written as u32).to_le_bytes());
    assert_eq!(tty.ioctl(TCSBRK, 1, &[]), Err(Errno::EAGAIN), "tcdrain waits");
    tty.sink.room.set(usize::MAX);
    tty.terminal.flush_output();
    assert_eq!(tty.sink.text().len(), written);
    assert_eq!(tty.ioctl(TCSBRK, 1, &[]), Ok(vec![]));
}

#[test]
fn control_s_stops_output_and_control_q_starts_it() {
    let tty = Fixture::new();
    tty.type_in("\x13");
    assert_eq!(tty.write("held"), Ok(4));
    assert_eq!(tty.sink.text(), "");
    assert_eq!(tty.screen("\x11"), "held");
    tty.ioctl(TCXONC, TCOOFF, &[]).unwrap();
    tty.write("again").unwrap();
    assert_eq!(tty.sink.text(), "");
    tty.ioctl(TCXONC, TCOON, &[]).unwrap();
    assert_eq!(tty.sink.text(), "again");
    tty.type_in("\x13");
    tty.write("lost").unwrap();
    assert_eq!(tty.screen("\x03"), "^C", "an interrupt drops output and starts it");
}

#[test]
fn input_nobody_reads_is_left_with_the_driver() {
    let tty = Fixture::new();
    let line = "x".repeat(99) + "\n";
    let mut pushed = 0;
    while tty.terminal.push_input(line.as_bytes()) == line.len() {
        pushed += 1;
    }
    assert_eq!(pushed, 40);
    let rest = "y".repeat(95);
    assert_eq!(tty.terminal.push_input(rest.as_bytes()), 0);
    assert_eq!(tty.read(4096).unwrap().len(), 100);
    assert_eq!(tty.terminal.push_input(b"z\n"), 2);
}

#[test]
fn a_line_too_long_is_cut_but_still_ends() {
    let tty = Fixture::new();
    tty.type_in(&"x".repeat(5000));
    tty.type_in("\n");
    assert_eq!(tty.read(8192).unwrap().len(), 4096);
}

#[test]
fn settings_are_read_and_written() {
    let tty = Fixture::new();
    assert_eq!(tty.ioctl(TCGETS, 0, &[]).unwrap(), Termios::STANDARD.to_bytes());
    let two = Termios2::from_bytes(&tty.ioctl(TCGETS2, 0, &[]).unwrap());
    assert_eq!(Termios::from(two), Termios::STANDARD);
    tty.type_in("typed");
    let mut raw = two;
    raw.local = 0;
    tty.ioctl(TCSETSF2, 0, &raw.to_bytes()).unwrap();
    assert_eq!(tty.terminal.termios().local, 0);
    assert_eq!(tty.terminal.bytes_readable(), Some(0), "flushed");
    assert_eq!(tty.ioctl(0x5470, 0, &[]), Err(Errno::ENOTTY));
    assert_eq!(tty.ioctl(TIOCGETD, 0, &[]).unwrap(), [0; 4]);
    assert_eq!(tty.ioctl(TIOCSETD, 0, &[2, 0, 0, 0]), Err(Errno::EINVAL));
}

#[test]
fn queues_are_flushed_on_demand() {
    let tty = Fixture::new();
    tty.type_in("line\n");
    tty.ioctl(TCFLSH, TCIFLUSH, &[]).unwrap();
    assert_eq!(tty.read(10), Err(Errno::EAGAIN));
    tty.type_in("\x13");
    tty.write("out").unwrap();
    tty.ioctl(TCFLSH, TCOFLUSH, &[]).unwrap();
    assert_eq!(tty.ioctl(TIOCOUTQ, 0, &[]).unwrap(), [0; 4]);
    assert_eq!(tty.ioctl(TCFLSH, 3, &[]), Err(Errno::EINVAL));
    tty.ioctl(TIOCSTI, 0, b"s").unwrap();
    tty.type_in("\n");
    assert_eq!(tty.read(10).unwrap(), "s\n");
}

#[test]
fn the_window_has_a_size() {
    let tty = Fixture::new();
    let size = WindowSize { rows: 50, columns: 132, x_pixels: 0, y_pixels: 0 };
    tty.ioctl(TIOCSWINSZ, 0, &size.to_bytes()).unwrap();
    assert_eq!(tty.signals(), [(1, Signal::SIGWINCH)]);
    tty.terminal.set_window(size);
    assert_eq!(tty.signals(), [], "no change, no signal");
    assert_eq!(tty.ioctl(TIOCGWINSZ, 0, &[]).unwrap(), size.to_bytes());
}
