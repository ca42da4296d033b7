//! Boots the self-test image under QEMU (TCG, microvm) and checks how it ends.

use std::process::{Command, Output};

/// Runs the image with a command line; the machine has 20 seconds.
fn boot(command_line: &str) -> Output {
    let machine = "microvm,accel=tcg,isa-serial=on,pcie=off,acpi=off,ioapic2=off,pic=off,pit=off,\
                   rtc=off";
    Command::new("timeout")
        .args(["20", "qemu-system-x86_64", "-machine", machine, "-cpu", "max", "-m", "256"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
        .args(["-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .args(["-global", "virtio-mmio.force-legacy=false"])
        .args(["-kernel", env!("CARGO_BIN_EXE_machine-selftest"), "-append", command_line])
        .output()
        .expect("qemu-system-x86_64 and timeout are installed")
}

#[track_caller]
fn check(command_line: &str, status: i32, expected: &str) {
    let output = boot(command_line);
    let log = String::from_utf8_lossy(&output.stdout);
    print!("{log}");
    assert_eq!(output.status.code(), Some(status), "exit status");
    assert!(log.contains(expected), "the log says {expected:?}");
}

#[test]
fn all_tests_inside_pass() {
    check("test", 33, "all tests passed");
}

#[test]
fn a_panic_is_reported() {
    check("panic", 37, "as asked");
}

#[test]
fn a_fault_in_the_kernel_is_reported() {
    check("fault", 39, "kernel exception 14 (page fault), error code 0x3");
}

#[test]
fn a_stack_overflow_is_caught_by_the_guard_page() {
    check("overflow", 39, "kernel exception 14 (page fault), error code 0x2");
}
