//! Which guest shows which system call: `tests/coverage.txt`, which `docs/syscalls.md` repeats.
//!
//! A line of the file names a call and the guests that were seen to make it with success. Nobody
//! has to be believed: the guests are traced when they run at home, and a call that none of its
//! guests makes is a failure. (What one of them does may depend on who comes first.)
//! `WAYFARER_WRITE_DOCS=1` writes the file anew from the trace.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use wayfarer::artifacts::workspace;
use wayfarer_proto::console::Trace;

/// Guests named for one call at most: those that make it most often.
const NAMED: usize = 3;

/// Calls that never succeed: what a trace shows as their result is the handler's that ended them.
const SUSPENDING: [&str; 2] = ["pause", "rt_sigsuspend"];

/// A guest whose calls show nothing: they are wrong on purpose.
const MEANINGLESS: &str = "hostile";

/// How often each call was made with success, by each guest.
#[derive(Clone, Default, Debug)]
pub struct Observed(BTreeMap<String, BTreeMap<&'static str, usize>>);

impl Observed {
    /// Adds what a guest was seen to do.
    pub fn add(&mut self, guest: &'static str, calls: &[Trace]) {
        for call in calls.iter().filter_map(|trace| succeeded(&trace.call)) {
            *self.0.entry(call.to_owned()).or_default().entry(guest).or_default() += 1;
        }
    }

    /// The file's text.
    fn text(&self) -> String {
        let mut text = String::new();
        for (call, guests) in &self.0 {
            let mut guests: Vec<_> =
                guests.iter().filter(|(guest, _)| **guest != MEANINGLESS).collect();
            guests.sort_by_key(|(guest, times)| (usize::MAX - **times, **guest));
            let names: Vec<_> = guests.iter().take(NAMED).map(|(guest, _)| **guest).collect();
            if !names.is_empty() {
                let _ = writeln!(text, "{call}: {}", names.join(" "));
            }
        }
        text
    }
}

/// The name of a traced call that did not fail.
fn succeeded(line: &str) -> Option<&str> {
    let (call, rest) = line.split_once('(')?;
    let (_, result) = rest.rsplit_once(" = ")?;
    (!result.starts_with("-1 ") && !SUSPENDING.contains(&call)).then_some(call)
}

fn path() -> PathBuf {
    workspace().join("tests/coverage.txt")
}

/// What the file claims: the guests that show a call, by its name.
pub fn claims() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let claim = |line: &str| {
        let (call, guests) = line.split_once(": ")?;
        Some((call.to_owned(), guests.split(' ').map(str::to_owned).collect()))
    };
    text.lines().filter_map(claim).collect()
}

/// Holds the file's claims against what was seen, or writes them anew.
///
/// # Panics
/// If a claim is false.
pub fn check(observed: &Observed) {
    if std::env::var_os("WAYFARER_WRITE_DOCS").is_some() {
        fs::write(path(), observed.text()).expect("the repository can be written to");
        return;
    }
    let seen = |call: &str, guest: &str| {
        observed.0.get(call).is_some_and(|guests| guests.contains_key(guest))
    };
    let claims = claims();
    let wrong: Vec<_> = claims
        .iter()
        .filter(|(call, guests)| !guests.iter().any(|guest| seen(call, guest)))
        .collect();
    assert!(wrong.is_empty(), "tests/coverage.txt claims what is not so: {wrong:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_did_not_fail_counts() {
        assert_eq!(succeeded("read(0, 0x1, 4) = 4"), Some("read"));
        assert_eq!(succeeded("exit_group(0) = ?"), Some("exit_group"));
        assert_eq!(succeeded("open(0x1, 0, 0) = -1 ENOENT"), None);
        assert_eq!(succeeded("pause() = 0"), None);
        assert_eq!(succeeded("nonsense"), None);
    }
}
