//! Programs that are away and await no answer, on real nodes: what they do is the same, and takes
//! fewer round trips.

use std::time::Duration;

use wayfarer::program::command;
use wayfarer::{Cluster, Initrd, Outcome};
use wayfarer_proto::boot::NO_AHEAD;
use wayfarer_proto::console::ExitStatus;
use wayfarer_tests::vm::Nodes;

const LIMIT: Duration = Duration::from_secs(300);

/// A program that moves and becomes one that reads a file to its end.
const READER: &str = "\
    dd if=/dev/zero of=data bs=1k count=1000 2> /dev/null
    echo 2 > /proc/$$/goto; exec md5sum data";

/// A program that is away copies a file by lines of three bytes into a pipe, and awaits hardly an
/// answer, while one at home looks at its offset, changes all lines, and looks again. Then it names
/// the lines that were read before the change and are new, or after it and are old.
const CHANGED: &str = "\
    for v in a b c d e; do yes ${v}x | head -n 2000 > $v; done
    cp a lines; mkfifo go
    sh -c 'echo 2 > /proc/$$/goto; exec dd bs=3 < lines' > go 2> /dev/null &
    reader=$!
    cat go > out &
    offset() { grep -s pos /proc/$reader/fdinfo/0 | grep -o '[0-9]*'; }
    while [ ! -s out ]; do :; done
    for v in b c d e; do
        before=$(offset); [ \"$before\" ] || break
        dd if=$v of=lines conv=notrunc bs=6000 2> /dev/null
        after=$(offset); [ \"$after\" ] || break
        echo $v $before $after
    done > looks
    wait
    cat looks >&2; wc -c < out
    awk 'NR == FNR { version[NR] = $1; before[NR] = $2; after[NR] = $3; looks = NR; next }
        { for (i = 1; i <= looks; i++) {
            new = substr($0, 1, 1) >= version[i]
            if (new && FNR * 3 <= before[i] || !new && FNR * 3 - 3 >= after[i]) print FNR, $0, i
        } }' looks out";

/// Runs a script on two nodes; what it did and the round trips of its processes.
fn run(script: &str, words: &str) -> (Outcome, u64) {
    let cluster = Cluster::builder().nodes(2).words(words).timeout(2 * LIMIT);
    let mut nodes = Nodes::boot(&cluster, &Initrd::new().unwrap()).unwrap();
    let outcome = nodes.run(&command(&["sh", "-c", script]), LIMIT).unwrap();
    assert_eq!(outcome.status, ExitStatus::Exited(0), "{outcome:?}");
    let round_trips = outcome.programs.iter().map(|program| program.round_trips).sum();
    (outcome, round_trips)
}

fn said(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.stdout).into_owned()
}

#[test]
fn files_that_are_read_in_order_take_fewer_round_trips() {
    let (waits, each) = run(READER, NO_AHEAD);
    let (ahead, few) = run(READER, "");
    assert_eq!(said(&ahead), said(&waits));
    assert!(said(&ahead).ends_with("  data\n"), "{}", said(&ahead));
    println!("{each} round trips, {few} with reads that come along");
    assert!(few * 2 < each, "{few} of {each} round trips");
}

#[test]
fn who_looks_at_a_reader_and_changes_its_file_sees_no_difference() {
    let (outcome, _) = run(CHANGED, "");
    println!("offsets before and after changes:\n{}", String::from_utf8_lossy(&outcome.stderr));
    assert_eq!(said(&outcome), "6000\n");
}
