//! The log: lines on the first serial port.
//!
//! Before the machine is started, and thus always on a host, printing does nothing.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

/// The port QEMU puts its first serial device at.
const COM1: u16 = 0x3f8;

static LOG: Mutex<Option<Uart16550<PioBackend>>> = Mutex::new(None);

/// Whether the port is ours.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Makes the log write to the first serial port. It is set up when there is something to write.
///
/// # Safety
///
/// Nothing else may use that port from now on, and the code must run in kernel mode.
pub(crate) unsafe fn start() {
    STARTED.store(true, Ordering::Relaxed);
}

/// Sets the port up. A machine without the device has no log; that is no reason not to run.
fn open() -> Option<Uart16550<PioBackend>> {
    if !STARTED.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: `start` was promised that the port is ours.
    let mut port = unsafe { Uart16550::new_port(COM1) }.ok()?;
    port.init(Config::default()).ok()?;
    Some(port)
}

/// Writes to the log; what [`print!`](crate::print) expands to.
pub fn write(text: fmt::Arguments<'_>) {
    let mut log = LOG.lock();
    if log.is_none() {
        *log = open();
    }
    // The writer below never fails; a `Display` that does is its own fault.
    let _ = log.as_mut().map(|port| Writer(port).write_fmt(text));
}

/// Writes to the log although the code that held it may have been cut short by a fault.
pub(crate) fn write_after_fault(text: fmt::Arguments<'_>) {
    // SAFETY: there is one processor, and the code that held the lock never continues.
    unsafe { LOG.force_unlock() };
    write(text);
}

struct Writer<'a>(&'a mut Uart16550<PioBackend>);

impl Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.send_bytes_exact(text.as_bytes());
        Ok(())
    }
}

/// Prints to the log.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::serial::write(::core::format_args!($($argument)*)) };
}

/// Prints a line to the log.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($format:literal $($argument:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($format $($argument)*))
    };
}
