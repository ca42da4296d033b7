//! Who may not know whom inside the kernel.

use super::source::{Source, line_of, words};
use super::{Finding, Rule};

/// Files that must not name certain things, and why.
struct Seam {
    /// How the path begins.
    under: &'static str,
    /// Names they must not use; of a module only as part of a path.
    names: &'static [&'static str],
    /// Why not.
    why: &'static str,
}

const DRIVER: &str = "a driver knows no process";
const PROCESS: &[&str] = &["process", "Process", "Home", "Body", "syscall", "split"];
const HANDLER: &str = "a handler does not know whether its caller is split";

const SEAMS: &[Seam] = &[
    Seam { under: "kernel/machine/src/devices/", names: PROCESS, why: DRIVER },
    Seam { under: "kernel/src/net/", names: PROCESS, why: DRIVER },
    Seam { under: "kernel/src/console.rs", names: PROCESS, why: DRIVER },
    Seam { under: "kernel/src/random.rs", names: PROCESS, why: DRIVER },
    Seam { under: "kernel/src/fs/", names: &["process", "split", "UserMemory"], why: DRIVER },
    Seam {
        under: "kernel/src/syscall/home/",
        names: &["split", "Session", "Deputy", "Guest", "wayfarer_deputy", "wayfarer_body"],
        why: HANDLER,
    },
    Seam { under: "proto/", names: &["smoltcp", "wayfarer_kernel"], why: "proto knows nothing" },
];

pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.is_rust() {
        return findings;
    }
    for seam in SEAMS.iter().filter(|seam| source.path.starts_with(seam.under)) {
        for name in seam.names {
            for at in words(&source.code, name).filter(|at| names_item(&source.code, *at, name)) {
                let line = line_of(&source.code, at);
                if !source.is_test_line(line) {
                    let what = format!("{name}: {}", seam.why);
                    findings.push(source.finding(Rule::Seam, line + 1, what));
                }
            }
        }
    }
    findings
}

/// Whether the word at `at` is a type, or a module in a path: methods have names of their own.
fn names_item(code: &str, at: usize, name: &str) -> bool {
    let is_type = name.starts_with(char::is_uppercase);
    is_type || code[..at].ends_with("::") || code[at + name.len()..].starts_with("::")
}
