//! The command `run` on real nodes: what the README promises of it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// `wayfarer run` with these words.
fn run(words: &[&str], input: &[u8]) -> Output {
    limited(300, words, input)
}

/// The same with this time limit in seconds.
fn limited(seconds: u32, words: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wayfarer"))
        .args(["run", "--timeout", &seconds.to_string()])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that does not read its input closes it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn readme_example() {
    let output = run(&["busybox", "sh", "-c", "uname -a; echo hi | tr a-z A-Z; exit 7"], b"");
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("Linux "), "{stdout} {}", text(&output.stderr));
    assert!(stdout.ends_with("\nHI\n"), "{stdout}");
    assert_eq!(output.status.code(), Some(7));
}

/// More than every window and pipe on the way, of every byte value, through the node and back.
#[test]
fn a_mebibyte_through_cat_comes_back_unchanged() {
    let input: Vec<u8> =
        (0_u32..1 << 20).map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()[0]).collect();
    let output = run(&["cat"], &input);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(output.stdout.len(), input.len());
    assert!(output.stdout == input, "the bytes differ");
}

#[test]
fn streams_stay_apart_and_signals_are_told() {
    let output = run(&["sh", "-c", "echo out; echo err >&2; kill -TERM $$"], b"");
    assert_eq!(text(&output.stdout), "out\n");
    assert_eq!(text(&output.stderr), "err\n");
    assert_eq!(output.status.code(), Some(128 + 15));
}

#[test]
fn unread_input_holds_nothing_up() {
    let output = run(&["true"], &[0; 300_000]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn files_of_the_host_are_there() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml:/root/manifest");
    let output = run(&["--file", manifest, "cat", "/root/manifest"], b"");
    let expected = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    assert_eq!(text(&output.stdout), text(&expected));
}

#[test]
fn a_static_program_of_the_host_runs() {
    let program = wayfarer::artifacts::guest("wander").unwrap();
    let output = run(&[&program.to_string_lossy(), "/no/input"], b"");
    assert!(text(&output.stderr).starts_with("wander: No such file"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn time_limit_ends_what_never_ends() {
    let output = limited(2, &["sleep", "1000"], b"");
    assert_eq!(output.status.code(), Some(125));
    let said = text(&output.stderr);
    assert!(said.contains("--timeout"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// The capture holds frames of both directions, each as long as its header says.
#[test]
fn frames_between_nodes_are_captured() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_string_lossy().into_owned();
    let output = run(&["--nodes", "2", "--roam", "3", "--pcap", &path, "uname"], b"");
    assert_eq!(text(&output.stdout), "Linux\n", "{}", text(&output.stderr));
    let bytes = std::fs::read(file.path()).unwrap();
    assert_eq!(bytes[..4], 0xa1b2_c3d4_u32.to_le_bytes(), "pcap-savefile(5)");
    let mut senders = std::collections::BTreeSet::new();
    let mut at = 24;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        senders.insert(bytes[at + 16 + 6..at + 16 + 12].to_vec());
        at += 16 + usize::try_from(length).unwrap();
    }
    assert_eq!(at, bytes.len(), "whole records");
    assert_eq!(senders.len(), 2, "both nodes sent: {senders:?}");
}

/// Each way of roaming moves a program that never asks, and it says what it always says.
#[test]
fn programs_roam_by_calls_and_by_the_clock() {
    let script = "i=0; while [ $i -lt 600 ]; do i=$((i+1)); [ -e /bin ]; done; echo $i";
    for (roam, least) in [("every-call=50", 10), ("40", 10), ("20ms", 2), ("once:9", 1)] {
        let words = ["--nodes", "3", "--trace", "--roam", roam, "sh", "-c", script];
        let output = run(&words, b"");
        let said = text(&output.stderr);
        assert_eq!(text(&output.stdout), "600\n", "{roam}: {said}");
        let moves =
            said.lines().filter(|line| line.starts_with("sh[") && line.contains("] moved "));
        assert!(moves.count() >= least, "{roam}: {said}");
    }
}

#[test]
fn running_out_of_memory_is_told() {
    let output = run(&["--memory", "32M", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M"], b"");
    assert_ne!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    assert!(said.contains("memory"), "{said}");
}
