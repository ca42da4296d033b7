//! Every guest program on the host's Linux: if one fails here, it is wrong itself.

use wayfarer_tests::guests::{GUESTS, Guest, WANDER};
use wayfarer_tests::native::Run;

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
