//! `run` with programs of this host: dynamic ones with their libraries, scripts, whole trees.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `wayfarer run` with these words, in this directory.
fn run(directory: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wayfarer"))
        .args(["run", "--timeout", "300"])
        .args(words)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What it writes; it must end well.
#[track_caller]
fn shown(directory: &Path, words: &[&str]) -> String {
    let output = run(directory, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether this host has all of these; says so if not.
fn has(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|path| !Path::new(path).exists()).collect();
    if !missing.is_empty() {
        eprintln!("skipped: this host has no {missing:?}");
    }
    missing.is_empty()
}

#[test]
fn dynamic_programs_run_as_they_do_here() {
    let scripts: [(&str, &[&str]); 4] = [
        ("/bin/bash", &["-c", "a=(1 2 3); echo ${#a[@]} ${a[-1]}; printf '%q\\n' 'x y'"]),
        ("/usr/bin/perl", &["-e", "use strict; use List::Util 'sum'; print sum(1..9), \"\\n\""]),
        ("/usr/bin/python3", &["-c", "import json; print(json.dumps({'a': [1, None]}))"]),
        ("/usr/bin/sqlite3", &[":memory:", "select sum(value) from json_each('[1,2,3]')"]),
    ];
    for (program, arguments) in scripts {
        if !has(&[program]) {
            continue;
        }
        let here = Command::new(program).args(arguments).output().unwrap();
        let words = [&[program], arguments].concat();
        let there = shown(Path::new("/"), &words);
        assert_eq!(there, String::from_utf8(here.stdout).unwrap(), "{program}");
    }
}

#[test]
fn named_files_are_where_they_are_here() {
    if !has(&["/bin/bash"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    std::fs::write(
        &script,
        "#!/usr/bin/env bash\necho \"${BASH_VERSION:+bash} $PWD $1\"; cat data\n",
    )
    .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(directory.path().join("data"), "data\n").unwrap();
    let expected = format!("bash {} --with=data\ndata\n", directory.path().display());
    assert_eq!(shown(directory.path(), &["./script", "--with=data"]), expected);
}

/// Links, modes and empty directories of a tree are those of the node's file system.
#[test]
fn a_directory_is_the_file_system() {
    let busybox = wayfarer::initrd::find_busybox().unwrap();
    let tree = tempfile::tempdir().unwrap();
    let at = |path: &str| tree.path().join(path);
    std::fs::create_dir_all(at("usr/bin")).unwrap();
    std::fs::create_dir(at("empty")).unwrap();
    std::fs::copy(busybox, at("usr/bin/busybox")).unwrap();
    symlink("usr/bin", at("bin")).unwrap();
    symlink("busybox", at("usr/bin/sh")).unwrap();
    std::fs::write(at("secret"), "s\n").unwrap();
    std::fs::set_permissions(at("secret"), std::fs::Permissions::from_mode(0o4610)).unwrap();
    let root = tree.path().to_str().unwrap();
    let script = "echo *; busybox stat -c '%a %F' secret empty; busybox readlink /bin";
    let shown = shown(Path::new("/"), &["--root", root, "--", "sh", "-c", script]);
    let expected =
        "bin dev empty proc secret sys tmp usr\n4610 regular file\n755 directory\nusr/bin\n";
    assert_eq!(shown, expected);
    let missing = run(Path::new("/"), &["--root", root, "bash"]);
    assert_eq!(missing.status.code(), Some(127));
}

#[test]
fn missing_calls_are_named_at_the_end_and_in_the_trace() {
    let directory = tempfile::tempdir().unwrap();
    let source = "#include <unistd.h>\n#include <sys/syscall.h>\n\
                  int main(void) { syscall(426, 1, 0); return syscall(426, 1, 0) != -1; }\n";
    std::fs::write(directory.path().join("rings.c"), source).unwrap();
    let output = run(directory.path(), &["--trace", "./rings.c"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let traced = said.lines().filter(|line| line.contains("io_uring_enter(?) = -1 ENOSYS"));
    assert_eq!(traced.count(), 2, "{said}");
    let end = "wayfarer: system calls that are missing (ENOSYS): io_uring_enter (rings)\n";
    assert!(said.ends_with(end), "{said}");
}
