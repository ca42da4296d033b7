//! Boots the self-test image under QEMU (TCG; microvm, and for a smoke test q35) and checks how it
//! ends.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

const MICROVM: &str = "microvm,accel=tcg,isa-serial=on,pcie=off,acpi=off,ioapic2=off,pic=off,\
                       pit=off,rtc=off";
const Q35: &str = "q35,accel=tcg";

/// The image, built alone: with host programs it would be given a std (docs/decisions/0011).
fn image() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("selftest");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "wayfarer-machine", "--features", "image"])
            .args(["--bin", "machine-selftest", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the image is built");
        target.join("debug/machine-selftest")
    })
}

/// QEMU with the image and a command line; the machine has five minutes. Standard input and output
/// are the machine's log, or the console when `more` says so.
fn boot(machine: &str, command_line: &str, log: &str, more: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new("timeout")
        .args(["300", "qemu-system-x86_64", "-machine", machine, "-cpu", "max", "-m", "256"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
        .args(["-serial", log, "-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .args(["-global", "virtio-mmio.force-legacy=false"])
        .arg("-kernel")
        .arg(image())
        .args(["-append", command_line])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu-system-x86_64 and timeout are installed");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // The machine may end without reading everything; what counts is what it says. The pipe stays
    // open until then: for QEMU, the end of input is the end of the console.
    let writer = std::thread::spawn(move || (stdin.write_all(&input), stdin));
    let output = child.wait_with_output().expect("QEMU ends");
    drop(writer.join());
    output
}

#[track_caller]
fn check(command_line: &str, status: i32, expected: &str, more: &[&str]) {
    check_on(MICROVM, command_line, status, expected, more);
}

#[track_caller]
fn check_on(machine: &str, command_line: &str, status: i32, expected: &str, more: &[&str]) {
    let output = boot(machine, command_line, "stdio", more, &[]);
    let log = String::from_utf8_lossy(&output.stdout);
    print!("{log}");
    assert_eq!(output.status.code(), Some(status), "exit status");
    assert!(log.contains(expected), "the log says {expected:?}");
}

#[test]
fn all_tests_inside_pass() {
    check("test", 33, "all tests passed", &[]);
}

#[test]
fn a_panic_is_reported() {
    check("panic", 37, "as asked", &[]);
}

#[test]
fn a_fault_in_the_kernel_is_reported() {
    check("fault", 39, "kernel exception 14 (page fault), error code 0x3", &[]);
}

#[test]
fn a_stack_overflow_is_caught_by_the_guard_page() {
    check("overflow", 39, "kernel exception 14 (page fault), error code 0x2", &[]);
}

#[test]
fn all_tests_inside_pass_on_q35() {
    check_on(Q35, "test", 33, "all tests passed", &[]);
}

/// Two network cards on one hub and a source of entropy, on a kind of bus.
fn devices(bus: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut pair = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    for (id, more) in [(1, ""), (2, ",host_mtu=9000")] {
        pair("-netdev", format!("hubport,hubid=0,id=h{id}"));
        let card = format!("virtio-net-{bus},netdev=h{id},mac=52:54:00:00:00:0{id}{more}");
        pair("-device", card);
    }
    pair("-object", "rng-random,id=r,filename=/dev/urandom".to_owned());
    pair("-device", format!("virtio-rng-{bus},rng=r"));
    arguments
}

#[test]
fn devices_work_on_microvm_and_on_pci() {
    let mmio = devices("device");
    let mut mmio: Vec<&str> = mmio.iter().map(String::as_str).collect();
    check("devices", 33, "all tests passed", &mmio);
    mmio.extend(["-global", "virtio-mmio.force-legacy=true"]);
    check("devices", 33, "all tests passed", &mmio);
    let pci = devices("pci");
    let pci: Vec<&str> = pci.iter().map(String::as_str).collect();
    check_on(Q35, "devices", 33, "all tests passed", &pci);
}

#[test]
fn the_console_carries_bulk_data_both_ways() {
    let console = [
        ["-chardev", "stdio,id=c,signal=off"],
        ["-device", "virtio-serial-device,max_ports=2"],
        ["-device", "virtserialport,nr=1,chardev=c"],
    ];
    bulk_echo(&console.concat(), 3_000_000);
    // Without ports there is only the lossy kind: few enough bytes to fit a pipe.
    let console = [
        ["-chardev", "stdio,id=c,signal=off"],
        ["-device", "virtio-serial-device,max_ports=1"],
        ["-device", "virtconsole,chardev=c"],
    ];
    bulk_echo(&console.concat(), 30_000);
}

#[track_caller]
fn bulk_echo(console: &[&str], length: u32) {
    let mut input: Vec<u8> = (0..length).map(|i| (i ^ i >> 8) as u8 | 1).collect();
    input.extend(b"\n.\n");
    let output = boot(MICROVM, "console", "null", console, &input);
    assert_eq!(output.status.code(), Some(33), "exit status");
    assert_eq!(output.stdout.len(), input.len());
    assert!(output.stdout == input, "what was sent comes back unchanged");
}
