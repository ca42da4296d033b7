//! The input side of a terminal: editing, echo, special characters (Linux's n_tty).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::linux::termios::{InputFlags, LocalFlags, Special, Termios};

use super::latin1::to_lower;
use super::output::Output;

/// Bytes that wait for a reader, the line being edited included (`N_TTY_BUF_SIZE` less one).
const QUEUE: usize = 4095;

/// A byte that a reader may have.
#[derive(Clone, Copy)]
struct Ready {
    byte: u8,
    end: LineEnd,
}

/// Whether a line ends at a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    No,
    /// After it.
    Yes,
    /// Here, and the byte itself is no data: an end of file character was typed.
    EndOfFile,
}

/// Bytes that were typed: whole lines or raw bytes for readers, and the line being edited.
#[derive(Default)]
pub(super) struct Input {
    ready: VecDeque<Ready>,
    /// Line ends in `ready`.
    lines: usize,
    pub(super) edited: Vec<u8>,
    /// Whether ^V was typed: the next byte is data whatever it is.
    literal_next: bool,
    /// Whether erased characters are being printed between \ and / (`ECHOPRT`).
    pub(super) erasing: bool,
}

impl Input {
    /// Whether a further byte can be taken in. A line too long to be taken in is not a reason to
    /// wait, since only its end can free it.
    pub(super) fn has_room(&self) -> bool {
        self.ready.is_empty() || self.ready.len() + self.edited.len() < QUEUE
    }

    /// Bytes that a read could give now; with line editing, up to the end of the last line.
    pub(super) fn available(&self, termios: &Termios) -> usize {
        if termios.edits() && self.lines == 0 {
            return 0;
        }
        self.ready.iter().filter(|ready| ready.end != LineEnd::EndOfFile).count()
    }

    /// Whether a whole line waits.
    pub(super) const fn has_line(&self) -> bool {
        self.lines > 0
    }

    /// Gives out the first line or as much of it as fits.
    pub(super) fn read_line(&mut self, target: &mut [u8]) -> usize {
        let mut count = 0;
        while let Some(next) = self.ready.front().copied() {
            if next.end == LineEnd::EndOfFile {
                // Ends a read that gave something, too, so that it is not seen twice.
                self.pop();
                return count;
            }
            if count == target.len() {
                return count;
            }
            target[count] = next.byte;
            count += 1;
            self.pop();
            if next.end == LineEnd::Yes {
                return count;
            }
        }
        count
    }

    /// Gives out raw bytes.
    pub(super) fn read_raw(&mut self, target: &mut [u8]) -> usize {
        let mut count = 0;
        while count < target.len() {
            let Some(next) = self.pop() else { break };
            if next.end != LineEnd::EndOfFile {
                target[count] = next.byte;
                count += 1;
            }
        }
        count
    }

    fn pop(&mut self) -> Option<Ready> {
        let ready = self.ready.pop_front()?;
        self.lines -= usize::from(ready.end != LineEnd::No);
        Some(ready)
    }

    /// Forgets everything (`TCIFLUSH`, or a signal without `NOFLSH`).
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adjusts to new settings: what was typed so far becomes readable without line editing, and
    /// becomes a line with it (`n_tty_set_termios`).
    pub(super) fn change_mode(&mut self, old: &Termios, new: &Termios) {
        let (was, is) = (old.edits(), new.edits());
        if was == is {
            return;
        }
        self.erasing = false;
        let edited = core::mem::take(&mut self.edited);
        edited.into_iter().for_each(|byte| self.make_ready(byte, LineEnd::No));
        if let Some(last) = self.ready.back_mut().filter(|last| is && last.end == LineEnd::No) {
            last.end = LineEnd::Yes;
            self.lines += 1;
        }
    }

    /// Takes a byte in (`n_tty_receive_char`); the signal that it sends to the foreground group.
    pub(super) fn receive(
        &mut self,
        byte: u8,
        termios: &Termios,
        output: &mut Output,
    ) -> Option<Signal> {
        let (input, local) = (termios.input_flags(), termios.local_flags());
        let mut byte = if input.contains(InputFlags::ISTRIP) { byte & 0x7f } else { byte };
        if input.contains(InputFlags::IUCLC) && local.contains(LocalFlags::IEXTEN) {
            byte = to_lower(byte);
        }
        if local.contains(LocalFlags::EXTPROC) {
            self.make_ready(byte, LineEnd::No);
            return None;
        }
        if core::mem::take(&mut self.literal_next) {
            self.take_in(byte, byte, termios, output);
            return None;
        }
        if flow_control(byte, termios, output) {
            return None;
        }
        if let Some(signal) = signal_of(byte, termios) {
            self.interrupt(byte, termios, output);
            return Some(signal);
        }
        match translate(byte, input) {
            Some(byte) if termios.edits() => self.edit(byte, termios, output),
            Some(translated) => self.take_in(translated, byte, termios, output),
            None => {}
        }
        None
    }

    /// Clears the queues for a signal and echoes its character (`n_tty_receive_signal_char`).
    fn interrupt(&mut self, byte: u8, termios: &Termios, output: &mut Output) {
        let local = termios.local_flags();
        if !local.contains(LocalFlags::NOFLSH) {
            self.clear();
            output.clear();
        }
        if termios.input_flags().contains(InputFlags::IXON) {
            output.stopped = false;
        }
        if local.contains(LocalFlags::ECHO) {
            echo(byte, termios, output);
        }
    }

    /// A byte on a terminal with line editing.
    fn edit(&mut self, byte: u8, termios: &Termios, output: &mut Output) {
        let local = termios.local_flags();
        let extended = local.contains(LocalFlags::IEXTEN);
        if termios.is_special(Special::Erase, byte) {
            self.erase_character(termios, output);
        } else if termios.is_special(Special::Kill, byte) {
            self.erase_line(termios, output);
        } else if extended && termios.is_special(Special::EraseWord, byte) {
            self.erase_word(termios, output);
        } else if extended && termios.is_special(Special::LiteralNext, byte) {
            self.literal_next = true;
            if local.contains(LocalFlags::ECHO) {
                self.finish_erasing(termios, output);
            }
            if local.contains(LocalFlags::ECHO | LocalFlags::ECHOCTL) {
                output.put(b'^', termios);
                output.put(b'\x08', termios);
            }
        } else if extended
            && local.contains(LocalFlags::ECHO)
            && termios.is_special(Special::Reprint, byte)
        {
            self.reprint(byte, termios, output);
        } else if byte == b'\n' {
            if local.intersects(LocalFlags::ECHO | LocalFlags::ECHONL) {
                output.put(b'\n', termios);
            }
            self.end_line(byte, LineEnd::Yes);
        } else if termios.is_special(Special::EndOfFile, byte) {
            self.end_line(0, LineEnd::EndOfFile);
        } else if termios.is_special(Special::EndOfLine, byte)
            || (extended && termios.is_special(Special::EndOfLine2, byte))
        {
            if local.contains(LocalFlags::ECHO) {
                if self.edited.is_empty() {
                    output.begin_line();
                }
                echo(byte, termios, output);
            }
            self.end_line(byte, LineEnd::Yes);
        } else {
            self.take_in(byte, byte, termios, output);
        }
    }

    /// A byte that is data. `typed` is what it was before CR and NL were translated: a NL that was
    /// a CR is echoed as a new line, one that was typed is a control character like others.
    fn take_in(&mut self, byte: u8, typed: u8, termios: &Termios, output: &mut Output) {
        let local = termios.local_flags();
        if self.ready.len() + self.edited.len() >= QUEUE {
            if termios.input_flags().contains(InputFlags::IMAXBEL) {
                output.put(b'\x07', termios);
            }
            return;
        }
        if local.contains(LocalFlags::ECHO) {
            self.finish_erasing(termios, output);
            if self.edited.is_empty() {
                output.begin_line();
            }
            match byte {
                b'\n' if typed == b'\r' => output.put(byte, termios),
                _ => echo(byte, termios, output),
            }
        }
        if termios.edits() {
            self.edited.push(byte);
        } else {
            self.make_ready(byte, LineEnd::No);
        }
    }

    fn end_line(&mut self, byte: u8, end: LineEnd) {
        let edited = core::mem::take(&mut self.edited);
        edited.into_iter().for_each(|byte| self.make_ready(byte, LineEnd::No));
        self.make_ready(byte, end);
    }

    fn make_ready(&mut self, byte: u8, end: LineEnd) {
        self.ready.push_back(Ready { byte, end });
        self.lines += usize::from(end != LineEnd::No);
    }
}

/// Echoes a byte, control characters as `^X` (`echo_char`).
pub(super) fn echo(byte: u8, termios: &Termios, output: &mut Output) {
    let carets = termios.local_flags().contains(LocalFlags::ECHOCTL);
    if carets && byte.is_ascii_control() && byte != b'\t' {
        output.put_caret(byte);
    } else {
        output.put(byte, termios);
    }
}

/// ^S and ^Q; whether the byte was one of them.
fn flow_control(byte: u8, termios: &Termios, output: &mut Output) -> bool {
    let input = termios.input_flags();
    if !input.contains(InputFlags::IXON) {
        return false;
    }
    if termios.is_special(Special::Stop, byte) {
        output.stopped = true;
        return true;
    }
    let starts = termios.is_special(Special::Start, byte);
    if starts || input.contains(InputFlags::IXANY) {
        output.stopped = false;
    }
    starts
}

/// The signal that a byte sends.
fn signal_of(byte: u8, termios: &Termios) -> Option<Signal> {
    if !termios.local_flags().contains(LocalFlags::ISIG) {
        return None;
    }
    let signals = [
        (Special::Interrupt, Signal::SIGINT),
        (Special::Quit, Signal::SIGQUIT),
        (Special::Suspend, Signal::SIGTSTP),
    ];
    let found = signals.iter().find(|(special, _)| termios.is_special(*special, byte));
    found.map(|(_, signal)| *signal)
}

/// CR and NL, as `c_iflag` says; `None` for one that is dropped.
fn translate(byte: u8, flags: InputFlags) -> Option<u8> {
    match byte {
        b'\r' if flags.contains(InputFlags::IGNCR) => None,
        b'\r' if flags.contains(InputFlags::ICRNL) => Some(b'\n'),
        b'\n' if flags.contains(InputFlags::INLCR) => Some(b'\r'),
        _ => Some(byte),
    }
}
