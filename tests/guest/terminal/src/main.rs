//! The terminal: modes, keys, size, job control (termios(3), ioctl_tty(2)).
//!
//! Wants a terminal of 24 lines and 80 columns on its standard input and output, its session's
//! own. When it prints `press NAME`, whoever runs it types what [`main`]'s list says.

mod jobs;
mod keys;
mod modes;

use std::process::ExitCode;

fn main() -> ExitCode {
    guest_common::run(&[
        ("is_a_terminal", modes::is_a_terminal),
        ("default_modes", modes::default_modes),
        ("size", modes::size),
        ("size_change_is_told", modes::size_change_is_told),
        // `line`: one two, return.
        ("line", keys::line),
        // `edited`: one, erase, x, kill, two, erase twice, oo, return.
        ("edited", keys::edited),
        // `end`: word, control-D twice; then control-D.
        ("end", keys::end),
        // `long`: a line of 300 letters.
        ("long", keys::long),
        // `raw`: a, control-C, return.
        ("raw", keys::raw),
        ("read_timeout", keys::read_timeout),
        // `interrupt`: control-C; `quit`: control-backslash.
        ("interrupt", keys::interrupt),
        // `suspend`: control-Z.
        ("suspend", keys::suspend),
        // `flush`: lost, return.
        ("flush", keys::flush),
        ("foreground_group", jobs::foreground_group),
        ("background_read_stops", jobs::background_read_stops),
        ("background_write", jobs::background_write),
        ("ignored_in_background", jobs::ignored_in_background),
        ("new_session_has_no_terminal", jobs::new_session_has_no_terminal),
    ])
}
