//! `bench`: what forwarded calls, moves and the network cost.
//!
//! A figure is taken from many repetitions on one machine in one run, and its limit (the bare wire,
//! a TCP connection between the same two nodes) in the same run: what is quoted is the ratio.

mod boot;
mod bulk;
mod calls;
mod dissect;
mod document;
mod figure;
mod home;
mod lab;
mod memory;
mod migrate;
mod peers;
mod plot;
mod results;
mod table;
mod targets;

use std::time::Instant;

use wayfarer::artifacts;

use super::cli::{BenchOptions, Defaults, Part};
use super::failure::Failure;
use super::prepare;
use lab::Lab;
use results::Results;

/// Everything, in the order it is done.
const PARTS: [Part; 7] =
    [Part::Calls, Part::Dissect, Part::Bulk, Part::Migrate, Part::Boot, Part::Home, Part::Memory];

/// Runs the parts asked for, shows what they found, and writes it where it is wanted. A part that
/// fails is told of, and the others go on.
pub(crate) fn bench(options: &BenchOptions) -> Result<u8, Failure> {
    if let Some(path) = &options.json {
        prepare::writable(path)?;
    }
    let kernel = prepare::kernel(&options.common, Defaults::BENCH)?;
    let lab = Lab::new(options, kernel)?;
    let mut results = Results::default();
    for part in PARTS {
        if options.parts.is_empty() || options.parts.contains(&part) {
            let began = Instant::now();
            let found = run(part, &lab, &mut results);
            note(found, part.name(), began, &lab, &mut results);
            if options.peers && peers::has(part) {
                let began = Instant::now();
                let found = peers::measure(part, &lab, &mut results.peers);
                note(found, &format!("{} of peers", part.name()), began, &lab, &mut results);
            }
        }
    }
    drop(lab);
    print!("{}", table::text(&results));
    for plot in plot::draw(&results, &artifacts::workspace().join("target/bench"))? {
        println!("\nplot: {}", plot.display());
    }
    if let Some(path) = &options.json {
        std::fs::write(path, results.json())
            .map_err(|source| Failure::Unwritable { path: path.clone(), source })?;
    }
    let failed = !results.failed.is_empty();
    if options.document {
        document::write(&artifacts::workspace().join("docs"), results)?;
    }
    Ok(u8::from(failed))
}

/// Notes on what a part was measured, or why it was not.
fn note(
    found: Result<(), Failure>,
    part: &str,
    began: Instant,
    lab: &Lab<'_>,
    results: &mut Results,
) {
    match found {
        Ok(()) => {
            lab.progress.line(&format!("{part}: {} s", began.elapsed().as_secs()));
            results.taken.insert(part.to_owned(), document::circumstances());
        }
        Err(failure) => {
            lab.progress.line(&format!("wayfarer: {part}: {failure}"));
            results.failed.insert(part.to_owned(), failure.to_string());
        }
    }
}

fn run(part: Part, lab: &Lab<'_>, results: &mut Results) -> Result<(), Failure> {
    match part {
        Part::Calls => {
            results.calls = calls::measure(lab)?;
            results.shm = calls::measure_in_memory(lab)?;
        }
        Part::Dissect => {
            results.dissect.insert("tcp".to_owned(), dissect::measure(lab)?);
            let shm = dissect::measure_in_memory(lab)?;
            results.dissect.extend(shm.map(|parts| ("shm".to_owned(), parts)));
        }
        Part::Bulk => results.bulk = bulk::measure(lab)?,
        Part::Migrate => {
            results.migrate = migrate::measure(lab)?;
            results.migrate_shm = migrate::measure_in_memory(lab)?;
        }
        Part::Boot => results.boot = boot::measure(lab)?,
        Part::Home => results.home = home::measure(lab)?,
        Part::Memory => results.memory = memory::measure(lab)?,
    }
    Ok(())
}
