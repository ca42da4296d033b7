//! Moves on real nodes: many in a row, refused ones, and of processes that block.

use std::time::Duration;

use wayfarer::program::command;
use wayfarer::{Cluster, ClusterBuilder, Initrd, Outcome, artifacts};
use wayfarer_proto::console::{ExitStatus, FromNode, MoveOrder, Refused, ToNode};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, Pid};
use wayfarer_tests::vm::{HOME, Nodes};

const LIMIT: Duration = Duration::from_secs(300);

const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

/// Moves before anything is counted.
const WARM_UP: usize = 12;

/// Bytes by which a kernel's heap may differ: it hands out small blocks by chunks, which it keeps.
const HEAP_SLACK: u64 = 64 * 1024;

fn three() -> ClusterBuilder {
    Cluster::builder().nodes(3).timeout(4 * LIMIT)
}

fn boot_with_hop(cluster: &ClusterBuilder) -> Nodes {
    let mut initrd = Initrd::new().unwrap();
    initrd.add_program("/bin/hop", &artifacts::guest("hop").unwrap()).unwrap();
    Nodes::boot(cluster, &initrd).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `hop` and gives how long each of its moves took, in microseconds.
fn hop(nodes: &mut Nodes, moves: usize, limit: Duration) -> Vec<u64> {
    let start = command(&["hop", &moves.to_string(), "2,3,1", "64"]);
    let outcome = nodes.run(&start, limit).unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status, ExitStatus::Exited(0), "{said}");
    let took = said.lines().filter_map(|line| line.strip_prefix("hop ")?.split(' ').nth(2));
    let took: Vec<u64> = took.map(|took| took.parse().unwrap()).collect();
    assert_eq!(took.len(), moves, "{said}");
    took
}

/// Bytes in use of the heap of each node's kernel.
fn heaps(nodes: &mut Nodes) -> Vec<u64> {
    NODES.iter().map(|node| nodes.cluster.counts(*node).unwrap().heap_used).collect()
}

/// After that many moves every node holds what it held before.
fn nothing_is_left_of(moves: usize, limit: Duration) -> Vec<u64> {
    let mut nodes = boot_with_hop(&three().timeout(2 * limit));
    hop(&mut nodes, WARM_UP, limit);
    let before = nodes.idle(&NODES).unwrap();
    let heap = heaps(&mut nodes);
    let took = hop(&mut nodes, moves, limit);
    assert_eq!(nodes.settle(&before).unwrap(), before, "after {moves} moves");
    for (now, before) in heaps(&mut nodes).into_iter().zip(heap) {
        assert!(now <= before + HEAP_SLACK, "a heap grew from {before} to {now}, {moves} moves");
    }
    took
}

#[test]
fn a_hundred_moves_leave_nothing_behind() {
    nothing_is_left_of(100, LIMIT);
}

#[test]
#[ignore = "a minute"]
fn a_thousand_moves_leave_nothing_behind() {
    let took = nothing_is_left_of(1000, Duration::from_secs(300));
    let median = |times: &[u64]| {
        let mut times = times.to_vec();
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (first, last) = (median(&took[..100]), median(&took[900..]));
    println!("median of the first 100 moves {first} us, of the last 100 {last} us");
}

/// Children of `leavers` end while it sends them to other nodes.
#[test]
fn what_ends_while_it_is_told_to_move_leaves_nothing_behind() {
    let mut initrd = Initrd::new().unwrap();
    initrd.add_program("/bin/leavers", &artifacts::c_guest("leavers").unwrap()).unwrap();
    let mut nodes = Nodes::boot(&three(), &initrd).unwrap();
    // At home, the pages of a file that ran stay in memory.
    nodes.run(&command(&["leavers"]), LIMIT).unwrap();
    let before = nodes.idle(&NODES).unwrap();
    let outcome = nodes.run(&command(&["leavers"]), LIMIT).unwrap();
    assert_eq!(outcome.status, ExitStatus::Exited(0), "{}", text(&outcome.stderr));
    let holdings = nodes.settle(&before).unwrap();
    assert_eq!(holdings, before, "{:?}", outcome.log);
}

/// Many more at once than a small node has room for: some arrive, the others are told why not.
#[test]
fn a_crowd_that_comes_at_once_is_taken_in_or_refused() {
    let crowd = "i=0; while [ $i -lt 150 ]; do i=$((i + 1)); (echo 2 >/proc/self/goto) & done
        wait; echo 1 >/proc/self/goto; echo over";
    let mut nodes = Nodes::boot(&three().memory_mib(96), &Initrd::new().unwrap()).unwrap();
    let run = |nodes: &mut Nodes| nodes.run(&command(&["sh", "-c", crowd]), LIMIT).unwrap();
    run(&mut nodes);
    let before = nodes.idle(&NODES).unwrap();
    let outcome = run(&mut nodes);
    assert_eq!(text(&outcome.stdout), "over\n", "{}", text(&outcome.stderr));
    assert_eq!(nodes.settle(&before).unwrap(), before, "{:?}", outcome.log);
}

/// Orders a move and waits for its refusal.
fn refusal(nodes: &mut Nodes, outcome: &mut Outcome, pid: Pid, node: NodeId) -> Refused {
    nodes.cluster.node(HOME).send(&ToNode::Move(MoveOrder { pid, node })).unwrap();
    nodes
        .watch(LIMIT, outcome, |_, frame| match frame {
            FromNode::Refused(refused) => Some(refused.clone()),
            FromNode::Moved(moved) if moved.result.is_ok() => panic!("{moved:?}"),
            _ => None,
        })
        .unwrap()
}

/// Orders a move and waits until it is done.
fn order(nodes: &mut Nodes, outcome: &mut Outcome, pid: Pid, node: NodeId) {
    nodes.cluster.node(HOME).send(&ToNode::Move(MoveOrder { pid, node })).unwrap();
    let moved = nodes
        .watch(LIMIT, outcome, |_, frame| match frame {
            FromNode::Moved(moved) if moved.pid == pid => Some((moved.to, moved.result)),
            FromNode::Refused(refused) => panic!("{refused:?}"),
            _ => None,
        })
        .unwrap();
    assert_eq!(moved, (node, Ok(())));
}

/// Waits until the program has written that.
fn until_said(nodes: &mut Nodes, outcome: &mut Outcome, wanted: &str) {
    let mut said = text(&outcome.stdout);
    while !said.contains(wanted) {
        said += &nodes
            .watch(LIMIT, outcome, |_, frame| match frame {
                FromNode::Stdout(bytes) => Some(text(bytes)),
                _ => None,
            })
            .unwrap();
    }
}

fn nothing_yet() -> Outcome {
    Outcome::new(ExitStatus::Exited(0))
}

/// A shell that says when it is ready, then waits for a line.
const WAITER: [&str; 3] = ["sh", "-c", "echo ready; read x; echo got $x at $(cat /proc/$$/where)"];

#[test]
fn a_refused_process_runs_on_where_it_was() {
    let mut nodes = Nodes::boot(&three(), &Initrd::new().unwrap()).unwrap();
    let pid = nodes.begin(&command(&WAITER)).unwrap();
    let mut outcome = nothing_yet();
    until_said(&mut nodes, &mut outcome, "ready\n");
    let nowhere = refusal(&mut nodes, &mut outcome, pid, NodeId(9));
    assert_eq!((nowhere.pid, nowhere.errno), (pid, Errno::EHOSTUNREACH), "{}", nowhere.reason);
    order(&mut nodes, &mut outcome, pid, NodeId(2));
    let nowhere = refusal(&mut nodes, &mut outcome, pid, NodeId(9));
    assert_eq!((nowhere.pid, nowhere.errno), (pid, Errno::EHOSTUNREACH), "{}", nowhere.reason);
    let nobody = refusal(&mut nodes, &mut outcome, Pid(9999), NodeId(2));
    assert_eq!((nobody.pid, nobody.errno), (Pid(9999), Errno::ESRCH), "{}", nobody.reason);
    nodes.cluster.node(HOME).send(&ToNode::Stdin(b"word\n".into())).unwrap();
    until_said(&mut nodes, &mut outcome, "got word at 2\n");
}

/// Fills most of node 2 with a file.
fn fill(nodes: &mut Nodes) {
    let fill = "dd if=/dev/zero of=/tmp/fill bs=1M count=60 2>/dev/null; echo full; sleep 10000";
    nodes.cluster.node(NodeId(2)).send(&ToNode::Start(command(&["sh", "-c", fill]))).unwrap();
    until_said(nodes, &mut nothing_yet(), "full\n");
}

/// What does not fit beside the file stays at home.
#[test]
fn a_process_that_does_not_fit_stays() {
    let small = three().memory_mib(96);
    let mut nodes = boot_with_hop(&small);
    fill(&mut nodes);
    let outcome = nodes.run(&command(&["hop", "1", "2", "50000"]), LIMIT).unwrap();
    let said = text(&outcome.stderr);
    assert!(said.contains("Cannot allocate memory"), "{said} {:?}", outcome.log);
    assert_eq!(outcome.refused.len(), 1, "{:?}", outcome.refused);
    assert_eq!(outcome.refused[0].errno, Errno::ENOMEM);
    // The same elsewhere is no trouble.
    let outcome = nodes.run(&command(&["hop", "3", "3,1", "50000"]), LIMIT).unwrap();
    assert_eq!(outcome.status, ExitStatus::Exited(0), "{}", text(&outcome.stderr));
}

/// Where the processes of the home with that in their command are, and how many.
fn places(nodes: &mut Nodes, outcome: &mut Outcome, command: &str) -> Vec<NodeId> {
    nodes.cluster.node(HOME).send(&ToNode::QueryProcesses).unwrap();
    let mut places = Vec::new();
    let collect = |node, frame: &FromNode| match frame {
        FromNode::Half(half) if node == HOME => {
            places.extend(half.command.contains(command).then_some(half.place));
            None
        }
        FromNode::Counts(_) if node == HOME => Some(()),
        _ => None,
    };
    nodes.watch(LIMIT, outcome, collect).unwrap();
    places
}

/// Three share much memory: it needs room where they go, but only once.
#[test]
fn what_a_group_shares_is_counted_once() {
    let mut initrd = Initrd::new().unwrap();
    initrd.add_program("/bin/choir", &artifacts::c_guest("choir").unwrap()).unwrap();
    let mut nodes = Nodes::boot(&three().memory_mib(96), &initrd).unwrap();
    fill(&mut nodes);
    let pid = nodes.begin(&command(&["choir", "3", "2", "0", "3000", "9500"])).unwrap();
    let mut outcome = nothing_yet();
    until_said(&mut nodes, &mut outcome, "beat 2\n");
    let refused = refusal(&mut nodes, &mut outcome, pid, NodeId(2));
    assert_eq!(refused.errno, Errno::ENOMEM, "{}", refused.reason);
    until_said(&mut nodes, &mut nothing_yet(), "beat ");
    for place in [NodeId(3), HOME] {
        order(&mut nodes, &mut outcome, pid, place);
        until_said(&mut nodes, &mut nothing_yet(), "beat ");
        assert_eq!(places(&mut nodes, &mut outcome, "choir"), [place; 3]);
    }
}

/// Three share memory, and one of them does not fit.
#[test]
fn a_group_of_which_one_does_not_fit_stays() {
    let mut initrd = Initrd::new().unwrap();
    initrd.add_program("/bin/choir", &artifacts::c_guest("choir").unwrap()).unwrap();
    let mut nodes = Nodes::boot(&three().memory_mib(96), &initrd).unwrap();
    fill(&mut nodes);
    let pid = nodes.begin(&command(&["choir", "3", "2", "0", "12000"])).unwrap();
    let mut outcome = nothing_yet();
    until_said(&mut nodes, &mut outcome, "beat 2\n");
    let refused = refusal(&mut nodes, &mut outcome, pid, NodeId(2));
    assert_eq!((refused.pid, refused.errno), (pid, Errno::ENOMEM), "{}", refused.reason);
    assert_eq!(refused.reason.matches("(choir)").count(), 3, "{}", refused.reason);
    assert!(refused.reason.contains("share memory"), "{}", refused.reason);
    assert_eq!(places(&mut nodes, &mut outcome, "choir"), [HOME; 3]);
    until_said(&mut nodes, &mut nothing_yet(), "beat ");
    order(&mut nodes, &mut outcome, pid, NodeId(3));
    until_said(&mut nodes, &mut nothing_yet(), "beat ");
    assert_eq!(places(&mut nodes, &mut outcome, "choir"), [NodeId(3); 3]);
}
