//! A directory of this host on real nodes: programs do in it what they do on the host's own Linux,
//! at home, moved once and roaming; what either side changes the other sees; and what cannot be
//! is refused.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use wayfarer::program::command;
use wayfarer::{Initrd, Share};
use wayfarer_tests::corpus::{Observation, Script, scripts};
use wayfarer_tests::programs::programs;
use wayfarer_tests::stage::Stage;
use wayfarer_tests::vm::{Nodes, Way, as_native};

/// How long a program may take on a node; the emulated processor is slow.
const LIMIT: Duration = Duration::from_secs(600);

/// A node's memory, for python and what it needs.
const MEMORY_MIB: u32 = 256;

fn share(host: &Path, guest: &str, read_only: bool) -> Share {
    Share { host: host.to_owned(), guest: guest.to_owned(), read_only }
}

/// Checks that scripts do in a shared directory what they do natively.
fn check(stage: &mut Stage, scripts: &[Script]) {
    let mut failed = Vec::new();
    for script in scripts {
        let native = script.run_natively().unwrap();
        let start = command(&script.argv("/bin/busybox", "/data/deep/work"));
        let outcome =
            stage.with(|nodes| nodes.run(&start, LIMIT).map_err(|error| error.to_string()));
        let here = Observation::of(as_native(&outcome.unwrap())).unwrap();
        if let Some(why) = here.difference(&native) {
            println!("{}: {why}", script.name);
            failed.push(&*script.name);
        }
    }
    assert!(failed.is_empty(), "{} differ: {}", failed.len(), failed.join(" "));
}

/// A directory, and nodes that have it as `/data` and whose programs move in this way.
fn stage(way: Way, initrd: Initrd) -> (TempDir, Stage) {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir(host.path().join("deep")).unwrap();
    let cluster = way.cluster().memory_mib(MEMORY_MIB);
    let cluster = cluster.shares(vec![share(host.path(), "/data", false)]);
    (host, Stage::new(cluster, initrd))
}

/// Scripts of the corpus that are about files; not those that make fifos, which QEMU refuses,
/// or list a directory that has lost its name.
const ABOUT_FILES: &[&str] = &[
    "append",
    "copy-trees",
    "cpio",
    "dd",
    "diff-patch",
    "files",
    "find",
    "grep-recursive",
    "gzip",
    "here-documents",
    "links",
    "mixed-sizes",
    "noclobber",
    "odd-names",
    "path-names",
    "redirections",
    "sed-in-place",
    "tar",
    "tee",
];

fn run_scripts(way: Way, step: usize) {
    let mut chosen = scripts().unwrap();
    chosen.retain(|script| ABOUT_FILES.contains(&&*script.name));
    let chosen: Vec<Script> = chosen.into_iter().step_by(step).collect();
    let (_host, mut stage) = stage(way, Initrd::new().unwrap());
    check(&mut stage, &chosen);
}

#[test]
fn scripts_on_a_share_do_what_they_do_natively() {
    run_scripts(Way::Home, 1);
}

#[test]
fn scripts_on_a_share_that_move_once_do_what_they_do_natively() {
    run_scripts(Way::Once, 2);
}

#[test]
fn scripts_on_a_share_that_roam_do_what_they_do_natively() {
    run_scripts(Way::Roaming, 6);
}

#[test]
#[ignore = "a minute: cargo test --test vm_share -- --ignored"]
fn all_scripts_on_a_share_that_roam_do_what_they_do_natively() {
    run_scripts(Way::Roaming, 1);
}

/// Runs a program of `tests/programs` in a share.
fn run_program(way: Way, name: &str) {
    let programs = programs().unwrap();
    let program = programs.iter().find(|program| program.name() == name).unwrap();
    let missing = program.missing();
    if !missing.is_empty() {
        return println!("{name}: skipped: this host has no {}", missing.join(" "));
    }
    let mut initrd = Initrd::new().unwrap();
    program.pack(&mut initrd).unwrap();
    let (_host, mut stage) = stage(way, initrd);
    check(&mut stage, &[program.script()]);
}

#[test]
fn python_on_a_share_does_what_it_does_natively() {
    run_program(Way::Home, "python-files.py");
}

#[test]
fn python_on_a_share_that_moves_once_does_what_it_does_natively() {
    run_program(Way::Once, "python-files.py");
}

#[test]
fn archives_on_a_share_are_what_they_are_natively() {
    run_program(Way::Home, "archives.sh");
}

/// What a shell does on the nodes, whose output is that.
fn shell(nodes: &mut Nodes, script: &str) -> String {
    let outcome = nodes.run(&command(&["sh", "-c", script]), LIMIT).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&outcome.stdout) + &text(&outcome.stderr)
}

#[test]
fn what_either_side_changes_the_other_sees() {
    let host = tempfile::tempdir().unwrap();
    let at = |name: &str| host.path().join(name);
    fs::write(at("f"), "first\n").unwrap();
    let shares = vec![share(host.path(), "/a/b", false)];
    let cluster = Way::Once.cluster().timeout(LIMIT).shares(shares);
    let mut nodes = Nodes::boot(&cluster, &Initrd::new().unwrap()).unwrap();
    assert_eq!(shell(&mut nodes, "cd /a/b; pwd; cat f; echo second >g; ls"), "/a/b\nfirst\nf\ng\n");
    assert_eq!(fs::read_to_string(at("g")).unwrap(), "second\n");
    // Replaced, grown, removed and made anew under the node's eyes.
    fs::write(at("f"), "another and longer\n").unwrap();
    fs::remove_file(at("g")).unwrap();
    fs::create_dir(at("g")).unwrap();
    symlink("../f", at("g/link")).unwrap();
    let script = "cd /a/b; cat f; stat -c '%s %F' f g; cat g/link; rm -r g; chmod 600 f; cat g";
    let said = "another and longer\n19 regular file\n4096 directory\nanother and longer\n\
                cat: can't open 'g': No such file or directory\n";
    let size = fs::metadata(at("g")).unwrap().size();
    assert_eq!(shell(&mut nodes, script), said.replace("4096", &size.to_string()));
    assert_eq!(fs::metadata(at("f")).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(!at("g").exists());
    // A program in the share is executed from there, and mapped from there wherever it runs.
    let script = "cp /bin/busybox /a/b/busybox; /a/b/busybox echo it runs";
    assert_eq!(shell(&mut nodes, script), "it runs\n");
    nodes.cluster.shutdown().unwrap();
}

#[test]
fn a_share_ends_where_it_is_mounted() {
    let [host, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    fs::write(other.path().join("secret"), "x").unwrap();
    symlink(other.path(), host.path().join("out")).unwrap();
    let shares = vec![share(host.path(), "/data", false), share(other.path(), "/ro", true)];
    let cluster = Way::Home.cluster().timeout(LIMIT).shares(shares);
    let mut nodes = Nodes::boot(&cluster, &Initrd::new().unwrap()).unwrap();
    let script = "cd /data; echo x >f; ls ..; cat out/secret; cat ../../ro/secret; echo; \
                  ln f /ro/f; ln f /tmp/f; mv f /tmp/f; ls; grep /ro /proc/mounts; \
                  df /data | wc -l; rmdir /data";
    let said = shell(&mut nodes, script);
    assert!(said.contains("\nproc\nro\nroot\n"), "{said}");
    assert!(said.contains("can't open 'out/secret': No such file"), "a link is the node's: {said}");
    assert!(said.contains("\nx\nout\nshare1 /ro 9p ro,relatime,"), "{said}");
    assert_eq!(said.matches("Invalid cross-device link").count(), 2, "{said}");
    assert!(said.contains("rmdir: '/data': Device or resource busy"), "{said}");
    let script = "echo x >/ro/y; rm /ro/secret; mkdir /ro/d; chmod 0 /ro/secret";
    assert_eq!(shell(&mut nodes, script).matches("Read-only file system").count(), 4);
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
    nodes.cluster.shutdown().unwrap();
}
