//! Words that no file may hold, or only some.

use std::path::Path;

use super::source::{Source, is_word, line_of, words};
use super::{Finding, Rule};

pub(crate) fn check(source: &Source, root: &Path) -> Vec<Finding> {
    let mut findings = provenance(source, root);
    if source.is_rust() {
        findings.extend(unfinished(source));
        findings.extend(unwraps(source));
        findings.extend(unsafe_code(source));
        findings.extend(allowed_lints(source));
    }
    findings
}

/// `todo!` in code, notes to oneself in comments.
fn unfinished(source: &Source) -> Vec<Finding> {
    let in_code = ["todo!", "unimplemented!"];
    let in_comments = ["FIXME", "TODO", "XXX", "HACK"];
    let code = in_code.iter().flat_map(|word| found(&source.code, word));
    let comments = in_comments.iter().flat_map(|word| found(&source.comments, word));
    let finding = |(line, word): (usize, &str)| {
        source.finding(Rule::Unfinished, line, format!("{word} is for another day"))
    };
    code.chain(comments).map(finding).collect()
}

fn unwraps(source: &Source) -> impl Iterator<Item = Finding> {
    source.code.match_indices(".unwrap()").filter_map(|(at, _)| {
        let line = line_of(&source.code, at);
        let what = "return an error, or expect() with the invariant".to_owned();
        (!source.is_test_line(line)).then(|| source.finding(Rule::Unwrap, line + 1, what))
    })
}

fn unsafe_code(source: &Source) -> Vec<Finding> {
    if source.is_guest() || source.path.starts_with("kernel/machine/") {
        return Vec::new();
    }
    let what = "unsafe belongs into kernel/machine";
    let finding = |(line, _)| source.finding(Rule::Unsafe, line, what.to_owned());
    found(&source.code, "unsafe").into_iter().map(finding).collect()
}

fn allowed_lints(source: &Source) -> Vec<Finding> {
    let what = "use #[expect(lint, reason = \"..\")]";
    let places = ["[allow(", ", allow("].iter().flat_map(|text| source.code.match_indices(text));
    places
        .map(|(at, _)| source.finding(Rule::Allow, line_of(&source.code, at) + 1, what.to_owned()))
        .collect()
}

/// Top folders that say nothing: every Linux has them, or every repository.
const COMMON_FOLDERS: [&str; 18] = [
    "app", "bin", "build", "builds", "dev", "etc", "home", "mnt", "opt", "proc", "repo", "root",
    "src", "srv", "tests", "tmp", "usr", "var",
];

/// Phrases that tell how a text came about; in halves, so that this file passes its own test.
const PHRASES: [[&str; 2]; 4] =
    [["language ", "model"], ["co-authored", "-by"], ["ai ", "assistant"], ["coding ", "agent"]];

/// The checkout's own place, the builder's home, and phrases about who typed it.
fn provenance(source: &Source, root: &Path) -> Vec<Finding> {
    let mut banned: Vec<String> = PHRASES.iter().map(|halves| halves.concat()).collect();
    let top = root.components().nth(1).map(|part| part.as_os_str().to_string_lossy());
    match top {
        Some(top) if !COMMON_FOLDERS.contains(&&*top) => banned.push(format!("/{top}/")),
        _ => banned.push(root.to_string_lossy().to_lowercase()),
    }
    if let Some(home) = std::env::var("HOME").ok().filter(|home| home.matches('/').count() > 1) {
        banned.push(format!("{}/", home.to_lowercase()));
    }
    let text = source.text.to_lowercase();
    let mut findings = Vec::new();
    for word in &banned {
        // A path that goes on from something before is relative, and names nothing.
        let begins = |at: &usize| !text[..*at].ends_with(|before| is_word(before) || before == '.');
        for at in text.match_indices(word.as_str()).map(|(at, _)| at).filter(begins) {
            let what = format!("{word:?} says where it was written");
            findings.push(source.finding(Rule::Provenance, line_of(&text, at) + 1, what));
        }
    }
    findings
}

/// The lines, from one, where `word` stands by itself; and the word.
fn found<'a>(text: &str, word: &'a str) -> Vec<(usize, &'a str)> {
    let bare = word.trim_end_matches('!');
    words(text, bare)
        .filter(|at| text[*at..].starts_with(word))
        .map(|at| (line_of(text, at) + 1, word))
        .collect()
}
