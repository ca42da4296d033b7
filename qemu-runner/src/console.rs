//! The runner's end of a node's console: frames out, frames in.

use std::io::{self, Read, Write};
use std::process::ChildStdin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use wayfarer_proto::console::{
    Frame as _, FrameError, FrameReader, FromNode, STDIN_WINDOW, STDIO_CHUNK, ToNode,
};

/// What a node's console gave.
#[derive(Debug)]
pub(crate) enum Event {
    /// A frame.
    Frame(FromNode),
    /// Bytes that are no frame.
    Garbled(FrameError),
    /// The end: QEMU is gone or going.
    Closed,
}

/// Sends frames to one node; its clones share the wire.
#[derive(Clone, Debug)]
pub struct ConsoleSender {
    wire: Arc<Mutex<ChildStdin>>,
    window: Arc<Window>,
}

impl ConsoleSender {
    pub(crate) fn new(wire: ChildStdin) -> Self {
        Self { wire: Arc::new(Mutex::new(wire)), window: Arc::default() }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// When the node is gone, or the frame exceeds the format's limit.
    pub fn send(&self, frame: &ToNode) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes).map_err(io::Error::other)?;
        lock(&self.wire).write_all(&bytes)
    }

    /// Makes standard input ready for a new program; whoever still pumps for the one before stops.
    pub(crate) fn open_input(&self) -> Input {
        Input { console: self.clone(), program: self.window.open() }
    }

    /// The node took this many bytes.
    pub(crate) fn input_taken(&self, count: usize) {
        self.window.give(count);
    }

    /// The program ended: whoever pumps for it stops.
    pub(crate) fn close_input(&self) {
        self.window.close();
    }
}

/// The standard input of one program.
#[derive(Debug)]
pub(crate) struct Input {
    console: ConsoleSender,
    program: u64,
}

impl Input {
    /// Sends all of `source`, then its end, as fast as the node takes it. Returns early, without
    /// an error, when the program has ended.
    ///
    /// # Errors
    /// Those of reading `source` and of sending.
    pub(crate) fn pump(&self, source: &mut dyn Read) -> io::Result<()> {
        let mut chunk = [0; STDIO_CHUNK];
        loop {
            let count = match source.read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let frame = match &chunk[..count] {
                [] => ToNode::StdinEof,
                bytes => ToNode::Stdin(bytes.to_vec()),
            };
            // The window stays locked meanwhile, so that no byte goes to the next program.
            let Some(_open) = self.console.window.take(self.program, count) else {
                return Ok(());
            };
            self.console.send(&frame)?;
            if count == 0 {
                return Ok(());
            }
        }
    }
}

/// How much standard input may still be sent, and whose it is.
#[derive(Default, Debug)]
struct Window {
    state: Mutex<WindowState>,
    changed: Condvar,
}

#[derive(Default, Debug)]
struct WindowState {
    /// Counts the programs that were started.
    program: u64,
    /// Bytes; `None` when the program has ended.
    free: Option<usize>,
}

impl WindowState {
    fn is_open(&self, program: u64) -> bool {
        self.program == program && self.free.is_some()
    }
}

impl Window {
    /// Takes `count` bytes, waiting until they are free; `None` when `program` has ended.
    fn take(&self, program: u64, count: usize) -> Option<MutexGuard<'_, WindowState>> {
        let blocked = |state: &mut WindowState| {
            state.is_open(program) && state.free.is_some_and(|free| free < count)
        };
        let waited = self.changed.wait_while(lock(&self.state), blocked);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if !state.is_open(program) {
            return None;
        }
        state.free = state.free.map(|free| free - count);
        Some(state)
    }

    /// A node that returns more than it was sent gains nothing.
    fn give(&self, count: usize) {
        let mut state = lock(&self.state);
        state.free = state.free.map(|free| free.saturating_add(count).min(STDIN_WINDOW));
        self.changed.notify_all();
    }

    fn open(&self) -> u64 {
        let mut state = lock(&self.state);
        state.program += 1;
        state.free = Some(STDIN_WINDOW);
        self.changed.notify_all();
        state.program
    }

    fn close(&self) {
        lock(&self.state).free = None;
        self.changed.notify_all();
    }
}

/// Locks what no holder leaves half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads frames until the console closes, and hands each on until `handle` says false.
pub(crate) fn read_frames(mut wire: impl Read, mut handle: impl FnMut(Event) -> bool) {
    let mut reader = FrameReader::new();
    let mut bytes = [0; STDIO_CHUNK];
    while let Some(count) = read_some(&mut wire, &mut bytes) {
        reader.push(&bytes[..count]);
        loop {
            let event = match reader.next() {
                Ok(None) => break,
                Ok(Some(frame)) => Event::Frame(frame),
                Err(error) => Event::Garbled(error),
            };
            let lost = matches!(event, Event::Garbled(FrameError::TooLong { .. }));
            if !handle(event) || lost {
                return;
            }
        }
    }
    handle(Event::Closed);
}

/// At least one byte, or `None` at the end. QEMU makes its ends of the pipes non-blocking, not
/// ours, so this waits.
fn read_some(wire: &mut impl Read, bytes: &mut [u8]) -> Option<usize> {
    loop {
        match wire.read(bytes) {
            Ok(0) => return None,
            Ok(count) => return Some(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Takes `count` bytes on another thread.
    fn taker(window: &Arc<Window>, program: u64, count: usize) -> std::thread::JoinHandle<bool> {
        let window = Arc::clone(window);
        std::thread::spawn(move || window.take(program, count).is_some())
    }

    #[test]
    fn window_holds_back_and_lets_go() {
        let window = Arc::new(Window::default());
        let program = window.open();
        assert!(window.take(program, STDIN_WINDOW).is_some());
        let blocked = taker(&window, program, 10);
        std::thread::sleep(Duration::from_millis(20));
        assert!(!blocked.is_finished());
        window.give(10);
        assert!(blocked.join().unwrap());
    }

    #[test]
    fn end_of_the_program_ends_the_wait() {
        let window = Arc::new(Window::default());
        let first = window.open();
        assert!(window.take(first, STDIN_WINDOW).is_some());
        let blocked = taker(&window, first, 1);
        window.close();
        assert!(!blocked.join().unwrap());
        window.give(5);
        let second = window.open();
        assert!(window.take(first, 0).is_none(), "the next program's input is not the first's");
        assert!(window.take(second, 1).is_some());
    }

    #[test]
    fn frames_and_the_end_are_told() {
        let mut stream = Vec::new();
        FromNode::Log("x".to_owned()).encode(&mut stream).unwrap();
        stream.extend([1, 0, 0, 0, 250]);
        let mut events = Vec::new();
        read_frames(&stream[..], |event| {
            events.push(format!("{event:?}"));
            true
        });
        assert_eq!(events, ["Frame(Log(\"x\"))", "Garbled(UnknownTag(250))", "Closed"]);
    }
}
