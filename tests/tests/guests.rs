//! Every guest program on the host's Linux: if one fails here, it is wrong itself.

use std::path::Path;

use wayfarer::artifacts;
use wayfarer_tests::guests::{
    BLOCKING_CALLS, BLOCKING_OUTCOMES, GUESTS, Guest, TERMINAL, TERMINAL_KEYS, TYPED, WANDER,
};
use wayfarer_tests::native::{self, Run};
use wayfarer_tests::terminal;

fn run(guest: &Guest) -> Run {
    let run = guest.run_natively().unwrap_or_else(|error| panic!("{}: {error}", guest.name));
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status, 0, "{} {:?}: {said}", guest.name, guest.args);
    run
}

#[test]
fn every_guest_passes_on_the_hosts_linux() {
    for guest in GUESTS {
        run(guest);
    }
}

#[test]
fn wander_is_deterministic() {
    let first = run(&WANDER);
    assert_eq!(first, run(&WANDER));
    let lines = String::from_utf8(first.stdout).unwrap();
    assert_eq!(lines.lines().filter(|line| line.starts_with("stop")).count(), 5);
}

#[test]
fn the_terminal_behaves_as_the_guest_expects() {
    let program = TERMINAL.build().unwrap();
    let argv = [&*program.to_string_lossy()];
    let run = terminal::run(&argv, Path::new("/"), TERMINAL_KEYS, TERMINAL.limit).unwrap();
    assert_eq!(run.status, 0, "{}", String::from_utf8_lossy(&run.stdout));
}

/// One row of the matrix, where nobody moves.
fn block(program: &Path, call: &str, outcome: &str) {
    let directory = tempfile::tempdir().unwrap();
    let argv = [&program.to_string_lossy(), call, outcome, "1", "2", "1"];
    let limit = WANDER.limit;
    let completes = !matches!(outcome, "interrupted" | "killed");
    let result = match call {
        "tty-read" if completes => terminal::run(&argv, directory.path(), &[TYPED], limit),
        "tty-read" => terminal::run(&argv, directory.path(), &[], limit),
        _ => native::run(&argv, directory.path(), limit),
    };
    let run = result.unwrap_or_else(|error| panic!("{call} {outcome}: {error}"));
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status, 0, "{call} {outcome}: {said} {}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains(&format!("ok {call} {outcome}")), "{said}");
}

#[test]
fn every_blocking_call_ends_as_the_manual_says() {
    let program = artifacts::guest("blockers").unwrap();
    std::thread::scope(|scope| {
        for call in BLOCKING_CALLS {
            let program = &program;
            scope.spawn(move || {
                for outcome in BLOCKING_OUTCOMES {
                    block(program, call, outcome);
                }
            });
        }
    });
}
