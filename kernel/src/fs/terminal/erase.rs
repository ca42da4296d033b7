//! Erasing characters, words and lines on a terminal (n_tty's `eraser`).

use wayfarer_proto::linux::termios::{LocalFlags, Special, Termios};

use super::input::{Input, echo};
use super::latin1::is_word;
use super::output::{Output, is_continuation};

impl Input {
    /// ERASE: the last character.
    pub(super) fn erase_character(&mut self, termios: &Termios, output: &mut Output) {
        if let Some(length) = self.last_character(termios) {
            let rub_out = termios.local_flags().contains(LocalFlags::ECHOE);
            self.drop_character(length, rub_out, termios, output);
        }
        self.erased(termios, output);
    }

    /// WERASE: back to the beginning of the last word.
    pub(super) fn erase_word(&mut self, termios: &Termios, output: &mut Output) {
        let mut in_word = false;
        while let Some(length) = self.last_character(termios) {
            let first = self.edited[self.edited.len() - length];
            if is_word(first) {
                in_word = true;
            } else if in_word {
                break;
            }
            self.drop_character(length, true, termios, output);
        }
        self.erased(termios, output);
    }

    /// KILL: the whole line.
    pub(super) fn erase_line(&mut self, termios: &Termios, output: &mut Output) {
        if self.edited.is_empty() {
            return;
        }
        let local = termios.local_flags();
        let one_by_one =
            LocalFlags::ECHO | LocalFlags::ECHOK | LocalFlags::ECHOKE | LocalFlags::ECHOE;
        if !local.contains(one_by_one) {
            self.edited.clear();
            if local.contains(LocalFlags::ECHO) {
                self.finish_erasing(termios, output);
                echo(termios.special(Special::Kill), termios, output);
                if local.contains(LocalFlags::ECHOK) {
                    output.put(b'\n', termios);
                }
            }
            return;
        }
        while let Some(length) = self.last_character(termios) {
            self.drop_character(length, true, termios, output);
        }
        self.erased(termios, output);
    }

    /// REPRINT: the line again, on a new one.
    pub(super) fn reprint(&mut self, byte: u8, termios: &Termios, output: &mut Output) {
        self.finish_erasing(termios, output);
        echo(byte, termios, output);
        output.put(b'\n', termios);
        for index in 0..self.edited.len() {
            let byte = self.edited[index];
            echo(byte, termios, output);
        }
    }

    /// Ends the printing of erased characters.
    pub(super) fn finish_erasing(&mut self, termios: &Termios, output: &mut Output) {
        if core::mem::take(&mut self.erasing) {
            output.put(b'/', termios);
        }
    }

    /// Bytes of the last character of the line; `None` if there is none. Bytes that continue a
    /// character which does not begin are left alone.
    fn last_character(&self, termios: &Termios) -> Option<usize> {
        let start = self.edited.iter().rposition(|byte| !is_continuation(*byte, termios))?;
        Some(self.edited.len() - start)
    }

    /// Takes the last character off the line and off the screen.
    fn drop_character(
        &mut self,
        length: usize,
        rub_out: bool,
        termios: &Termios,
        output: &mut Output,
    ) {
        let start = self.edited.len() - length;
        let local = termios.local_flags();
        let first = self.edited[start];
        if !local.contains(LocalFlags::ECHO) {
            self.edited.truncate(start);
        } else if local.contains(LocalFlags::ECHOPRT) {
            self.print_erased(start, termios, output);
            self.edited.truncate(start);
        } else if !rub_out {
            self.edited.truncate(start);
            echo(termios.special(Special::Erase), termios, output);
        } else if first == b'\t' {
            self.edited.truncate(start);
            output.rub_out_tab(self.column_of_end(termios, output.line_column()));
        } else {
            self.edited.truncate(start);
            let carets = local.contains(LocalFlags::ECHOCTL);
            let columns = match first.is_ascii_control() {
                true if carets => 2,
                true => 0,
                false => 1,
            };
            for _ in 0..columns {
                b"\x08 \x08".iter().for_each(|byte| output.put(*byte, termios));
            }
        }
    }

    /// Prints what is being erased, for paper.
    fn print_erased(&mut self, start: usize, termios: &Termios, output: &mut Output) {
        if !core::mem::replace(&mut self.erasing, true) {
            output.put(b'\\', termios);
        }
        echo(self.edited[start], termios, output);
        for byte in &self.edited[start + 1..] {
            output.put(*byte, termios);
            output.count_back();
        }
    }

    /// The column after the line's last character, if it began at `line_column`. After a tab only
    /// what follows it counts, since a tab ends at a multiple of eight.
    fn column_of_end(&self, termios: &Termios, line_column: usize) -> usize {
        let tab = self.edited.iter().rposition(|byte| *byte == b'\t');
        let carets = termios.local_flags().contains(LocalFlags::ECHOCTL);
        let columns = self.edited[tab.map_or(0, |tab| tab + 1)..].iter().map(|byte| {
            match byte.is_ascii_control() {
                true if carets => 2,
                true => 0,
                false => usize::from(!is_continuation(*byte, termios)),
            }
        });
        columns.sum::<usize>() + if tab.is_some() { 0 } else { line_column }
    }

    fn erased(&mut self, termios: &Termios, output: &mut Output) {
        if self.edited.is_empty() {
            self.finish_erasing(termios, output);
        }
    }
}
