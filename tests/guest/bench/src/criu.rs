//! Moves a process to another Linux guest as CRIU does: dump, transfer, restore.
//!
//! Images are kept in memory on both sides, and travel over one TCP connection. Their pages either
//! go with the others (`tar`), or to CRIU's page server while they are dumped (`page_server`).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use guest_common::say;

use crate::marks::Marks;
use crate::peer::{ask, hear};
use crate::processes;

/// Where images are, on either side: a file system in memory.
const IMAGES: &str = "/images";

/// Where the page server listens.
const PORT: &str = "7001";

/// What the process that travels says by files, for it has nothing open: all its memory is there,
/// it is to check that, it has.
const HELD: &str = "/tmp/held";
const CHECK: &str = "/tmp/check";
const CHECKED: &str = "/tmp/checked";

/// How often files are looked for.
const GLANCE: Duration = Duration::from_millis(5);

/// The process that travels: holds `kib` KiB until it is asked to check them.
pub(crate) fn hold(kib: usize) {
    let memory = processes::touched(kib);
    fs::write(HELD, "").expect("files can be written");
    wait_for(CHECK);
    assert!(processes::is_touched(&memory), "the memory is what it was");
    fs::write(CHECKED, "").expect("files can be written");
}

fn wait_for(path: &str) {
    while !Path::new(path).exists() {
        thread::sleep(GLANCE);
    }
}

/// Moves a process of `kib` KiB to the guest at `address`, `turns` times, and tells of each: `move
/// WAY KIB NANOSECONDS NANOSECONDS_FROZEN`. What of it is captured is a series `WAY KIB`.
pub(crate) fn travel(address: &str, kib: usize, turns: usize, way: &str) {
    let marks = Marks::to(address);
    marks.series(&format!("{way} {kib}"));
    for _ in 0..turns {
        let mut process = start(kib);
        marks.begin();
        let before = Instant::now();
        let moved = travel_once(address, process.id(), way);
        let total = before.elapsed();
        marks.end();
        process.wait().expect("it was dumped");
        let check = format!(
            "run touch {CHECK}; until [ -e {CHECKED} ]; do usleep 5000; done; \
             rm -r {CHECK} {CHECKED} {IMAGES}/*"
        );
        hear(ask(address, &check));
        fs::remove_file(HELD).expect("the process made it");
        let frozen = total.saturating_sub(moved.running);
        let (total, frozen) = (total.as_nanos(), frozen.as_nanos());
        say(&format!("move {way} {kib} {total} {frozen}"));
    }
}

/// Starts the process that travels, alone in a session and with nothing open that a terminal or
/// this process has.
fn start(kib: usize) -> Child {
    // Of one before, that could not be moved.
    let _ = fs::remove_file(HELD);
    clear();
    // Its number must be free on the other side, too, where processes are few.
    fs::write("/proc/sys/kernel/ns_last_pid", "20000").expect("root may");
    let program = std::env::current_exe().expect("a program has a name");
    let mut command = Command::new(program);
    command.args(["hold", &kib.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: between fork and exec, setsid(2) touches no memory.
    unsafe {
        command
            .pre_exec(|| if libc::setsid() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
    };
    let child = command.spawn().expect("a process");
    wait_for(HELD);
    child
}

/// One move.
struct Moved {
    /// For how much of it the process still ran where it was.
    running: Duration,
}

fn travel_once(address: &str, pid: u32, way: &str) -> Moved {
    let mut dump = criu("dump");
    dump.args(["--tree", &pid.to_string()]);
    if way == "page_server" {
        let serve = format!("criu page-server --daemon --images-dir {IMAGES} --port {PORT}");
        hear(ask(address, &format!("run {serve} >/dev/null 2>&1 </dev/null")));
        dump.args(["--page-server", "--address", address, "--port", PORT]);
    }
    let before = Instant::now();
    let output = dump.output().expect("criu is there");
    let dumped = before.elapsed();
    assert!(output.status.success(), "{}", log("dump"));
    let running = dumped.saturating_sub(frozen());
    let restore = "criu restore --restore-detached --manage-cgroups=ignore -v1 -o restore.log";
    let restore = format!("run cd {IMAGES} && tar x && {restore} --images-dir {IMAGES}");
    let stream = ask(address, &format!("{restore} || tail -n 5 restore.log"));
    let output = OwnedFd::from(stream.try_clone().expect("a connection can be shared"));
    let pack = Command::new("tar").args(["cf", "-", "-C", IMAGES, "."]).stdout(output).status();
    assert!(pack.is_ok_and(|status| status.success()), "the images can be packed");
    let said = hear(stream);
    assert!(said.is_empty(), "criu restore: {said}");
    clear();
    Moved { running }
}

fn criu(action: &str) -> Command {
    let mut command = Command::new("criu");
    command.args([action, "--images-dir", IMAGES, "--manage-cgroups=ignore", "-v1", "-o"]);
    command.arg(format!("{action}.log"));
    command
}

fn log(action: &str) -> String {
    fs::read_to_string(format!("{IMAGES}/{action}.log")).unwrap_or_default()
}

fn clear() {
    for entry in fs::read_dir(IMAGES).expect("it was made").flatten() {
        fs::remove_file(entry.path()).expect("images are files");
    }
}

/// How long CRIU kept the process stopped while it dumped it: `freezing_time` and `frozen_time` of
/// its statistics (images/stats.proto of CRIU: numbers 1 and 2 of `dump`, in microseconds).
fn frozen() -> Duration {
    // Two magic numbers, the length, and the tag and length of `dump`.
    const BEFORE: usize = 3 * 4 + 2;
    let file = fs::read(format!("{IMAGES}/stats-dump")).expect("criu writes statistics");
    let mut bytes = file[BEFORE..].iter().copied();
    let mut field = |tag: u8| {
        assert_eq!(bytes.next(), Some(tag), "the statistics are as they were");
        varint(&mut bytes)
    };
    Duration::from_micros(field(0x08) + field(0x10))
}

/// Seven bits in each byte, the lowest first; the eighth says that there are more.
fn varint(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let mut value = 0;
    for (index, byte) in bytes.by_ref().enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
