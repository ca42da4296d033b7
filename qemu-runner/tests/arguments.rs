//! Wrong command lines: each gets one line that names what is wrong, and a status that is not 0.

use std::process::{Command, Stdio};

/// The command line, a word the line must have, and the exit status.
const WRONG: &[(&str, &str, i32)] = &[
    ("fly", "'fly'", 2),
    ("--nodez 3", "--nodez", 2),
    ("run", "<PROGRAM>", 2),
    ("demo extra", "'extra'", 2),
    ("demo --nodes 2", "at least 3", 125),
    ("demo --json /no/directory/file", "/no/directory/file", 125),
    ("run --json f true", "--json", 2),
    ("run --nodes 0 true", "--nodes", 2),
    ("run --nodes x true", "--nodes", 2),
    ("run --nodes 9 true", "1 to 7", 125),
    ("run --nodes 255 --net tap true", "1 to 254", 125),
    ("run --net pigeon true", "dgram, stream, tap", 2),
    ("run --accel hvf true", "auto, tcg, kvm", 2),
    ("run --memory 5 true", "16M", 2),
    ("run --memory", "--memory", 2),
    ("run --timeout 0 true", "--timeout", 2),
    ("run --timeout 18446744073709551615 true", "--timeout", 2),
    ("run --roam 0 true", "--roam", 2),
    ("run --gdb=3 true", "--gdb", 2),
    ("run --trace=3 true", "--trace", 2),
    ("run --pcap /no/directory/file true", "/no/directory/file", 125),
    ("run --kernel /no/kernel true", "/no/kernel", 127),
    ("run --kernel nonesuch true", "nonesuch", 125),
    ("run --qemu /no/qemu true", "/no/qemu", 125),
    ("run --file here:there true", "HOST:GUEST", 2),
    ("run --file /no/file true", "/no/file", 125),
    ("run --root /no/directory true", "/no/directory", 125),
    ("run --root /etc --file /etc/passwd true", "--file", 2),
    ("run --file /no/file:/x true", "/no/file", 125),
    ("run nonesuch", "nonesuch", 127),
    ("run ./nonesuch", "./nonesuch", 127),
    ("run /etc/passwd", "not an executable", 126),
    ("run /etc", "/etc", 126),
    ("shell extra", "'extra'", 2),
];

#[test]
fn each_wrong_word_gets_one_line() {
    for (line, word, status) in WRONG {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
        command.args(line.split(' ')).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*status), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        assert!(said.starts_with("wayfarer: ") && said.contains(word), "{line}: {said}");
        assert_eq!(output.stdout, b"", "{line}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for (line, word) in [("--help", "demo"), ("run --help", "--pcap"), ("--version", "0.")] {
        let command = Command::new(env!("CARGO_BIN_EXE_wayfarer")).args(line.split(' ')).output();
        let output = command.unwrap();
        assert!(output.status.success(), "{line}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(word), "{line}");
    }
}
