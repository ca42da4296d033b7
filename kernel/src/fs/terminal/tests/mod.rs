//! The line discipline without a console.

mod editing;
mod job_control;
mod modes;

use alloc::string::String;
use alloc::vec;

use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::signal::SignalSet;
use wayfarer_proto::linux::termios::*;

use super::*;
use crate::fs::testing::{TestAsker, TestSink, TestTree};

/// A terminal, its screen, and the signals it has sent.
struct Fixture {
    terminal: Rc<Terminal>,
    sink: Rc<TestSink>,
    signals: Rc<RefCell<Vec<(i32, Signal)>>>,
    asker: TestAsker,
}

impl Fixture {
    /// The asker is in the foreground.
    fn new() -> Self {
        let sink = TestSink::with_room(usize::MAX);
        let signals: Rc<RefCell<Vec<(i32, Signal)>>> = Rc::default();
        let sent = signals.clone();
        let signal_group =
            Box::new(move |group: Pid, signal| sent.borrow_mut().push((group.0, signal)));
        let terminal = Terminal::new(sink.clone(), signal_group);
        terminal.control(Pid(1), Pid(1));
        Self { terminal, sink, signals, asker: TestAsker::default() }
    }

    fn type_in(&self, text: &str) {
        assert_eq!(self.terminal.push_input(text.as_bytes()), text.len());
    }

    fn io(&self) -> Io<'_> {
        Io { asker: &self.asker, nonblock: false, timed_out: false }
    }

    fn read(&self, count: usize) -> Result<String, Errno> {
        self.read_with(count, &self.io())
    }

    fn read_with(&self, count: usize, io: &Io<'_>) -> Result<String, Errno> {
        let mut buffer = vec![0; count];
        let count = self.terminal.read(0, &mut buffer, io)?;
        buffer.truncate(count);
        Ok(String::from_utf8(buffer).unwrap())
    }

    fn write(&self, text: &str) -> Result<usize, Errno> {
        self.terminal.write(0, text.as_bytes(), &self.io())
    }

    /// Types, and gives what appears on the screen.
    fn screen(&self, text: &str) -> String {
        self.sink.text();
        self.type_in(text);
        self.sink.text()
    }

    fn change(&self, change: impl FnOnce(&mut Termios)) {
        let mut termios = self.terminal.termios();
        change(&mut termios);
        self.ioctl(TCSETS, 0, &termios.to_bytes()).unwrap();
    }

    fn local(&self, on: LocalFlags, off: LocalFlags) {
        self.change(|termios| termios.local = (termios.local | on.bits()) & !off.bits());
    }

    /// Raw mode with this `MIN` and `TIME`.
    fn raw(&self, minimum: u8, time: u8) {
        self.change(|termios| {
            termios.local = 0;
            termios.input = 0;
            termios.output = 0;
            termios.special[Special::Minimum as usize] = minimum;
            termios.special[Special::Time as usize] = time;
        });
    }

    fn ioctl(&self, number: u32, argument: u64, data: &[u8]) -> Result<Vec<u8>, Errno> {
        self.terminal.ioctl(&Ioctl { number, argument, data }, &self.asker)
    }

    fn signals(&self) -> Vec<(i32, Signal)> {
        self.signals.take()
    }
}

/// Puts two texts together.
trait ToOwnedWith {
    fn to_owned_with(&self, more: &str) -> String;
}

impl ToOwnedWith for str {
    fn to_owned_with(&self, more: &str) -> String {
        let mut text = String::from(self);
        text += more;
        text
    }
}
