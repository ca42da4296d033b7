//! `ps`, `move` and `top` against a cluster that another command runs.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

fn wayfarer(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
    // Clusters of other tests are not to be seen.
    command.args(words).env("XDG_RUNTIME_DIR", home).stdin(Stdio::null());
    command
}

fn output(home: &Path, words: &[&str]) -> Output {
    wayfarer(home, words).output().unwrap()
}

/// What it shows; it must end well.
#[track_caller]
fn shown(home: &Path, words: &[&str]) -> String {
    let output = output(home, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a cluster whose only program is busy.
fn start(home: &Path) -> Child {
    let words = ["run", "--nodes", "2", "--timeout", "600", "sh", "-c", "while :; do :; done"];
    wayfarer(home, &words).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until `ps` shows the program, or that there are several clusters to choose from.
#[track_caller]
fn await_clusters(home: &Path, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let there = || {
        let output = output(home, &["ps"]);
        match count {
            1 => String::from_utf8_lossy(&output.stdout).contains("while"),
            _ => String::from_utf8_lossy(&output.stderr).contains("several clusters"),
        }
    };
    while !there() {
        assert!(Instant::now() < deadline, "no {count} clusters");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The node on which `ps` shows the program.
#[track_caller]
fn place(home: &Path) -> String {
    let table = shown(home, &["ps"]);
    let lines: Vec<&str> = table.lines().filter(|line| line.contains("while")).collect();
    assert_eq!(lines.len(), 1, "{table}");
    lines[0].split_whitespace().nth(2).unwrap().to_owned()
}

#[test]
fn a_second_terminal_sees_and_moves_programs() {
    // Built before anything is waited for: on a fresh clone that takes minutes.
    wayfarer::artifacts::kernel().unwrap();
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let none = output(home, &["ps"]);
    assert_eq!(none.status.code(), Some(125));
    assert_eq!(none.stderr, b"wayfarer: no cluster is running\n");
    // Building it takes minutes.
    wayfarer::artifacts::kernel().unwrap();
    let mut cluster = start(home);
    await_clusters(home, 1);
    assert_eq!(place(home), "1");
    assert!(shown(home, &["move", "2", "2"]).starts_with("process 2 moved 1 -> 2"));
    assert_eq!(place(home), "2");
    assert_eq!(shown(home, &["move", "2", "2"]), "process 2 is on node 2\n");
    let refused = output(home, &["move", "2", "9"]);
    assert_eq!(refused.status.code(), Some(125));
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("no node 9") && why.lines().count() == 1, "{why}");
    assert_eq!(output(home, &["move", "77", "1"]).status.code(), Some(125));
    let top = shown(home, &["top"]);
    assert!(top.contains("node  load") && top.contains("while"), "{top}");
    let named = cluster.id().to_string();
    assert_eq!(shown(home, &["ps", "--cluster", &named]).lines().count(), 2);
    let other = output(home, &["ps", "--cluster", "1"]);
    assert!(String::from_utf8(other.stderr).unwrap().contains(&named), "the ones there are");
    let mut second = start(home);
    await_clusters(home, 2);
    for child in [&mut cluster, &mut second] {
        kill_process(Pid::from_child(child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(143));
    }
}
