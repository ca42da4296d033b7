//! The command `run` on real nodes: what the README promises of it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// `wayfarer run` with these words.
fn run(words: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wayfarer"))
        .args(["run", "--timeout", "60"])
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
