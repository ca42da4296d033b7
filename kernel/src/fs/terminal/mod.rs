//! Terminals: the line discipline, job control and the requests of ioctl_tty(2).
//!
//! The console driver gives what was typed to [`Terminal::push_input`] and takes what is to be
//! shown through a [`Sink`]. Who may read, write and change settings follows from the [`Asker`];
//! signals go out through a closure, so that a terminal knows no process.

mod erase;
mod input;
mod job_control;
mod latin1;
mod output;
mod pts;
mod pty;
mod requests;
mod screen;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::linux::termios::{
    LocalFlags, Special, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE, TIOCPKT_START, TIOCPKT_STOP,
    Termios, WindowSize,
};

use super::ioctl::Ioctl;
use super::{Asker, FileObject, Io};
use crate::executor::WaitQueue;
use input::Input;
use output::Output;
pub use pts::PtsDirectory;
pub use pty::{Pty, Ptys, SendSignal};

/// Where a terminal's output goes.
pub trait Sink {
    /// Takes bytes; how many. After taking fewer than all it has [`Terminal::flush_output`] called
    /// when it has room again.
    fn send(&self, bytes: &[u8]) -> usize;

    /// Learns what has happened (`TIOCPKT_*`), and what has not any more.
    fn tell(&self, _happened: u8, _undone: u8) {}
}

/// How a terminal sends a signal to a process group.
pub type SignalGroup = Box<dyn Fn(Pid, Signal)>;

/// A terminal.
pub struct Terminal {
    sink: Rc<dyn Sink>,
    signal_group: SignalGroup,
    state: RefCell<State>,
    window: Cell<WindowSize>,
    /// The session that this is the controlling terminal of.
    session: Cell<Option<Pid>>,
    /// The process group in the foreground.
    foreground: Cell<Option<Pid>>,
    hung_up: Cell<bool>,
    changes: WaitQueue,
}

/// The parts that change with each byte.
struct State {
    termios: Termios,
    input: Input,
    output: Output,
}

impl State {
    /// `MIN`, and `TIME` in tenths of seconds (termios(3)); they mean nothing with `ICANON`.
    fn enough(&self) -> (usize, u8) {
        if self.termios.local_flags().contains(LocalFlags::ICANON) {
            return (1, 0);
        }
        let minimum = self.termios.special(Special::Minimum);
        (minimum.into(), self.termios.special(Special::Time))
    }
}

impl Terminal {
    /// A terminal that shows its output through `sink`.
    pub fn new(sink: Rc<dyn Sink>, signal_group: SignalGroup) -> Rc<Self> {
        let (input, output) = (Input::default(), Output::default());
        Rc::new(Self {
            sink,
            signal_group,
            state: RefCell::new(State { termios: Termios::STANDARD, input, output }),
            window: Cell::new(WindowSize { rows: 24, columns: 80, x_pixels: 0, y_pixels: 0 }),
            session: Cell::new(None),
            foreground: Cell::new(None),
            hung_up: Cell::new(false),
            changes: WaitQueue::new(),
        })
    }

    /// Opens it for `asker`; makes it the controlling terminal of a session leader that has none,
    /// as open(2) does without `O_NOCTTY`. `has_terminal` says whether the asker's session has one.
    pub(super) fn open(
        self: &Rc<Self>,
        flags: OpenFlags,
        asker: &dyn Asker,
        has_terminal: bool,
    ) -> Rc<dyn FileObject> {
        let wanted = !flags.contains(OpenFlags::NO_CONTROLLING_TTY);
        if wanted && asker.leads_session() && !has_terminal && self.session.get().is_none() {
            self.acquire(asker);
        }
        self.clone()
    }

    /// Takes in what was typed; how many bytes. The rest must be offered again after
    /// [`changes`](FileObject::changes) has woken: readers are behind.
    pub fn push_input(&self, bytes: &[u8]) -> usize {
        let was_stopped = self.is_stopped();
        let mut taken = 0;
        for byte in bytes {
            let signal = {
                let mut state = self.state.borrow_mut();
                if !state.input.has_room() {
                    break;
                }
                let State { termios, input, output } = &mut *state;
                input.receive(*byte, termios, output)
            };
            taken += 1;
            if signal.is_some() && !self.termios().local_flags().contains(LocalFlags::NOFLSH) {
                self.sink.tell(TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE, 0);
            }
            if let Some((signal, group)) = signal.zip(self.foreground.get()) {
                (self.signal_group)(group, signal);
            }
        }
        self.tell_stopped(was_stopped);
        self.flush_output();
        self.changes.wake_all();
        taken
    }

    /// Whether ^S has stopped the output.
    fn is_stopped(&self) -> bool {
        self.state.borrow().output.stopped
    }

    /// Tells the sink if the output is stopped and was not, or goes on.
    fn tell_stopped(&self, before: bool) {
        match (before, self.is_stopped()) {
            (false, true) => self.sink.tell(TIOCPKT_STOP, TIOCPKT_START),
            (true, false) => self.sink.tell(TIOCPKT_START, TIOCPKT_STOP),
            _ => {}
        }
    }

    /// Sends waiting output as far as the sink takes it. The driver calls this when the sink,
    /// having refused some, has room again.
    pub fn flush_output(&self) {
        let mut sent_any = false;
        loop {
            // The sink is a driver and may look at this terminal, so no borrow is held over it.
            let mut piece = [0; 256];
            let length = {
                let state = self.state.borrow();
                let sendable = state.output.sendable();
                let length = sendable.len().min(piece.len());
                piece[..length].copy_from_slice(&sendable[..length]);
                length
            };
            let sent = if length == 0 { 0 } else { self.sink.send(&piece[..length]).min(length) };
            self.state.borrow_mut().output.sent(sent);
            sent_any |= sent > 0;
            if sent == 0 {
                break;
            }
        }
        if sent_any {
            self.changes.wake_all();
        }
    }

    /// The window's size.
    pub fn window(&self) -> WindowSize {
        self.window.get()
    }

    /// Sets the window's size; the foreground group gets SIGWINCH if it is another.
    pub fn set_window(&self, window: WindowSize) {
        if self.window.replace(window) != window {
            self.signal_foreground(Signal::SIGWINCH);
        }
    }

    /// Whether something more can be typed.
    fn has_input_room(&self) -> bool {
        self.state.borrow().input.has_room()
    }

    /// The other side is gone: reads find the end, writes fail, the foreground group and the
    /// session's leader get SIGHUP and SIGCONT.
    pub fn hang_up(&self) {
        self.hung_up.set(true);
        let leader = self.session.get().filter(|leader| Some(*leader) != self.foreground.get());
        for signal in [Signal::SIGHUP, Signal::SIGCONT] {
            leader.into_iter().for_each(|leader| (self.signal_group)(leader, signal));
            self.signal_foreground(signal);
        }
        self.changes.wake_all();
    }

    /// Whether output waits for the sink.
    pub fn has_output(&self) -> bool {
        self.state.borrow().output.length() > 0
    }

    fn signal_foreground(&self, signal: Signal) {
        if let Some(group) = self.foreground.get() {
            (self.signal_group)(group, signal);
        }
    }

    fn termios(&self) -> Termios {
        self.state.borrow().termios
    }

    /// Reads without line editing. `MIN` and `TIME` say how much is enough (termios(3)).
    fn read_raw(&self, buffer: &mut [u8], io: &Io<'_>) -> Result<usize, Errno> {
        let mut state = self.state.borrow_mut();
        let available = state.input.available(&state.termios);
        let (minimum, time) = state.enough();
        let enough = match (minimum, time) {
            (0, 0) => true,
            (0, _) => available > 0 || io.timed_out,
            _ => available >= minimum.min(buffer.len()),
        };
        if enough || (available > 0 && (io.timed_out || io.nonblock)) {
            return Ok(state.input.read_raw(buffer));
        }
        Err(Errno::EAGAIN)
    }
}

impl FileObject for Terminal {
    fn read(&self, _offset: u64, buffer: &mut [u8], io: &Io<'_>) -> Result<usize, Errno> {
        if self.hung_up.get() || buffer.is_empty() {
            return Ok(0);
        }
        self.check_reader(io.asker)?;
        let count = if self.termios().edits() {
            let mut state = self.state.borrow_mut();
            if !state.input.has_line() {
                return Err(Errno::EAGAIN);
            }
            state.input.read_line(buffer)
        } else {
            self.read_raw(buffer, io)?
        };
        // The driver may have more to offer now.
        self.changes.wake_all();
        Ok(count)
    }

    fn write(&self, _offset: u64, data: &[u8], io: &Io<'_>) -> Result<usize, Errno> {
        if self.hung_up.get() {
            return Err(Errno::EIO);
        }
        if self.termios().local_flags().contains(LocalFlags::TOSTOP) {
            self.check_changer(io.asker)?;
        }
        let mut written = 0;
        while written < data.len() {
            let before = written;
            {
                let mut state = self.state.borrow_mut();
                let State { termios, output, .. } = &mut *state;
                while written < data.len() && output.has_room() {
                    output.put(data[written], termios);
                    written += 1;
                }
            }
            self.flush_output();
            if written == before {
                break;
            }
        }
        if written == 0 { Err(Errno::EAGAIN) } else { Ok(written) }
    }

    fn poll(&self) -> PollEvents {
        if self.hung_up.get() {
            return PollEvents::READABLE | PollEvents::HUP | PollEvents::ERR;
        }
        let state = self.state.borrow();
        let readable = if state.termios.edits() {
            state.input.has_line()
        } else {
            let (minimum, time) = state.enough();
            state.input.available(&state.termios) >= if time > 0 { 1 } else { minimum.max(1) }
        };
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, readable);
        events.set(PollEvents::WRITABLE, state.output.has_room());
        events
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.changes)
    }

    fn read_timeout(&self) -> Option<Duration> {
        let state = self.state.borrow();
        let (minimum, time) = state.enough();
        if time == 0 {
            return None;
        }
        // With a minimum the time runs only between bytes.
        let running = minimum == 0 || state.input.available(&state.termios) > 0;
        running.then(|| Duration::from_millis(100 * u64::from(time)))
    }

    fn bytes_readable(&self) -> Option<usize> {
        let state = self.state.borrow();
        Some(state.input.available(&state.termios))
    }

    fn ioctl(&self, request: &Ioctl<'_>, asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        self.serve(request, asker)
    }

    fn is_terminal(&self) -> bool {
        true
    }
}
