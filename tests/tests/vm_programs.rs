//! Programs of this host on real nodes: at home, moved once and roaming, bash, the coreutils, perl,
//! python and others do what they do on the host's Linux.
//!
//! `cargo test` runs all at home; `cargo test --test vm_programs -- --ignored` runs all moving.
//! A program that this host lacks is skipped, and named.

use std::time::Duration;

use wayfarer::Initrd;
use wayfarer::program::command;
use wayfarer_tests::corpus::Observation;
use wayfarer_tests::programs::{Program, programs};
use wayfarer_tests::stage::Stage;
use wayfarer_tests::vm::{Way, as_native};

/// How long a program may take on a node; the emulated processor is slow.
const LIMIT: Duration = Duration::from_secs(180);

/// A node's memory, for the programs and what they need.
const MEMORY_MIB: u32 = 512;

/// A program that is known to differ.
struct Known {
    program: &'static str,
    ways: &'static [Way],
    reason: &'static str,
}

/// They run all the same, and what they do is printed.
const KNOWN: &[Known] = &[Known {
    program: "python-threads.py",
    ways: &[Way::Roaming],
    reason: "it has not ended after three minutes: its threads order moves of each other",
}];

/// What the program does on the nodes.
fn observe(stage: &mut Stage, program: &Program) -> Result<Observation, String> {
    let script = program.script();
    let start = command(&script.argv("/bin/busybox", "/tmp/programs/work"));
    let outcome =
        stage.with(|nodes| nodes.run(&start, LIMIT).map_err(|error| error.to_string()))?;
    Observation::of(as_native(&outcome)).map_err(|error| error.to_string())
}

/// Whether the program does what it does natively, if not: what differs.
fn check(stage: &mut Stage, program: &Program) -> Result<(), String> {
    let native = program.script().run_natively().map_err(|error| error.to_string())?;
    observe(stage, program)?.difference(&native).map_or(Ok(()), Err)
}

/// Those that this host has, and whose name has `WAYFARER_SCRIPT` in it.
fn at_hand() -> Vec<Program> {
    let wanted = std::env::var("WAYFARER_SCRIPT").unwrap_or_default();
    let mut programs = programs().unwrap();
    programs.retain(|program| program.name().contains(&wanted));
    programs.retain(|program| {
        let missing = program.missing();
        if !missing.is_empty() {
            println!("{}: skipped: this host has no {}", program.name(), missing.join(" "));
        }
        missing.is_empty()
    });
    programs
}

fn run_all(way: Way) {
    let programs = at_hand();
    let mut initrd = Initrd::new().unwrap();
    programs.iter().for_each(|program| program.pack(&mut initrd).unwrap());
    let mut stage = Stage::new(way.cluster().memory_mib(MEMORY_MIB), initrd);
    let mut failed = Vec::new();
    for program in &programs {
        let name = program.name();
        let known = KNOWN.iter().find(|known| known.program == name && known.ways.contains(&way));
        match (check(&mut stage, program), known) {
            (Ok(()), None) => {}
            (Ok(()), Some(known)) => println!("{name}: passes now ({})", known.reason),
            (Err(why), Some(known)) => println!("{name}: known, {}: {why}", known.reason),
            (Err(why), None) => {
                println!("{name} ({way:?}): {why}");
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "{} programs differ: {}", failed.len(), failed.join(" "));
}

#[test]
fn programs_at_home_do_what_they_do_natively() {
    run_all(Way::Home);
}

#[test]
#[ignore = "minutes"]
fn programs_moved_once_do_what_they_do_natively() {
    run_all(Way::Once);
}

#[test]
#[ignore = "minutes"]
fn roaming_programs_do_what_they_do_natively() {
    run_all(Way::Roaming);
}
