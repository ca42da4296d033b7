//! `blockers CALL OUTCOME [START [MOVE...]]`: one row of the matrix of blocking calls.
//!
//! A child goes to node START, blocks in CALL, is sent to each MOVE in turn while it blocks, and
//! then the call completes, is interrupted by a handler with or without `SA_RESTART`, or the child
//! is killed. This process stays at home, causes all that, and checks how the child ended. On an
//! ordinary Linux nobody moves: that run shows that the rest is right.
//!
//! `tty-read` wants a terminal, and a line typed on it when it prints `type a line`.

mod blocker;
mod conductor;
mod memory;
mod outcome;
mod pipes;
mod processes;
mod waits;

use std::process::ExitCode;

use guest_common::say;
use outcome::Outcome;

fn main() -> ExitCode {
    guest_common::fail_on_panic();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [call, outcome, nodes @ ..] = args.as_slice() else { return usage("too few arguments") };
    let Some(outcome) = Outcome::named(outcome) else { return usage("no such outcome") };
    let Some(blocker) = blocker::named(call, outcome) else { return usage("no such call") };
    let nodes: Result<Vec<u16>, _> = nodes.iter().map(|node| node.parse()).collect();
    let Ok(nodes) = nodes else { return usage("nodes are numbers") };
    conductor::conduct(blocker, outcome, &nodes);
    say(&format!("ok {call} {}", outcome.name()));
    ExitCode::SUCCESS
}

fn usage(why: &str) -> ExitCode {
    eprintln!("blockers: {why}\nusage: blockers CALL OUTCOME [START [MOVE...]]");
    eprintln!("calls: {}", blocker::NAMES.join(" "));
    eprintln!("outcomes: {}", Outcome::ALL.map(Outcome::name).join(" "));
    ExitCode::from(2)
}
