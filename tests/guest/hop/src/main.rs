//! `hop [MOVES [ROUTE [KIB [anywhere]]]]`: moves itself that many times around the route, with
//! that much memory, which it checks after every move. `anywhere`: others may move it too.
//!
//! Standard output ends with `ok`; standard error has a line for each move, `hop INDEX NODE US`,
//! US being the microseconds that migrate() took. On an ordinary Linux it stays where it is.

use std::process::ExitCode;
use std::time::Instant;

use guest_common::node::{self, Moved};
use guest_common::say;

const PAGE: usize = 4096;

struct Plan {
    moves: usize,
    route: Vec<u16>,
    kib: usize,
    anywhere: bool,
}

impl Plan {
    fn from_args() -> Option<Self> {
        let mut args = std::env::args().skip(1);
        let mut next = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
        let moves = next("12").parse().ok()?;
        let route: Result<Vec<u16>, _> = next("2,3,1").split(',').map(str::parse).collect();
        let kib = next("256").parse().ok()?;
        let anywhere = match &*next("") {
            "" => false,
            "anywhere" => true,
            _ => return None,
        };
        Some(Self { moves, route: route.ok()?, kib, anywhere })
    }
}

fn main() -> ExitCode {
    guest_common::fail_on_panic();
    let Some(plan) = Plan::from_args() else {
        eprintln!("usage: hop [MOVES [ROUTE [KIB [anywhere]]]]");
        return ExitCode::from(2);
    };
    let mut memory = vec![0_u64; plan.kib * 1024 / size_of::<u64>()];
    fill(&mut memory);
    for (index, target) in plan.route.iter().cycle().take(plan.moves).enumerate() {
        let began = Instant::now();
        let moved = node::migrate(*target).unwrap_or_else(|error| {
            panic!("migrate({target}), move {index}: {error}");
        });
        let took = began.elapsed();
        eprintln!("hop {index} {target} {}", took.as_micros());
        if moved == Moved::There && !plan.anywhere {
            assert_eq!(node::current().unwrap(), Some(*target), "move {index}");
        }
        check(&mut memory, index);
    }
    say(&format!("ok {} moves of {} KiB", plan.moves, plan.kib));
    ExitCode::SUCCESS
}

/// What word `index` holds: no two pages are alike.
fn pattern(index: usize) -> u64 {
    (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn fill(memory: &mut [u64]) {
    for (index, word) in memory.iter_mut().enumerate() {
        *word = pattern(index);
    }
}

/// Checks every word, but for those that an earlier move changed on purpose: the first of each
/// page, which counts the moves.
fn check(memory: &mut [u64], moves_before: usize) {
    for (index, word) in memory.iter_mut().enumerate() {
        if index % (PAGE / size_of::<u64>()) == 0 {
            let expected = pattern(index).wrapping_add(moves_before as u64);
            assert_eq!(*word, expected, "page {} after move {moves_before}", index * 8 / PAGE);
            *word = word.wrapping_add(1);
        } else {
            assert_eq!(*word, pattern(index), "word {index} after move {moves_before}");
        }
    }
}
