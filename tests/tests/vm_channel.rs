//! The two ways from node to node: the same program over each, and proof of which it was.

use std::time::Duration;

use wayfarer::program::command;
use wayfarer::{Channel, Cluster, Initrd};
use wayfarer_proto::console::ExitStatus;
use wayfarer_tests::vm::{HOME, Nodes};

const LIMIT: Duration = Duration::from_secs(300);

/// Reads, writes, forks and a pipe, in a shell that moves before every third call.
const SCRIPT: &str = "i=0; while [ $i -lt 5 ]; do i=$((i + 1)); echo $i; done | md5sum; ls /bin/sh";

/// Runs the script; what it wrote, and the bytes that passed through memory.
fn run(channel: Channel) -> (String, Option<u64>) {
    let cluster = Cluster::builder().nodes(2).channel(channel).words("roam=3").timeout(2 * LIMIT);
    let mut nodes = Nodes::boot(&cluster, &Initrd::new().unwrap()).unwrap();
    let outcome = nodes.run(&command(&["sh", "-c", SCRIPT]), LIMIT).unwrap();
    assert_eq!(outcome.status, ExitStatus::Exited(0), "{outcome:?}");
    let peer = wayfarer_proto::id::NodeId(2);
    let carried = nodes.cluster.carried_in_memory(HOME, peer).unwrap();
    (String::from_utf8_lossy(&outcome.stdout).into_owned(), carried)
}

#[test]
fn a_program_cannot_tell_how_its_calls_travel() {
    let (over_tcp, none) = run(Channel::Tcp);
    let (in_memory, carried) = run(Channel::Shm);
    assert_eq!((in_memory, none), (over_tcp, None));
    // An image of the shell alone has more.
    assert!(carried.is_some_and(|bytes| bytes > 100_000), "{carried:?}");
}
