//! The simulator as a test: many seeds without a mutant, all marks reached, each mutant caught.
//!
//! `WAYFARER_SEED=N` replays one seed, `WAYFARER_SEEDS=N` runs so many.

use std::collections::BTreeSet;
use std::thread;

use wayfarer_proto::session::Mutant;
use wayfarer_tests::sim::{Failure, Options, Report, run};

/// Seeds of the default run.
const SEEDS: u64 = 2500;
/// Seeds after which a mutant that was not caught counts as missed.
const MUTANT_SEEDS: u64 = 400;
/// Threads that run seeds.
const WORKERS: u64 = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs seeds on two threads, each every second one.
fn sweep(from: u64, count: u64) -> Result<Report, Failure> {
    let worker = move |first: u64| {
        let mut total = Report::default();
        for seed in (from + first..from + count).step_by(WORKERS as usize) {
            total.add(&run(Options::draw(seed, Mutant::None))?);
        }
        Ok(total)
    };
    let workers: Vec<_> = (0..WORKERS).map(|first| thread::spawn(move || worker(first))).collect();
    let mut total = Report::default();
    for worker in workers {
        total.add(&worker.join().expect("a run does not panic")?);
    }
    Ok(total)
}

#[test]
fn every_seed_keeps_the_rules_and_every_mark_is_reached() {
    let (from, count) = match (number("WAYFARER_SEED"), number("WAYFARER_SEEDS")) {
        (Some(seed), _) => (seed, 1),
        (None, Some(count)) => (0, count),
        (None, None) => (0, SEEDS),
    };
    match sweep(from, count) {
        Ok(total) => {
            println!("{count} seeds: {total:?}");
            let missing: BTreeSet<_> = total.marks.missing().collect();
            assert!(missing.is_empty() || count < SEEDS, "marks not reached: {missing:?}");
        }
        Err(Failure { seed, at, problem }) => panic!(
            "seed {seed} at {at} ns: {problem}\n\
             replay: cargo run -p wayfarer-tests --bin sim -- --seed {seed} --trace"
        ),
    }
}

/// The first seed that catches a mutant.
#[track_caller]
fn caught(mutant: Mutant) {
    let first = (0..MUTANT_SEEDS).find_map(|seed| run(Options::draw(seed, mutant)).err());
    let Failure { seed, problem, .. } =
        first.unwrap_or_else(|| panic!("{mutant:?} was not caught by {MUTANT_SEEDS} seeds"));
    println!("{mutant:?} is caught by seed {seed}: {problem}");
}

#[test]
fn skipping_the_hold_is_caught() {
    caught(Mutant::SkipHold);
}

#[test]
fn dropping_an_attention_is_caught() {
    caught(Mutant::DropAttention);
}

#[test]
fn answering_a_stale_epoch_is_caught() {
    caught(Mutant::AnswerStaleEpoch);
}

#[test]
fn retrying_a_call_is_caught() {
    caught(Mutant::RetryCall);
}

#[test]
fn keeping_a_loan_is_caught() {
    caught(Mutant::KeepLoan);
}

#[test]
fn remembering_what_was_called_off_is_caught() {
    caught(Mutant::RememberCalledOff);
}

#[test]
fn committing_unchecked_is_caught() {
    caught(Mutant::CommitUnchecked);
}
