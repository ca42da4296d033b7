//! The whole repository keeps to its own style.

use wayfarer::artifacts::workspace;
use wayfarer_tests::tidy;

#[test]
fn the_repository_is_tidy() {
    let findings = tidy::check(&workspace()).unwrap();
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} findings:\n{}", list.len(), list.join("\n"));
}
