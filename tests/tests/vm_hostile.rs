//! Programs that harm on purpose or by their number: a node refuses what it must, and goes on for
//! everybody else.
//!
//! `fuzz` makes any call with any arguments, without privileges, beside a process that must get
//! right answers; `tiny` makes many small files and removes them. After each the nodes hold what
//! they held before. `WAYFARER_SEED=N` begins the long ones elsewhere.

use std::time::Duration;

use wayfarer::{Initrd, artifacts};
use wayfarer_proto::console::ExitStatus;
use wayfarer_proto::id::NodeId;
use wayfarer_tests::vm::{HOME, Holdings, Nodes, Start, Way};

/// How long a program may take beyond the time it is told to take.
const GRACE: Duration = Duration::from_secs(300);

/// Seconds of each of the two long runs, which are ten minutes together.
const LONG: u32 = 300;

fn nodes(way: Way, guest: &str, memory_mib: u32, limit: Duration) -> Nodes {
    let mut initrd = Initrd::new().unwrap();
    initrd.add_program(&format!("/bin/{guest}"), &artifacts::c_guest(guest).unwrap()).unwrap();
    let cluster = way.cluster().memory_mib(memory_mib).timeout(limit + GRACE);
    Nodes::boot(&cluster, &initrd).unwrap()
}

fn in_tmp(words: &[&str]) -> Start {
    Start { cwd: "/tmp".into(), ..wayfarer::program::command(words) }
}

fn run(nodes: &mut Nodes, words: &[&str], limit: Duration) {
    let outcome = nodes.run(&in_tmp(words), limit + GRACE).unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status, ExitStatus::Exited(0), "{words:?}: {said} {:?}", outcome.log);
    println!("{}", said.trim_end());
}

/// Files, segments and queues that a program has left are nobody's loss.
fn countable(holdings: &[Holdings]) -> Vec<Holdings> {
    holdings.iter().map(|holdings| Holdings { frames: 0, ..holdings.clone() }).collect()
}

fn fuzz(way: Way, seed: u64, seconds: u32) {
    let limit = Duration::from_secs(seconds.into());
    let mut nodes = nodes(way, "fuzz", 192, limit);
    let all: Vec<NodeId> = match way {
        Way::Home => vec![HOME],
        _ => (1..=3).map(NodeId).collect(),
    };
    let before = nodes.idle(&all).unwrap();
    let patience = if way == Way::Home { "60" } else { "300" };
    run(&mut nodes, &["fuzz", &seed.to_string(), &seconds.to_string(), patience], limit);
    let after = nodes.settle_as(&before, countable).unwrap();
    assert_eq!(countable(&after), countable(&before), "seed {seed}");
}

fn seed() -> u64 {
    std::env::var("WAYFARER_SEED").map_or(1_000_000, |seed| seed.parse().unwrap())
}

fn tiny_files(count: u32, memory_mib: u32) {
    let mut nodes = nodes(Way::Home, "tiny", memory_mib, GRACE);
    // What the program and its directory need once is there after the first time.
    run(&mut nodes, &["tiny", "10"], GRACE);
    let before = nodes.idle(&[HOME]).unwrap();
    run(&mut nodes, &["tiny", &count.to_string()], GRACE);
    assert_eq!(nodes.settle(&before).unwrap(), before);
}

#[test]
fn any_call_with_any_arguments_disturbs_nobody() {
    fuzz(Way::Home, 1, 4);
}

#[test]
fn any_call_of_a_program_that_moves_disturbs_nobody() {
    fuzz(Way::Roaming, 500_000, 4);
}

#[test]
fn the_memory_of_many_small_files_comes_back() {
    tiny_files(10_000, 256);
}

#[test]
#[ignore = "five minutes: cargo test --test vm_hostile -- --ignored home"]
fn any_call_for_long_at_home_disturbs_nobody() {
    fuzz(Way::Home, seed(), LONG);
}

#[test]
#[ignore = "five minutes: cargo test --test vm_hostile -- --ignored moves"]
fn any_call_for_long_of_what_moves_disturbs_nobody() {
    fuzz(Way::Roaming, seed(), LONG);
}

#[test]
#[ignore = "a node of 1 GiB: cargo test --test vm_hostile -- --ignored hundred_thousand"]
fn the_memory_of_a_hundred_thousand_files_comes_back() {
    tiny_files(100_000, 1024);
}
