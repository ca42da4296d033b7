//! Files that no crate is made of.

use std::collections::{BTreeSet, HashMap};

use super::source::{Source, words};
use super::{Finding, Rule};

/// Follows `mod name;` from every crate's root; what is not reached is dead.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let files: HashMap<&str, &Source> =
        sources.iter().filter(|file| file.is_rust()).map(|file| (&*file.path, file)).collect();
    let mut waiting: Vec<String> = roots(sources);
    let mut reached = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        if let Some(file) = files.get(&*path)
            && reached.insert(path.clone())
        {
            waiting.extend(children(file));
        }
    }
    let orphans = files.values().filter(|file| !reached.contains(&file.path));
    orphans.map(|file| file.finding(Rule::Orphan, 0, "no crate is made of it".to_owned())).collect()
}

/// Where cargo looks for crates, and what manifests name by `path`.
fn roots(sources: &[Source]) -> Vec<String> {
    let mut roots = Vec::new();
    for manifest in sources.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        let folder = manifest.path.trim_end_matches("Cargo.toml");
        roots.extend(
            ["src/lib.rs", "src/main.rs", "build.rs"].map(|root| format!("{folder}{root}")),
        );
        let named = manifest.text.lines().filter_map(|line| line.strip_prefix("path = \""));
        roots.extend(named.map(|path| format!("{folder}{}", path.trim_end_matches('"'))));
        for place in ["src/bin/", "tests/", "examples/", "benches/"] {
            let place = format!("{folder}{place}");
            roots.extend(sources.iter().filter_map(|file| {
                let name = file.path.strip_prefix(&place)?;
                (!name.contains('/') || name.ends_with("/main.rs")).then(|| file.path.clone())
            }));
        }
    }
    roots
}

/// The files that the modules declared in this file may be.
fn children(file: &Source) -> Vec<String> {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let stem = name.trim_end_matches(".rs");
    let is_top = matches!(stem, "lib" | "main" | "mod" | "build") || !has_folder(file);
    let mut children = Vec::new();
    for at in words(&file.code, "mod") {
        let rest = file.code[at + 3..].trim_start();
        let Some((module, _)) = rest.split_once(';') else { continue };
        if module.chars().all(super::source::is_word) {
            if let Some(path) = named_path(file, at) {
                children.push(format!("{folder}/{path}"));
            }
            if is_top {
                children.push(format!("{folder}/{module}.rs"));
                children.push(format!("{folder}/{module}/mod.rs"));
            }
            children.push(format!("{folder}/{stem}/{module}.rs"));
            children.push(format!("{folder}/{stem}/{module}/mod.rs"));
        }
    }
    children
}

/// What `#[path = ".."]` on the line before the declaration at `at` says.
fn named_path(file: &Source, at: usize) -> Option<&str> {
    let before = super::source::line_of(&file.code, at).checked_sub(1)?;
    let line = file.text.lines().nth(before)?.trim();
    line.strip_prefix("#[path = \"")?.strip_suffix("\"]")
}

/// Whether the file's own modules lie in a folder of its name: so it is for all but crate roots.
fn has_folder(file: &Source) -> bool {
    let is_target = ["/tests/", "/examples/", "/benches/", "/bin/"]
        .iter()
        .any(|place| file.path.rsplit_once(place).is_some_and(|(_, name)| !name.contains('/')));
    !is_target
}
