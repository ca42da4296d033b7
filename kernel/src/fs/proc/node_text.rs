//! Texts about the node (proc_meminfo(5), proc_stat(5), proc_uptime(5) and others).

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::process_text::{add, ticks};
use super::{NodeFacts, ProcSource};

/// `filesystems`.
pub(super) const FILE_SYSTEMS: &str = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tsockfs\n\
    nodev\tpipefs\nnodev\tdevpts\nnodev\tmqueue\nnodev\t9p\n";
/// `devices`.
pub(super) const DEVICES: &str = "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  \
    5 /dev/ptmx\n128 ptm\n136 pts\n\nBlock devices:\n";

/// `loadavg`. No load is averaged: what runs now stands for all three spans.
pub(super) fn load_average(node: &NodeFacts) -> String {
    let (running, processes, last) = (node.running, node.processes, node.last_pid);
    format!("{running}.00 {running}.00 {running}.00 {running}/{processes} {last}\n")
}

/// `uptime`.
pub(super) fn uptime(node: &NodeFacts) -> String {
    format!("{} {}\n", seconds(node.uptime), seconds(node.idle))
}

/// `version`.
pub(super) fn version(node: &NodeFacts) -> String {
    format!("Linux version {} (node {}) {}\n", node.release, node.node, node.version)
}

/// `vmstat`, as far as vmstat(8) looks.
pub(super) fn vm_stat(node: &NodeFacts) -> String {
    let free = node.memory_free / 4096;
    format!(
        "nr_free_pages {free}\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\n\
         pgmajfault 0\noom_kill 0\n"
    )
}

/// `wayfarer`: the kernel's own counts.
pub(super) fn wayfarer(source: &dyn ProcSource) -> String {
    let mut text = String::new();
    for (name, value) in source.counts() {
        add(&mut text, format_args!("{name} {value}\n"));
    }
    for line in source.long_polls() {
        add(&mut text, format_args!("long_poll {line}\n"));
    }
    text
}

/// Seconds with two decimals.
fn seconds(time: Duration) -> String {
    format!("{}.{:02}", time.as_secs(), time.subsec_millis() / 10)
}

/// `cpuinfo`.
pub(super) fn cpu_info(node: &NodeFacts) -> String {
    let mut text = String::from("processor\t: 0\n");
    add(&mut text, format_args!("vendor_id\t: {}\n", node.cpu_vendor));
    add(&mut text, format_args!("cpu family\t: 6\nmodel\t\t: 6\n"));
    add(&mut text, format_args!("model name\t: {}\nstepping\t: 0\n", node.cpu_model));
    text += "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n";
    text += "apicid\t\t: 0\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\n";
    add(&mut text, format_args!("flags\t\t: {}\n", node.cpu_flags));
    text += "clflush size\t: 64\ncache_alignment\t: 64\n\n";
    text
}

/// `meminfo`.
pub(super) fn mem_info(node: &NodeFacts) -> String {
    let mut text = String::new();
    let lines = [
        ("MemTotal:", node.memory_total),
        ("MemFree:", node.memory_free),
        ("MemAvailable:", node.memory_free),
        ("Buffers:", 0),
        ("Cached:", 0),
        ("SwapCached:", 0),
        ("Active:", 0),
        ("Inactive:", 0),
        ("SwapTotal:", 0),
        ("SwapFree:", 0),
        ("Shmem:", 0),
        ("Slab:", 0),
        ("SReclaimable:", 0),
        ("SUnreclaim:", 0),
        ("CommitLimit:", node.memory_total),
        ("VmallocTotal:", 0),
        ("VmallocUsed:", 0),
    ];
    for (name, bytes) in lines {
        add(&mut text, format_args!("{name:16}{:8} kB\n", bytes / 1024));
    }
    text
}

/// `stat`.
pub(super) fn stat(node: &NodeFacts) -> String {
    let idle = ticks(node.idle);
    let busy = ticks(node.uptime).saturating_sub(idle);
    let mut text = String::new();
    for name in ["cpu ", "cpu0"] {
        add(&mut text, format_args!("{name} {busy} 0 0 {idle} 0 0 0 0 0 0\n"));
    }
    text += "intr 0\nctxt 0\n";
    add(&mut text, format_args!("btime {}\nprocesses {}\n", node.booted.as_secs(), node.forks));
    add(&mut text, format_args!("procs_running {}\nprocs_blocked 0\n", node.running));
    text += "softirq 0 0 0 0 0 0 0 0 0 0 0\n";
    text
}
