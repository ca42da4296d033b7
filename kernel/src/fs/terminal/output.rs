//! The output side of a terminal: what programs write and what is echoed, on its way to the sink.

use alloc::collections::VecDeque;

use wayfarer_proto::linux::termios::{OutputFlags, Termios};

use super::latin1::to_upper;

/// Bytes that writers may have waiting.
const QUEUE: usize = 4096;
/// Bytes that echoes may add beyond that; more are lost, as in Linux.
const ECHO_QUEUE: usize = 2 * QUEUE;
/// The most bytes that one byte can become: a tab of spaces.
const EXPANSION_MAX: usize = 8;
/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// Bytes on their way to the screen, and where its cursor is.
#[derive(Default)]
pub(super) struct Output {
    queue: VecDeque<u8>,
    column: usize,
    /// The column at which the line being edited began, as far as output since then leaves it
    /// (`canon_column` of n_tty).
    line_column: usize,
    /// Whether ^S has stopped it.
    pub(super) stopped: bool,
}

impl Output {
    /// Whether a writer's next byte fits, whatever it becomes.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() + EXPANSION_MAX <= QUEUE
    }

    pub(super) fn length(&self) -> usize {
        self.queue.len()
    }

    /// Notes that a line begins where the cursor is.
    pub(super) const fn begin_line(&mut self) {
        self.line_column = self.column;
    }

    /// The column at which it began.
    pub(super) const fn line_column(&self) -> usize {
        self.line_column
    }

    /// What can be sent now, in one piece.
    pub(super) fn sendable(&self) -> &[u8] {
        if self.stopped { &[] } else { self.queue.as_slices().0 }
    }

    /// Notes that `count` bytes were sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.queue.drain(..count);
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }

    /// Adds a byte, changed as `c_oflag` says (`do_output_char`).
    pub(super) fn put(&mut self, byte: u8, termios: &Termios) {
        let flags = termios.output_flags();
        if !flags.contains(OutputFlags::OPOST) {
            self.push(byte);
            return;
        }
        match byte {
            b'\n' => {
                if flags.contains(OutputFlags::ONLCR) {
                    self.push(b'\r');
                }
                if flags.intersects(OutputFlags::ONLCR | OutputFlags::ONLRET) {
                    self.column = 0;
                }
                self.begin_line();
                self.push(b'\n');
            }
            b'\r' => self.put_return(flags),
            b'\t' => self.put_tab(flags),
            b'\x08' => {
                self.column = self.column.saturating_sub(1);
                self.push(byte);
            }
            _ => {
                if !byte.is_ascii_control() && !is_continuation(byte, termios) {
                    self.column += 1;
                }
                let upper = flags.contains(OutputFlags::OLCUC);
                self.push(if upper { to_upper(byte) } else { byte });
            }
        }
    }

    fn put_return(&mut self, flags: OutputFlags) {
        if flags.contains(OutputFlags::ONOCR) && self.column == 0 {
            return;
        }
        if flags.contains(OutputFlags::OCRNL) {
            if flags.contains(OutputFlags::ONLRET) {
                self.column = 0;
                self.begin_line();
            }
            self.push(b'\n');
            return;
        }
        self.column = 0;
        self.begin_line();
        self.push(b'\r');
    }

    fn put_tab(&mut self, flags: OutputFlags) {
        let spaces = TAB - self.column % TAB;
        self.column += spaces;
        if flags.contains(OutputFlags::XTABS) {
            (0..spaces).for_each(|_| self.push(b' '));
        } else {
            self.push(b'\t');
        }
    }

    /// Echoes a control character as `^X`, without changing it further.
    pub(super) fn put_caret(&mut self, byte: u8) {
        self.push(b'^');
        self.push(byte ^ 0o100);
        self.column += 2;
    }

    /// Counts a byte that was put as one that does not move the cursor.
    pub(super) const fn count_back(&mut self) {
        self.column = self.column.saturating_sub(1);
    }

    /// Moves the cursor back over a tab that begins at this column.
    pub(super) fn rub_out_tab(&mut self, start: usize) {
        for _ in 0..TAB - start % TAB {
            self.push(b'\x08');
            self.column = self.column.saturating_sub(1);
        }
    }

    fn push(&mut self, byte: u8) {
        if self.queue.len() < ECHO_QUEUE {
            self.queue.push_back(byte);
        }
    }
}

/// Whether a byte continues a UTF-8 character, on a terminal that knows of them.
pub(super) fn is_continuation(byte: u8, termios: &Termios) -> bool {
    use wayfarer_proto::linux::termios::InputFlags;

    termios.input_flags().contains(InputFlags::IUTF8) && byte & 0xc0 == 0x80
}
