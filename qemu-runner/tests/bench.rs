//! The command `bench` on real nodes: that it measures everything, and what it counts. How long
//! anything takes is never judged here.

use std::process::Command;

use serde_json::Value;

/// The figures of every call that needs home, and of some that do not.
const FORWARDED: [&str; 8] =
    ["close", "lseek", "open", "write_1k", "write_8k", "read_1k", "read_8k", "stat"];
const LOCAL: [&str; 3] = ["getpid", "clock_gettime", "futex_wake"];

fn quick_run(parts: &[&str]) -> Value {
    // Otherwise building would count as measuring.
    wayfarer::artifacts::kernel().unwrap();
    wayfarer::artifacts::guest("bench").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bench.json");
    let output = Command::new(env!("CARGO_BIN_EXE_wayfarer"))
        .args(["bench", "--quick", "--timeout", "600"])
        .args(parts)
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("home close"), "{text}");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn assert_figure(figure: &Value, unit: &str) {
    let number = |key: &str| figure[key].as_f64().unwrap_or_else(|| panic!("{key}: {figure}"));
    assert!(number("min") <= number("median") && number("median") <= number("p99"), "{figure}");
    assert!(number("min") > 0.0 && number("n") >= 1.0, "{figure}");
    assert_eq!(figure["unit"], unit);
}

#[test]
fn linux_guests_are_measured_where_there_is_a_kernel_for_them() {
    if !wayfarer::artifacts::workspace().join("target/peers/vmlinuz").is_file() {
        return eprintln!("skipped: no Linux kernel; ./setup --peers fetches one");
    }
    let results = quick_run(&["home", "boot", "--peers"]);
    assert_figure(&results["peers"]["boot"]["first_user"], "ms");
    for name in ["close", "open_close", "pread_8k", "pipe", "fork_exit", "fork_exec"] {
        assert_figure(&results["home"][name], "us");
        assert_figure(&results["peers"]["home"][name], "us");
    }
}

#[test]
#[ignore = "boots six Linux guests, a minute; cargo test -p wayfarer --test bench -- --ignored"]
fn calls_and_moves_are_measured_between_linux_guests() {
    if !wayfarer::artifacts::workspace().join("target/peers/lib/modules").is_dir() {
        return eprintln!("skipped: no Linux kernel's modules; ./setup --peers fetches them");
    }
    let results = quick_run(&["calls", "migrate", "home", "--peers"]);
    let peers = &results["peers"];
    for name in ["open", "close", "open_close", "lseek", "stat", "read_1k", "read_8k", "read_256k"]
    {
        assert_figure(&peers["nfs"][name], "us");
    }
    for name in ["write_1k", "write_8k", "write_256k"] {
        assert_figure(&peers["nfs"][name], "us");
    }
    assert_figure(&peers["wire"]["tcp_64"], "us");
    assert_figure(&peers["wire"]["bulk"], "MB/s");
    let moved = &peers["criu"][0];
    assert_eq!(moved["kib"], 100);
    assert_figure(&moved["total"], "us");
    assert_figure(&moved["frozen"], "us");
    assert!(moved["bytes"].as_f64() > Some(102_400.0), "{moved}");
}

#[test]
fn quick_run_measures_everything() {
    let results = quick_run(&[]);
    for name in FORWARDED {
        let call = &results["calls"][name];
        assert_figure(&call["home"], "us");
        assert_figure(&call["away"], "us");
        assert_eq!(call["round_trips"], 1.0, "{name}: {call}");
        assert!(call["request_bytes"].as_f64() > Some(0.0), "{name}: {call}");
        assert!(call["reply_bytes"].as_f64() > Some(0.0), "{name}: {call}");
        assert!(call["ratio_tcp"].is_f64() && call["ratio_raw"].is_f64(), "{name}: {call}");
    }
    // The least and rounded: an acknowledgement of its own, where the host was slow, is no part of
    // a call.
    let frames = |name| results["calls"][name]["frames"].as_f64().unwrap().round();
    let least = ["close", "lseek", "stat"].map(frames).into_iter().fold(f64::MAX, f64::min);
    assert!(least == 2.0, "one frame each way, not {least}");
    for name in LOCAL {
        let call = &results["calls"][name];
        assert_figure(&call["away"], "us");
        assert_eq!(call["round_trips"], 0.0, "{name} needs no home: {call}");
        assert!(call["ratio_tcp"].is_null(), "{name}: {call}");
    }
    for name in ["mtu_1500", "mtu_9000"] {
        assert_figure(&results["bulk"][name], "MB/s");
    }
    let moves = results["migrate"].as_array().unwrap();
    assert_eq!(moves[0]["kib"], 100);
    for moved in moves {
        assert_figure(&moved["total"], "us");
        assert_figure(&moved["frozen"], "us");
        assert!(moved["bytes"].as_f64() > moved["kib"].as_f64().map(|kib| kib * 1024.0), "{moved}");
        assert!(moved["round_trips"].as_f64() <= Some(12.0), "{moved}");
        assert!(moved["ratio_bulk"].as_f64() > Some(0.0), "{moved}");
    }
    for channel in ["tcp", "shm"] {
        let parts = &results["dissect"][channel];
        assert!(parts["whole"].as_f64() > parts["waiting"].as_f64(), "{parts}");
        // Which stages a call passes on either side.
        assert_eq!(parts["body"].as_array().map(Vec::len), Some(6), "{parts}");
        assert_eq!(parts["home"].as_array().map(Vec::len), Some(5), "{parts}");
        for part in parts["body"].as_array().into_iter().chain(parts["home"].as_array()).flatten() {
            assert!(part["time"].as_f64() > Some(0.0), "{part}");
        }
    }
    assert!(results["failed"].is_null(), "{}", results["failed"]);
    assert_figure(&results["boot"]["first_user"], "ms");
    for name in ["close", "open_close", "pread_8k", "pipe", "fork_exit", "fork_exec"] {
        assert_figure(&results["home"][name], "us");
    }
    for name in ["image", "node", "deputy", "guest"] {
        assert_figure(&results["memory"][name], "bytes");
    }
}
