//! The exceptions, each with its reason.

use super::{Finding, Rule};

/// What a file may do against a rule.
struct Exception {
    rule: Rule,
    path: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::ForbidUnsafe,
        path: "kernel/src/main.rs",
        reason: "image! expands to machine's entry, stub and allocator, which are unsafe (D9)",
    },
    Exception {
        rule: Rule::ForbidUnsafe,
        path: "kernel/examples/hello-vm/src/main.rs",
        reason: "an image as well, for the same reason",
    },
];

/// Drops what an exception covers; adds the exceptions that cover nothing.
pub(crate) fn apply(findings: Vec<Finding>) -> Vec<Finding> {
    let covers = |exception: &Exception, finding: &Finding| {
        exception.rule == finding.rule && exception.path == finding.path
    };
    let idle: Vec<Finding> = EXCEPTIONS
        .iter()
        .filter(|exception| !findings.iter().any(|finding| covers(exception, finding)))
        .map(|exception| Finding {
            rule: exception.rule,
            path: exception.path.to_owned(),
            line: 0,
            what: format!("needs no exception any more ({})", exception.reason),
        })
        .collect();
    let mut left: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| !EXCEPTIONS.iter().any(|exception| covers(exception, finding)))
        .collect();
    left.extend(idle);
    left
}
