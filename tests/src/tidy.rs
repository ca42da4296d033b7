//! Style is a test: what every tracked file of this repository must look like.
//!
//! The rules are those of the architecture ("Never: ...") and of its style guide. They are hard
//! from the first day; whoever needs an exception writes it into `exceptions`, with a reason.

mod crates;
mod exceptions;
mod modules;
mod seams;
mod shape;
mod source;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::io;
use std::path::Path;
use std::process::Command;

use source::Source;

/// A rule, as findings and exceptions name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// A function has at most `shape::FUNCTION_LINES` lines.
    FunctionLength,
    /// A line has at most `shape::COLUMNS` columns.
    LineLength,
    /// A file has at most `shape::FILE_LINES` lines besides its tests.
    FileLength,
    /// A file begins with a sentence about what it is.
    FileComment,
    /// Nothing is left for later.
    Unfinished,
    /// `unwrap()` is for tests.
    Unwrap,
    /// Every file is part of a crate.
    Orphan,
    /// `unsafe` is for `kernel/machine` and the guest programs.
    Unsafe,
    /// Every other crate root forbids it.
    ForbidUnsafe,
    /// Crates know only what lies below them.
    Dependency,
    /// Drivers know no process, and handlers not where their caller's body is.
    Seam,
    /// Lints are expected with a reason, not allowed.
    Allow,
    /// No file names the machine it was written on, or who typed it.
    Provenance,
}

/// One violation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The file, from the root of the repository.
    pub path: String,
    /// The line, from one; zero for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {:?}: {}", self.path, self.line, self.rule, self.what)
    }
}

/// Checks every file that git tracks under `root`; returns what no exception covers, and the
/// exceptions that cover nothing.
///
/// # Errors
/// Fails if git cannot list the files, or one cannot be read.
pub fn check(root: &Path) -> io::Result<Vec<Finding>> {
    let sources = tracked(root)?;
    let mut findings = Vec::new();
    for source in &sources {
        findings.extend(shape::check(source));
        findings.extend(words::check(source, root));
        findings.extend(seams::check(source));
    }
    findings.extend(crates::check(&sources));
    findings.extend(modules::check(&sources));
    Ok(exceptions::apply(findings))
}

/// The tracked text files.
fn tracked(root: &Path) -> io::Result<Vec<Source>> {
    let output = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut sources = Vec::new();
    for path in list.split_terminator('\0') {
        let file = root.join(path);
        // A file that is removed but not committed yet, and a link, have nothing to check.
        if !file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        if let Ok(text) = String::from_utf8(std::fs::read(file)?) {
            sources.push(Source::new(path, text));
        }
    }
    Ok(sources)
}
