//! `demo` on real nodes: what it reports, and that nothing of it is left, however it ends.

mod person;

use std::process::{Command, Output, Stdio};

use person::{Belongings, Person, devices};
use rustix::process::Signal;
use serde_json::Value;

/// `wayfarer demo` with these words, without a terminal; with its report.
fn demo(words: &[&str]) -> (Output, Value) {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_wayfarer"))
        .args(["demo", "--timeout", "600", "--json"])
        .arg(&json)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let report = serde_json::from_slice(&std::fs::read(json).unwrap());
    (output, report.unwrap_or(Value::Null))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn keeps_its_promise(words: &[&str]) {
    let (output, report) = demo(words);
    let said = format!("{}\n{}", text(&output.stderr), text(&output.stdout));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(report["ok"], true, "{said}");
    let moves = report["moves"].as_array().unwrap();
    let movers: std::collections::BTreeSet<_> =
        moves.iter().map(|moved| moved["program"].as_str().unwrap()).collect();
    assert!(moves.len() >= 6 && movers.len() >= 2, "{report}");
    for program in report["programs"].as_array().unwrap() {
        assert_eq!(program["expected"], program["got"], "{said}");
        assert!(program["remote"].as_u64().unwrap() > 0, "{said}");
    }
    assert!(!said.contains('\x1b') && !said.contains('\r'), "plain where nobody watches: {said}");
}

#[test]
fn over_datagrams_it_keeps_its_promise() {
    keeps_its_promise(&[]);
}

#[test]
fn over_streams_it_keeps_its_promise() {
    keeps_its_promise(&["--net", "stream"]);
}

/// Why there is no tap here, or `None`.
fn no_tap() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can make a tap device");
    }
    let probe = "ip link add b type bridge && ip tuntap add t mode tap";
    let made = Command::new("unshare").args(["--net", "sh", "-c", probe]).output();
    let made = made.is_ok_and(|output| output.status.success());
    (!made).then_some("this host lets nobody make a tap device")
}

/// Ends a demo in mid-run, at a move, and expects that nothing is left.
#[track_caller]
fn is_gone_after(net: &str, end: impl FnOnce(&mut Person)) -> std::process::ExitStatus {
    let before = devices();
    let mut person = Person::start(&["demo", "--net", net, "--timeout", "600"]);
    person.sees("stop 2 of 5");
    let belongings = Belongings::of(person.child.id());
    assert_eq!(belongings.nodes(), 3, "{belongings:?}");
    assert_eq!(belongings.namespaces(), usize::from(net == "tap"), "{belongings:?}");
    end(&mut person);
    let status = person.waits();
    belongings.vanish();
    assert_eq!(devices(), before);
    status
}

fn interrupt(person: &mut Person) {
    person.types("\x03");
}

fn kill(person: &mut Person) {
    person.signals(Signal::KILL);
}

#[test]
fn nothing_is_left_of_an_interrupted_demo() {
    assert_eq!(is_gone_after("dgram", interrupt).code(), Some(130));
}

#[test]
fn nothing_is_left_of_a_killed_demo() {
    assert_eq!(is_gone_after("stream", kill).code(), None);
}

#[test]
fn tap_keeps_its_promise_and_leaves_nothing() {
    if let Some(why) = no_tap() {
        eprintln!("skipped: {why}");
        return;
    }
    let before = devices();
    keeps_its_promise(&["--net", "tap"]);
    assert_eq!(devices(), before);
    assert_eq!(is_gone_after("tap", interrupt).code(), Some(130));
    assert_eq!(is_gone_after("tap", kill).code(), None);
}
