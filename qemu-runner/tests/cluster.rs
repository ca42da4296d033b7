//! Clusters of fake nodes: what the library does with a node's frames, its silence and its death.

mod fake;

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use fake::{Fake, NODE, exit, hello, started};
use wayfarer::{Cluster, ClusterBuilder, ClusterError, Initrd, ProgramError, program};
use wayfarer_proto::console::{ExitStatus, FromNode, STDIN_WINDOW, STDIO_CHUNK, ToNode};
use wayfarer_proto::errno::Errno;

fn builder(fake: &Fake) -> ClusterBuilder {
    Cluster::builder().emulator(fake.program()).timeout(Duration::from_secs(300))
}

fn start(fake: &Fake) -> Result<Cluster, ClusterError> {
    builder(fake).start(Path::new("/kernel"), &Initrd::bare())
}

#[test]
fn program_runs_and_its_output_is_kept_apart() {
    let fake = Fake::new("cat $D/hello $D/answers; cat >$D/heard").says(
        "answers",
        &[
            started(Ok(())),
            FromNode::Stdout(b"out\0".to_vec()),
            FromNode::Stderr(b"err".to_vec()),
            FromNode::Stdout(b"put".to_vec()),
            FromNode::Log("a line".to_owned()),
            exit(ExitStatus::Exited(7)),
        ],
    );
    let mut cluster = start(&fake).unwrap();
    let start = program::command(&["busybox", "true"]);
    let outcome = cluster.capture(NODE, &start, Vec::new()).unwrap();
    assert_eq!(outcome.status, ExitStatus::Exited(7));
    assert_eq!(outcome.stdout, b"out\0put");
    assert_eq!(outcome.stderr, b"err");
    assert!(cluster.log(NODE).ends_with("a line\n"), "{}", cluster.log(NODE));
    // The script answers before it listens.
    while fake.heard("heard").is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(fake.heard("heard")[0], ToNode::Start(start));
}

/// Input beyond the window waits until the node says that it took some.
#[test]
fn input_is_paced_by_the_node() {
    let size = 2 * STDIN_WINDOW;
    let script = "cat $D/hello $D/started\n\
                  (until [ -e $D/go ]; do sleep 0.02; done; cat $D/taken) & cat >$D/heard";
    let fake = Fake::new(script)
        .says("started", &[started(Ok(()))])
        .says("taken", &[FromNode::StdinTaken(u32::try_from(size).unwrap())]);
    let mut cluster = start(&fake).unwrap();
    cluster.node(NODE).send(&ToNode::QueryCounts).unwrap();
    let interrupter = cluster.interrupter();
    let (heard, go) = (fake.path("heard"), fake.path("go"));
    let slack = u64::try_from(STDIO_CHUNK).unwrap();
    let window = u64::try_from(STDIN_WINDOW).unwrap();
    let watcher = std::thread::spawn(move || {
        let more_than = |least| {
            let length = || fs::metadata(&heard).map_or(0, |file| file.len());
            while length() <= least {
                std::thread::sleep(Duration::from_millis(5));
            }
            // Time for what must not come.
            std::thread::sleep(Duration::from_millis(300));
            length()
        };
        let early = more_than(window - slack);
        fs::write(go, "").unwrap();
        let late = more_than(2 * window);
        interrupter.interrupt();
        (early, late)
    });
    let input = Cursor::new(vec![7; size]);
    let error = cluster.run(NODE, &program::command(&["cat"]), input, |_, _| Ok(())).unwrap_err();
    assert!(matches!(error, ProgramError::Cluster(ClusterError::Interrupted)), "{error}");
    let (early, late) = watcher.join().unwrap();
    assert!(early < window + slack, "{early} bytes before");
    // The node gave back more than the window, which never grows beyond its size.
    assert!(late < 2 * window + slack, "{late} bytes after");
    drop(cluster);
    assert_eq!(fake.heard("heard").last(), Some(&ToNode::StdinEof));
}

#[test]
fn program_that_cannot_start_is_an_error() {
    let fake = Fake::new("cat $D/hello; frame; cat $D/refusal; cat >/dev/null")
        .says("refusal", &[started(Err(Errno::ENOENT))]);
    let mut cluster = start(&fake).unwrap();
    let error = cluster.capture(NODE, &program::command(&["x"]), Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "cannot run /bin/x: ENOENT");
}

#[test]
fn node_that_dies_is_reported_with_its_last_words() {
    let fake = Fake::new("cat $D/hello; frame; echo 'kernel panic: why' >&2; exit 37");
    let mut cluster = start(&fake).unwrap();
    let error = cluster.capture(NODE, &program::command(&["x"]), Vec::new()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("node 1 stopped: its kernel panicked"), "{text}");
    assert!(text.contains("  | kernel panic: why"), "{text}");
}

#[test]
fn killed_node_is_no_surprise() {
    let fake = Fake::new("cat $D/hello; cat >/dev/null");
    let mut cluster = start(&fake).unwrap();
    cluster.kill(NODE);
    let error = cluster.recv(Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, ClusterError::Silence(..)), "{error}");
}

#[test]
fn time_limit_ends_a_node_that_is_silent() {
    let fake = Fake::new("cat $D/hello; cat >/dev/null");
    let short = builder(&fake).timeout(Duration::from_millis(500));
    // On a busy host the time is over before the node has said hello.
    let error = match short.start(Path::new("/kernel"), &Initrd::bare()) {
        Ok(mut cluster) => {
            cluster.capture(NODE, &program::command(&["x"]), Vec::new()).unwrap_err()
        }
        Err(error) => ProgramError::Cluster(error),
    };
    assert!(matches!(error, ProgramError::Cluster(ClusterError::TimeLimit(..))), "{error}");
}

#[test]
fn other_version_and_garbage_are_refused() {
    let fake = Fake::new("cat $D/hello; cat >/dev/null").says("hello", &[hello(999)]);
    let error = start(&fake).unwrap_err();
    assert!(matches!(error, ClusterError::Version { version: 999, .. }), "{error}");
    let fake = Fake::new("echo SeaBIOS; cat >/dev/null");
    let error = start(&fake).unwrap_err();
    assert!(matches!(error, ClusterError::BadFrame { .. }), "{error}");
}

#[test]
fn power_off_is_waited_for_and_judged() {
    let orderly = Fake::new("cat $D/hello; power_off");
    start(&orderly).unwrap().shutdown().unwrap();
    let wrong = Fake::new("cat $D/hello; frame; exit 3");
    let error = start(&wrong).unwrap().shutdown().unwrap_err();
    assert!(error.to_string().contains("QEMU exited with status 3"), "{error}");
}
