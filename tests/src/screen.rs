//! The screen of a terminal, as what a program writes makes it: the control functions of ECMA-48
//! that full-screen programs of busybox use.

use crate::terminal::SIZE;

/// What is on the screen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Screen {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// A control sequence that has begun.
    sequence: Option<String>,
    /// Sequences that mean nothing here.
    unknown: Vec<String>,
}

impl Default for Screen {
    /// An empty one of [`SIZE`].
    fn default() -> Self {
        Self {
            rows: vec![vec![' '; SIZE.1.into()]; SIZE.0.into()],
            row: 0,
            column: 0,
            sequence: None,
            unknown: Vec::new(),
        }
    }
}

impl Screen {
    /// Shows what a program writes.
    pub fn show(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.show_char(char::from(*byte));
        }
    }

    /// The lines, and the place of the cursor (from 1).
    pub fn text(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let line: String = row.iter().collect();
            text += line.trim_end();
            text.push('\n');
        }
        text + &format!("cursor {};{}\n", self.row + 1, self.column + 1)
    }

    /// The control sequences that were not understood.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    fn show_char(&mut self, char: char) {
        if let Some(mut sequence) = self.sequence.take() {
            sequence.push(char);
            match char {
                '[' if sequence.len() == 1 => self.sequence = Some(sequence),
                '@'..='~' => self.control(&sequence),
                _ => self.sequence = Some(sequence),
            }
            return;
        }
        match char {
            '\x1b' => self.sequence = Some(String::new()),
            '\x07' => {}
            '\x08' => self.column = self.column.saturating_sub(1),
            '\r' => self.column = 0,
            '\n' => self.row = (self.row + 1).min(self.rows.len() - 1),
            char => {
                if let Some(cell) = self.rows[self.row].get_mut(self.column) {
                    *cell = char;
                    self.column += 1;
                }
            }
        }
    }

    fn control(&mut self, sequence: &str) {
        match sequence {
            "[H" => self.go(1, 1),
            "[J" => {
                self.clear_line();
                let below = self.rows.iter_mut().skip(self.row + 1);
                below.for_each(|row| row.fill(' '));
            }
            "[K" => self.clear_line(),
            // Bold, inverse, and neither: a screen is compared without its colours.
            "[m" | "[7m" | "[1m" => {}
            // The other screen, which is empty, and back.
            "[?1049h" | "[?1049l" => self.rows.iter_mut().for_each(|row| row.fill(' ')),
            place => match parse_place(place) {
                Some((row, column)) => self.go(row, column),
                None => self.unknown.push(sequence.to_owned()),
            },
        }
    }

    fn go(&mut self, row: usize, column: usize) {
        self.row = row.clamp(1, self.rows.len()) - 1;
        self.column = column.clamp(1, self.rows[0].len()) - 1;
    }

    fn clear_line(&mut self) {
        let column = self.column;
        self.rows[self.row].iter_mut().skip(column).for_each(|cell| *cell = ' ');
    }
}

/// `[ROW;COLUMNH`.
fn parse_place(sequence: &str) -> Option<(usize, usize)> {
    let (row, column) = sequence.strip_prefix('[')?.strip_suffix('H')?.split_once(';')?;
    Some((row.parse().ok()?, column.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_may_come_in_pieces() {
        let mut screen = Screen::default();
        for piece in ["a\x1b[2", ";3Hbc", "d\x08\x1b", "[Ke\x1b[5n\r\n", "f"] {
            screen.show(piece.as_bytes());
        }
        let text = screen.text();
        assert!(text.starts_with("a\n  bce\nf\n\n"), "{text}");
        assert!(text.ends_with("cursor 3;2\n"), "{text}");
        assert_eq!(screen.unknown(), ["[5n"]);
    }

    #[test]
    fn the_rest_is_cleared() {
        let mut screen = Screen::default();
        screen.show(b"one\r\ntwo\r\nthree\x1b[2;2H\x1b[J");
        assert!(screen.text().starts_with("one\nt\n\n"), "{}", screen.text());
    }
}
