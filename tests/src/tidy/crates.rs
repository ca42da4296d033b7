//! Which crate depends on which, and what their roots forbid.

use super::source::Source;
use super::{Finding, Rule};

/// What each crate of ours may know (the architecture's table of folders).
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("body", &["proto"]),
    ("deputy", &["proto"]),
    ("kernel/machine", &["image-build"]),
    ("kernel/image-build", &[]),
    ("kernel", &["proto", "body", "deputy", "machine", "image-build"]),
    ("kernel/examples/hello-vm", &["proto", "kernel", "machine", "image-build"]),
    ("qemu-runner", &["proto"]),
    ("tests", &["proto", "body", "deputy", "kernel", "wayfarer"]),
];

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        if let Some(folder) = source.path.strip_suffix("/Cargo.toml")
            && !source.is_guest()
        {
            findings.extend(wrong_dependencies(source, folder));
        }
        if is_root(&source.path)
            && !source.is_guest()
            && !source.path.starts_with("kernel/machine/")
        {
            findings.extend(forbids_nothing(source));
        }
    }
    findings
}

fn wrong_dependencies(source: &Source, folder: &str) -> Vec<Finding> {
    let Some((_, known)) = MAY_KNOW.iter().find(|(name, _)| *name == folder) else {
        let what = format!("say in {} what {folder} may know", file!());
        return vec![source.finding(Rule::Dependency, 0, what)];
    };
    dependencies(&source.text)
        .filter(|(_, name)| !known.contains(name))
        .map(|(line, name)| {
            source.finding(Rule::Dependency, line, format!("{folder} must not know {name}"))
        })
        .collect()
}

/// The dependencies on crates of ours, short names and lines.
fn dependencies(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    manifest.lines().enumerate().filter_map(move |(index, line)| {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        }
        let name = line.split(['.', ' ', '=']).next()?;
        let ours = match name.strip_prefix("wayfarer") {
            Some("") => "wayfarer",
            Some(rest) => rest.strip_prefix('-')?,
            None => return None,
        };
        inside.then_some((index + 1, ours))
    })
}

/// Whether a crate of the workspace begins with this file (those of tests and builds aside).
fn is_root(path: &str) -> bool {
    path.ends_with("/src/lib.rs")
        || path.ends_with("/src/main.rs")
        || (path.contains("/src/bin/") && path.ends_with(".rs"))
}

fn forbids_nothing(source: &Source) -> Option<Finding> {
    let missing = !source.code.contains("#![forbid(unsafe_code)]");
    missing.then(|| source.finding(Rule::ForbidUnsafe, 1, "#![forbid(unsafe_code)]".to_owned()))
}
