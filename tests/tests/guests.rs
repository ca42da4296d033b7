//! Every guest program on the host's Linux: if one fails here, it is wrong itself.

use std::path::Path;

use wayfarer::artifacts;
use wayfarer_tests::blocking::{Blocking, Outcome, Route, Row};
use wayfarer_tests::guests::{GUESTS, Guest, TERMINAL, TERMINAL_KEYS, WANDER};
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
fn block(program: &Path, row: Row) {
    let directory = tempfile::tempdir().unwrap();
    let mut argv = row.argv();
    argv[0] = program.to_string_lossy().into_owned();
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let result = match row.terminal() {
        Some(replies) => terminal::run(&argv, directory.path(), replies, WANDER.limit),
        None => native::run(&argv, directory.path(), WANDER.limit),
    };
    let run = result.unwrap_or_else(|error| panic!("{row:?}: {error}"));
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status, 0, "{row:?}: {said} {}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains(&row.verdict()), "{said}");
}

#[test]
fn every_blocking_call_ends_as_the_manual_says() {
    let program = artifacts::guest("blockers").unwrap();
    std::thread::scope(|scope| {
        for blocking in Blocking::ALL.iter().copied() {
            let program = &program;
            scope.spawn(move || {
                for outcome in Outcome::ALL.iter().copied() {
                    block(program, Row { blocking, route: Route::HomeToAway, outcome });
                }
            });
        }
    });
}
