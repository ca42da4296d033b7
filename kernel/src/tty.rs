//! The terminal of the started program: its keyboard and screen are the runner's, carried in
//! frames. And what all terminals send signals by.

use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};

use wayfarer_proto::console::{FromNode, STDIO_CHUNK, WindowSize};
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::signal::{SigInfo, Signal};
use wayfarer_proto::linux::termios;

use crate::console::Console;
use crate::executor::Priority;
use crate::fs::{FileObject, Sink, Terminal};
use crate::kernel::Kernel;
use crate::stdio::Reader;

/// Shows a terminal's output on the runner's screen.
struct Screen(Rc<Console>);

impl Sink for Screen {
    fn send(&self, bytes: &[u8]) -> usize {
        if !self.0.has_room() {
            return 0;
        }
        let length = bytes.len().min(STDIO_CHUNK);
        self.0.send(&FromNode::Stdout(bytes[..length].to_vec()));
        length
    }
}

/// Makes the console a terminal of this size, and starts the tasks that feed and drain it.
pub fn make_console(kernel: &Rc<Kernel>, size: WindowSize, reader: Reader) -> Rc<Terminal> {
    let weak = Rc::downgrade(kernel);
    let signal = Box::new(move |group, signal| signal_group(&weak, group, signal));
    let terminal = Terminal::new(Rc::new(Screen(Rc::clone(&kernel.console))), signal);
    terminal.set_window(window(size));
    kernel.vfs.devices().set_console(Rc::clone(&terminal));
    let spawner = &kernel.spawner;
    spawner.spawn(Priority::Service, type_in(Rc::clone(kernel), reader, Rc::clone(&terminal)));
    let shown = Rc::downgrade(&terminal);
    spawner.spawn(Priority::Service, show(Rc::clone(&kernel.console), shown));
    terminal
}

/// Tells the terminal of a new size of the runner's.
pub fn resize(kernel: &Kernel, size: WindowSize) {
    if let Some(terminal) = kernel.vfs.devices().console() {
        terminal.set_window(window(size));
    }
}

fn window(size: WindowSize) -> termios::WindowSize {
    termios::WindowSize { rows: size.rows, columns: size.cols, x_pixels: 0, y_pixels: 0 }
}

/// Lets pseudoterminals send signals.
pub fn serve_pseudoterminals(kernel: &Rc<Kernel>) {
    let weak = Rc::downgrade(kernel);
    let send = move |group, signal| signal_group(&weak, group, signal);
    kernel.vfs.devices().ptys().set_send_signal(Rc::new(send));
}

fn signal_group(kernel: &Weak<Kernel>, group: Pid, signal: Signal) {
    let Some(kernel) = kernel.upgrade() else { return };
    for member in kernel.group_members(group) {
        member.post(SigInfo::kernel(signal));
    }
}

/// Gives the terminal what the runner's user types; the end of it hangs up.
async fn type_in(kernel: Rc<Kernel>, reader: Reader, terminal: Rc<Terminal>) {
    while let Some(bytes) = kernel.stdin.take(reader).await {
        let mut done = 0;
        while done < bytes.len() {
            done += match terminal.push_input(&bytes[done..]) {
                0 => {
                    let Some(changes) = terminal.changes() else { return };
                    changes.wait().await;
                    0
                }
                count => count,
            };
        }
        kernel.console.send(&FromNode::StdinTaken(bytes.len() as u32));
    }
    terminal.hang_up();
}

/// Goes on showing output when the way to the runner has room again, as long as there is the
/// terminal.
async fn show(console: Rc<Console>, terminal: Weak<Terminal>) {
    loop {
        console.drained().wait().await;
        let Some(terminal) = terminal.upgrade() else { return };
        terminal.flush_output();
    }
}
