//! The corpus on real nodes: at home, moved once and roaming, every script does what it does on
//! the host's Linux.
//!
//! The scripts of one way share a boot. `cargo test` runs all at home and some of them moving;
//! `cargo test --test vm_corpus -- --ignored` runs all moving.

use std::time::Duration;

use wayfarer::Initrd;
use wayfarer::program::command;
use wayfarer_tests::corpus::{Observation, Script, scripts};
use wayfarer_tests::stage::Stage;
use wayfarer_tests::vm::{Way, as_native};

/// How long a script may take on a node.
const LIMIT: Duration = Duration::from_secs(300);

/// A script that is known to differ.
struct Known {
    script: &'static str,
    ways: &'static [Way],
    reason: &'static str,
}

/// They run all the same, and what they do is printed.
const KNOWN: &[Known] = &[];

fn known(script: &str, way: Way) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.script == script && known.ways.contains(&way))
}

/// What the script does on the nodes.
fn observe(stage: &mut Stage, script: &Script) -> Result<Observation, String> {
    let start = command(&script.argv("/bin/busybox", "/tmp/corpus/work"));
    let outcome =
        stage.with(|nodes| nodes.run(&start, LIMIT).map_err(|error| error.to_string()))?;
    Observation::of(as_native(&outcome)).map_err(|error| error.to_string())
}

/// Whether the script does what it does natively, if not: what differs.
fn check(stage: &mut Stage, script: &Script) -> Result<(), String> {
    let native = script.run_natively().map_err(|error| error.to_string())?;
    let here = observe(stage, script)?;
    here.difference(&native).map_or(Ok(()), Err)
}

/// Runs every `step`th script in one way; only those whose name has `WAYFARER_SCRIPT` in it.
fn run_all(way: Way, step: usize) {
    let wanted = std::env::var("WAYFARER_SCRIPT").unwrap_or_default();
    let mut stage = Stage::new(way.cluster(), Initrd::new().unwrap());
    let mut failed = Vec::new();
    let scripts = scripts().unwrap();
    for script in scripts.iter().step_by(step).filter(|script| script.name.contains(&wanted)) {
        let result = check(&mut stage, script);
        match (result, known(&script.name, way)) {
            (Ok(()), None) => {}
            (Ok(()), Some(known)) => println!("{}: passes now ({})", script.name, known.reason),
            (Err(why), Some(known)) => println!("{}: known, {}: {why}", script.name, known.reason),
            (Err(why), None) => {
                println!("{} ({way:?}): {why}", script.name);
                failed.push(&*script.name);
            }
        }
    }
    assert!(failed.is_empty(), "{} scripts differ: {}", failed.len(), failed.join(" "));
}

#[test]
fn scripts_at_home_do_what_they_do_natively() {
    run_all(Way::Home, 1);
}

#[test]
fn some_scripts_moved_once_do_what_they_do_natively() {
    run_all(Way::Once, 3);
}

#[test]
fn some_roaming_scripts_do_what_they_do_natively() {
    run_all(Way::Roaming, 8);
}

#[test]
#[ignore = "minutes"]
fn all_scripts_moved_once_do_what_they_do_natively() {
    run_all(Way::Once, 1);
}

#[test]
#[ignore = "minutes"]
fn all_roaming_scripts_do_what_they_do_natively() {
    run_all(Way::Roaming, 1);
}
