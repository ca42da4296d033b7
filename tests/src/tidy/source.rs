//! A file as the rules see it: its text, its code without comments and strings, its tests.

use std::ops::Range;

/// A tracked file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
    /// The same with comments and the insides of strings as blanks; equal to `text` unless Rust.
    pub(crate) code: String,
    /// The same with everything but comments as blanks; empty unless Rust.
    pub(crate) comments: String,
    /// The lines, from zero, that are compiled for tests only.
    test_lines: Vec<Range<usize>>,
}

impl Source {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let path = path.to_owned();
        if !path.ends_with(".rs") {
            let (code, comments) = (text.clone(), String::new());
            return Self { path, text, code, comments, test_lines: Vec::new() };
        }
        let (code, comments) = split(&text);
        let test_lines = test_lines(&code);
        Self { path, text, code, comments, test_lines }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the file is part of a guest program.
    pub(crate) fn is_guest(&self) -> bool {
        self.path.starts_with("tests/guest/")
    }

    /// Whether all of the file is test code: of the crate of tests, or of a `tests` folder or
    /// module. The fakes of a `testing` module serve tests only, too.
    pub(crate) fn is_test(&self) -> bool {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        self.is_guest()
            || self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "selftest"))
            || ["tests", "testing"].iter().any(|name| stem.ends_with(name))
    }

    /// Whether line `index` (from zero) is test code.
    pub(crate) fn is_test_line(&self, index: usize) -> bool {
        self.is_test() || self.test_lines.iter().any(|lines| lines.contains(&index))
    }

    /// Lines that are not test code.
    pub(crate) fn productive_lines(&self) -> usize {
        (0..self.text.lines().count())
            .filter(|index| !self.test_lines.iter().any(|lines| lines.contains(index)))
            .count()
    }
}

/// What the bytes of a Rust file are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Takes Rust source apart into code and comments; both keep every line and column.
fn split(text: &str) -> (String, String) {
    let characters: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut at = 0;
    while at < characters.len() {
        let (kind, end) = token(&characters, at);
        for character in &characters[at..end] {
            let blank = if *character == '\n' { '\n' } else { ' ' };
            code.push(if kind == Kind::Code { *character } else { blank });
            comments.push(if kind == Kind::Comment { *character } else { blank });
        }
        at = end;
    }
    (code, comments)
}

/// What begins at `at`, and where it ends.
fn token(text: &[char], at: usize) -> (Kind, usize) {
    let rest = &text[at..];
    match rest {
        ['/', '/', ..] => (Kind::Comment, at + until(rest, |rest| rest[0] == '\n')),
        ['/', '*', ..] => (Kind::Comment, at + block_comment(rest)),
        ['"', ..] => (Kind::Literal, at + quoted(rest, '"')),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => (Kind::Literal, at + quoted(rest, '\'')),
        ['r' | 'b', ..] if at == 0 || !is_word(text[at - 1]) => match raw_string(rest) {
            Some(length) => (Kind::Literal, at + length),
            None => (Kind::Code, at + 1),
        },
        _ => (Kind::Code, at + 1),
    }
}

/// How many characters pass before `found` is true of the rest.
fn until(text: &[char], found: impl Fn(&[char]) -> bool) -> usize {
    (0..text.len()).find(|at| found(&text[*at..])).unwrap_or(text.len())
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match text[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string or character literal with escapes.
fn quoted(text: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The length of `r"..."`, `r#"..."#`, `br"..."`, if one begins here.
fn raw_string(text: &[char]) -> Option<usize> {
    let prefix = if text.starts_with(&['b', 'r']) { 2 } else { 1 };
    if text.first() == Some(&'b') && prefix == 1 {
        return None;
    }
    let hashes = until(&text[prefix..], |rest| rest[0] != '#');
    if text.get(prefix + hashes) != Some(&'"') {
        return None;
    }
    let body = prefix + hashes + 1;
    let ends = |rest: &[char]| {
        rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|mark| *mark == '#')
    };
    Some((body + until(text.get(body..)?, ends) + 1 + hashes).min(text.len()))
}

/// Whether the character can be part of a name.
pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The lines of items under `#[cfg(test)]`.
fn test_lines(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (start, mark) in code.match_indices("#[cfg(test)]") {
        let after = &code[start + mark.len()..];
        let end = item_end(after).unwrap_or(after.len());
        let first = line_of(code, start);
        ranges.push(first..line_of(code, start + mark.len() + end) + 1);
    }
    ranges
}

/// Where the item that begins here ends: at its first `;`, or at the brace that closes it.
fn item_end(code: &str) -> Option<usize> {
    let open = code.find(['{', ';'])?;
    if code[open..].starts_with(';') { Some(open) } else { closing_brace(code, open) }
}

/// The place of the brace that closes the one at `open`.
pub(crate) fn closing_brace(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, character) in code[open..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => continue,
        }
        if depth == 0 {
            return Some(open + at);
        }
    }
    None
}

/// The line (from zero) of the byte at `at`.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count()
}

/// Where `word` stands by itself in `text`.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}
