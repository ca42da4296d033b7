//! Everything that runs is sent from node to node at random while it runs: pipelines, subshells,
//! sleepers, half-dead processes. Each job still prints what it prints on the host's Linux, and
//! the nodes hold afterwards what they held before.

use std::io;
use std::path::Path;
use std::time::Duration;

use wayfarer::Initrd;
use wayfarer::initrd::find_busybox;
use wayfarer::program::command;
use wayfarer_proto::id::NodeId;
use wayfarer_tests::native;
use wayfarer_tests::vm::{HOME, Holdings, Nodes, Way, as_native};

const SCRIPT: &str = include_str!("chaos.sh");

/// How long the jobs of one seed may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How long all seeds may take.
const BOOT_LIMIT: Duration = Duration::from_secs(1800);

/// Moves of one seed below which nothing was shown.
const MOVES: usize = 10;

fn argv<'a>(program: &'a str, script: &'a str, seed: &'a str) -> [&'a str; 6] {
    [program, "sh", "-c", script, "chaos", seed]
}

fn natively(directory: &Path) -> io::Result<native::Run> {
    let busybox = find_busybox().ok_or_else(|| io::Error::other("no static busybox"))?;
    native::run(&argv(&busybox.to_string_lossy(), SCRIPT, "0"), directory, LIMIT)
}

/// At home, the pages of the files that ran stay in memory.
fn countable(holdings: &[Holdings]) -> Vec<Holdings> {
    let mut counted = holdings.to_vec();
    counted.iter_mut().filter(|holdings| holdings.node == HOME).for_each(|home| home.frames = 0);
    counted
}

fn run_seeds(seeds: std::ops::Range<u32>) {
    let directory = tempfile::tempdir().unwrap();
    let native = natively(directory.path()).unwrap();
    let cluster = Way::Home.cluster().nodes(3).timeout(BOOT_LIMIT);
    let mut nodes = Nodes::boot(&cluster, &Initrd::new().unwrap()).unwrap();
    let all = [NodeId(1), NodeId(2), NodeId(3)];
    let idle = nodes.holdings(&all).unwrap();
    for seed in seeds {
        let script = format!("mkdir -p /tmp/chaos && cd /tmp/chaos || exit 9\n{SCRIPT}\n");
        let start = command(&argv("/bin/busybox", &script, &seed.to_string()));
        let outcome = nodes.run(&start, LIMIT).unwrap();
        let here = as_native(&outcome);
        assert_eq!(
            (here.status, String::from_utf8_lossy(&here.stdout)),
            (native.status, String::from_utf8_lossy(&native.stdout)),
            "seed {seed}: {:#?}",
            outcome.log
        );
        let moves = outcome.moves.iter().filter(|moved| moved.result.is_ok()).count();
        println!("seed {seed}: {moves} moves");
        assert!(moves >= MOVES, "seed {seed}: only {moves} moves");
        let after = nodes.idle(&all).unwrap();
        assert_eq!(countable(&after), countable(&idle), "seed {seed}");
    }
}

#[test]
fn what_runs_while_it_is_moved_about_does_what_it_does_natively() {
    run_seeds(1..3);
}

#[test]
#[ignore = "minutes"]
fn what_is_moved_about_for_long_does_what_it_does_natively() {
    run_seeds(3..40);
}
