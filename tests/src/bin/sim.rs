//! Runs the simulator: `sim --seeds N [--from SEED]`, or `sim --seed SEED` to replay one.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use wayfarer_proto::session::Mutant;
use wayfarer_tests::sim::{Options, Report, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let (from, count) = match (value("--seed"), value("--seeds")) {
        (Some(seed), _) => (seed, 1),
        (None, Some(count)) => (value("--from").unwrap_or(0), count),
        (None, None) => {
            eprintln!("usage: sim --seeds N [--from SEED] | --seed SEED [--trace]");
            return ExitCode::from(2);
        }
    };
    let mut total = Report::default();
    for seed in from..from + count {
        let trace = arguments.iter().any(|argument| argument == "--trace");
        match run(Options { trace, ..Options::draw(seed, Mutant::None) }) {
            Ok(report) => total.add(&report),
            Err(failure) => {
                eprintln!("{failure:?}\nreplay: sim --seed {seed}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{count} seeds: {total:?}");
    println!("marks not reached: {:?}", total.marks.missing().collect::<Vec<_>>());
    ExitCode::SUCCESS
}
