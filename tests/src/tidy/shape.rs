//! How long things are, and how files begin.

use super::source::{Source, closing_brace, line_of, words};
use super::{Finding, Rule};

/// Lines of a function, from `fn` to its closing brace.
pub(crate) const FUNCTION_LINES: usize = 70;
/// Columns of a line.
pub(crate) const COLUMNS: usize = 100;
/// Lines of a file, its tests not counted.
pub(crate) const FILE_LINES: usize = 500;

pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_program(source) {
        findings.extend(long_lines(source));
        findings.extend(no_comment(source));
    }
    if source.is_rust() {
        findings.extend(long_functions(source));
        let lines = source.productive_lines();
        if lines > FILE_LINES {
            findings.push(source.finding(Rule::FileLength, 0, format!("{lines} lines")));
        }
    }
    findings
}

/// Whether people write and read it as a program.
fn is_program(source: &Source) -> bool {
    [".rs", ".c", ".h", ".S", ".ld", ".sh"].iter().any(|end| source.path.ends_with(end))
}

/// A row of a table in a comment cannot be broken.
fn is_table_row(line: &str) -> bool {
    line.trim_start().trim_start_matches(['/', '!']).trim_start().starts_with('|')
}

fn long_lines(source: &Source) -> impl Iterator<Item = Finding> {
    source.text.lines().enumerate().filter_map(|(index, line)| {
        let columns = line.chars().count();
        (columns > COLUMNS && !is_table_row(line))
            .then(|| source.finding(Rule::LineLength, index + 1, format!("{columns} columns")))
    })
}

/// A Rust file begins with `//!` (after attributes), others with any comment.
fn no_comment(source: &Source) -> Option<Finding> {
    let mut lines = source.text.lines().filter(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("#!")
    });
    let first = lines.next()?.trim();
    let starts = if source.is_rust() { &["//!"][..] } else { &["//", "/*", "#"][..] };
    let missing = !starts.iter().any(|start| first.starts_with(start));
    missing.then(|| source.finding(Rule::FileComment, 1, "no comment says what it is".to_owned()))
}

fn long_functions(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for start in words(&source.code, "fn") {
        // A type `fn(..)` has no name, a declaration no body.
        let after = &source.code[start + 2..];
        let Some(open) = after.find(['{', ';']) else { continue };
        if !after.starts_with(' ') || after[open..].starts_with(';') {
            continue;
        }
        let open = start + 2 + open;
        let Some(close) = closing_brace(&source.code, open) else { continue };
        let first = line_of(&source.code, start);
        let lines = line_of(&source.code, close) - first + 1;
        if lines > FUNCTION_LINES {
            let name = after.trim_start().split(['(', '<']).next().unwrap_or("?");
            let what = format!("fn {name} has {lines} lines");
            findings.push(source.finding(Rule::FunctionLength, first + 1, what));
        }
    }
    findings
}

impl Source {
    /// A finding in this file; `line` from one.
    pub(crate) fn finding(&self, rule: Rule, line: usize, what: String) -> Finding {
        Finding { rule, path: self.path.clone(), line, what }
    }
}
