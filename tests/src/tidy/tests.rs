//! Each rule catches what it is there for.

use std::path::Path;

use super::source::Source;
use super::{Rule, crates, modules, seams, shape, words};

fn source(path: &str, text: &str) -> Source {
    Source::new(path, text.to_owned())
}

/// The rules that a file of this text breaks.
fn broken(path: &str, text: &str) -> Vec<(Rule, usize)> {
    let source = source(path, text);
    let root = Path::new("/checkout/here");
    let mut findings = shape::check(&source);
    findings.extend(words::check(&source, root));
    findings.extend(seams::check(&source));
    findings.extend(crates::check(&[source]));
    findings.into_iter().map(|finding| (finding.rule, finding.line)).collect()
}

#[test]
fn code_and_comments_are_told_apart() {
    let text = "let a = \"//\\\" unsafe\"; // unsafe\n/* a /* b */ unsafe */ let b = '\"';\n\
                let c = r#\"unsafe \" \"#; let d: &'static str = br\"unsafe\"; let e = '\\'';";
    let source = source("a.rs", text);
    assert!(!source.code.contains("unsafe"), "{}", source.code);
    for kept in ["let a =", "let b =", "let c =", "let d: &'static str =", "let e ="] {
        assert!(source.code.contains(kept), "{kept}: {}", source.code);
    }
    assert_eq!(source.comments.matches("unsafe").count(), 2);
    assert_eq!(source.code.len(), text.len());
}

#[test]
fn lengths() {
    let long = "//! A.\nfn f() {\n".to_owned() + &"    g();\n".repeat(69) + "}\n";
    assert_eq!(broken("a.rs", &long), [(Rule::FunctionLength, 2)]);
    let fits = "//! A.\nfn f() {\n".to_owned() + &"    g();\n".repeat(68) + "}\n";
    assert_eq!(broken("a.rs", &fits), []);
    let declared = "//! A.\ntrait T {\n    fn f();\n    const F: fn(u8);\n".to_owned()
        + &"    fn g();\n".repeat(80)
        + "}\n";
    assert_eq!(broken("a.rs", &declared), []);
    assert_eq!(broken("a.rs", &format!("//! {}\n", "x".repeat(97))), [(Rule::LineLength, 1)]);
    assert_eq!(broken("a.rs", &format!("//! | {} |\n", "x".repeat(97))), []);
    let file = "//! A.\n".to_owned() + &"const A: u8 = 1;\n".repeat(500);
    assert_eq!(broken("a.rs", &file), [(Rule::FileLength, 0)]);
    let tests = "//! A.\n#[cfg(test)]\nmod tests {\n".to_owned() + &"use a;\n".repeat(500) + "}\n";
    assert_eq!(broken("a.rs", &tests), []);
}

#[test]
fn beginnings() {
    assert_eq!(broken("a.rs", "use b;\n"), [(Rule::FileComment, 1)]);
    assert_eq!(broken("a.rs", "#![no_std]\n//! A.\n"), []);
    assert_eq!(broken("a.c", "int a;\n"), [(Rule::FileComment, 1)]);
    assert_eq!(broken("a.sh", "#!/bin/sh\n# A.\ntrue\n"), []);
}

#[test]
fn words_out_of_place() {
    let test = "//! A.\n#[cfg(test)]\nmod tests {\n    fn f() { a.unwrap() }\n}\n";
    assert_eq!(broken("a.rs", test), []);
    assert_eq!(broken("a.rs", "//! A.\nfn f() { a.unwrap() }\n"), [(Rule::Unwrap, 2)]);
    assert_eq!(broken("x/tests/a.rs", "//! A.\nfn f() { a.unwrap() }\n"), []);
    assert_eq!(broken("a.rs", "//! A.\nfn f() { todo!() }\n"), [(Rule::Unfinished, 2)]);
    assert_eq!(broken("a.rs", "//! A.\n// FIXME\n"), [(Rule::Unfinished, 2)]);
    assert_eq!(broken("a.rs", "//! A.\nfn f() { unsafe { g() } }\n"), [(Rule::Unsafe, 2)]);
    assert_eq!(broken("kernel/machine/src/a.rs", "//! A.\nunsafe fn f() {}\n"), []);
    assert_eq!(broken("a.rs", "//! A.\n#[allow(x)]\nfn f() {}\n"), [(Rule::Allow, 2)]);
    assert_eq!(broken("a.md", "see /checkout/here/a\n"), [(Rule::Provenance, 1)]);
    assert_eq!(broken("a.md", "see a/checkout/here and ../checkout/here\n"), []);
}

#[test]
fn crates_keep_to_their_places() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nwayfarer-deputy.workspace = true\n";
    assert_eq!(broken("body/Cargo.toml", manifest), [(Rule::Dependency, 4)]);
    assert_eq!(broken("kernel/Cargo.toml", manifest), []);
    assert_eq!(broken("new/Cargo.toml", ""), [(Rule::Dependency, 0)]);
    assert_eq!(broken("body/src/lib.rs", "//! A.\n"), [(Rule::ForbidUnsafe, 1)]);
    assert_eq!(broken("body/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]\n"), []);
    assert_eq!(broken("kernel/src/net/a.rs", "//! A.\nuse crate::process;\n"), [(Rule::Seam, 2)]);
    assert_eq!(broken("kernel/src/net/a.rs", "//! A.\nfn f() { a.split(b) }\n"), []);
}

#[test]
fn orphans() {
    let files = [
        source("a/Cargo.toml", "[[bin]]\npath = \"other/main.rs\"\n"),
        source("a/src/lib.rs", "mod b;\nmod c;\n#[path = \"odd.rs\"]\nmod even;\n"),
        source("a/src/odd.rs", ""),
        source("a/src/b.rs", "mod d;\n"),
        source("a/src/b/d.rs", ""),
        source("a/src/c/mod.rs", "#[cfg(test)]\nmod tests;\n"),
        source("a/src/c/tests.rs", ""),
        source("a/other/main.rs", "mod part;\n"),
        source("a/other/part.rs", ""),
        source("a/tests/t.rs", "mod help;\n"),
        source("a/tests/help/mod.rs", ""),
        source("a/src/dead.rs", ""),
        source("a/src/b/e.rs", ""),
    ];
    let mut dead: Vec<_> = modules::check(&files).into_iter().map(|found| found.path).collect();
    dead.sort();
    assert_eq!(dead, ["a/src/b/e.rs", "a/src/dead.rs"]);
}
