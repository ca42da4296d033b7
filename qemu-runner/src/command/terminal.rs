//! The terminal this command runs on, lent to the program on the node.

use std::io::{self, IsTerminal as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use wayfarer_proto::console::WindowSize;

/// Whether the program shall have a terminal: where both its input and its output are one.
pub(crate) fn is_lent() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The terminal's size now; a usual one where it has none.
pub(crate) fn size() -> WindowSize {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            WindowSize { rows: size.ws_row, cols: size.ws_col }
        }
        _ => WindowSize { rows: 24, cols: 80 },
    }
}

/// Keys pass unchanged while this lives: the line discipline is the node's. Restores the terminal
/// when dropped.
pub(crate) struct RawMode {
    before: Termios,
}

impl RawMode {
    pub(crate) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing better can be done for a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}
