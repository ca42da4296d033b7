//! Programs of this host on real nodes: at home, moved once and roaming, bash, the coreutils, perl,
//! python and others do what they do on the host's Linux.
//!
//! `cargo test` runs most at home and moved once, some roaming; `cargo test --test vm_programs
//! -- --ignored` runs all, and `WAYFARER_SCRIPT=NAME` only those with that in their name. A
//! program that this host lacks is skipped, and named; `./setup --programs` installs what they
//! need.

use std::time::{Duration, Instant};

use wayfarer::Initrd;
use wayfarer::program::command;
use wayfarer_tests::corpus::Observation;
use wayfarer_tests::programs::{Program, programs};
use wayfarer_tests::stage::Stage;
use wayfarer_tests::vm::{Way, as_native};

/// How long a program may take on a node; the emulated processor is slow.
const LIMIT: Duration = Duration::from_secs(600);

/// A node's memory, for the programs and what they need.
const MEMORY_MIB: u32 = 512;

/// A program that is known to differ.
struct Known {
    program: &'static str,
    ways: &'static [Way],
    reason: &'static str,
}

/// They run all the same, and what they do is printed.
const KNOWN: &[Known] = &[];

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

/// Runs those of them whose number and name are `wanted`.
fn run(way: Way, wanted: impl Fn(usize, &str) -> bool) {
    let numbered = at_hand().into_iter().enumerate();
    let chosen = numbered.filter(|(number, program)| wanted(*number, &program.name()));
    let programs: Vec<Program> = chosen.map(|(_, program)| program).collect();
    let mut initrd = Initrd::new().unwrap();
    programs.iter().for_each(|program| program.pack(&mut initrd).unwrap());
    let mut stage = Stage::new(way.cluster().memory_mib(MEMORY_MIB), initrd);
    let mut failed = Vec::new();
    for program in &programs {
        let name = program.name();
        let known = KNOWN.iter().find(|known| known.program == name && known.ways.contains(&way));
        let began = Instant::now();
        let checked = check(&mut stage, program);
        println!("{name} ({way:?}): {:.1} s", began.elapsed().as_secs_f32());
        match (checked, known) {
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

/// A program that takes half a minute at home, and minutes when it moves.
const LONG: &str = "sqlite-large.sh";

/// Programs that are quick even when they move before every 7th call.
const QUICK: &[&str] = &["gawk.sh", "lua.lua", "m4.sh", "musl.c", "shells.sh", "threads.cpp"];

#[test]
fn programs_at_home_do_what_they_do_natively() {
    run(Way::Home, |number, name| number % 2 == 0 && name != LONG);
}

#[test]
fn other_programs_at_home_do_what_they_do_natively() {
    run(Way::Home, |number, name| number % 2 == 1 && name != LONG);
}

#[test]
#[ignore = "half a minute: cargo test --test vm_programs -- --ignored large"]
fn a_large_database_at_home_is_what_it_is_natively() {
    run(Way::Home, |_, name| name == LONG);
}

#[test]
fn programs_moved_once_do_what_they_do_natively() {
    run(Way::Once, |number, name| number % 3 == 0 && name != LONG);
}

#[test]
fn other_programs_moved_once_do_what_they_do_natively() {
    run(Way::Once, |number, name| number % 3 == 1 && name != LONG);
}

#[test]
fn the_other_programs_moved_once_do_what_they_do_natively() {
    run(Way::Once, |number, name| number % 3 == 2 && name != LONG);
}

#[test]
fn quick_roaming_programs_do_what_they_do_natively() {
    run(Way::Roaming, |_, name| QUICK.contains(&name));
}

#[test]
#[ignore = "minutes"]
fn all_programs_moved_once_do_what_they_do_natively() {
    run(Way::Once, |_, _| true);
}

#[test]
#[ignore = "an hour: cargo test --test vm_programs -- --ignored all_roaming"]
fn all_roaming_programs_do_what_they_do_natively() {
    run(Way::Roaming, |_, _| true);
}
