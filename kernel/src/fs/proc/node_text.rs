//! Texts about the node (proc_meminfo(5), proc_stat(5), proc_uptime(5) and others).

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::process_text::{add, ticks};
use super::{NodeFacts, NodeFile, ProcSource};

/// The text of a file.
pub(super) fn text(source: &dyn ProcSource, file: NodeFile) -> String {
    let node = source.node();
    match file {
        NodeFile::CpuInfo => cpu_info(&node),
        NodeFile::FileSystems => "nodev\ttmpfs\nnodev\tproc\nnodev\tpipefs\n".into(),
        // No load is averaged: what runs now stands for all three spans.
        NodeFile::LoadAverage => format!(
            "{0}.00 {0}.00 {0}.00 {0}/{1} {2}\n",
            node.running, node.processes, node.last_pid
        ),
        NodeFile::MemInfo => mem_info(&node),
        NodeFile::Stat => stat(&node),
        NodeFile::Uptime => {
            let mut text = seconds(node.uptime);
            text.push(' ');
            text += &seconds(node.idle);
            text.push('\n');
            text
        }
        NodeFile::Version => format!("{}\n", node.version),
        NodeFile::Wayfarer => {
            let mut text = String::new();
            for (name, value) in source.counts() {
                add(&mut text, format_args!("{name} {value}\n"));
            }
            for line in source.long_polls() {
                add(&mut text, format_args!("long_poll {line}\n"));
            }
            text
        }
    }
}

/// Seconds with two decimals.
fn seconds(time: Duration) -> String {
    format!("{}.{:02}", time.as_secs(), time.subsec_millis() / 10)
}

fn cpu_info(node: &NodeFacts) -> String {
    let mut text = String::from("processor\t: 0\n");
    add(&mut text, format_args!("vendor_id\t: {}\n", node.cpu_vendor));
    add(&mut text, format_args!("model name\t: {}\n", node.cpu_model));
    text += "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n";
    add(&mut text, format_args!("flags\t\t: {}\n\n", node.cpu_flags));
    text
}

fn mem_info(node: &NodeFacts) -> String {
    let mut text = String::new();
    let lines = [
        ("MemTotal:", node.memory_total),
        ("MemFree:", node.memory_free),
        ("MemAvailable:", node.memory_free),
        ("Buffers:", 0),
        ("Cached:", 0),
        ("SwapCached:", 0),
        ("SwapTotal:", 0),
        ("SwapFree:", 0),
        ("Shmem:", 0),
        ("SReclaimable:", 0),
    ];
    for (name, bytes) in lines {
        add(&mut text, format_args!("{name:16}{:8} kB\n", bytes / 1024));
    }
    text
}

fn stat(node: &NodeFacts) -> String {
    let idle = ticks(node.idle);
    let busy = ticks(node.uptime).saturating_sub(idle);
    let mut text = String::new();
    for name in ["cpu ", "cpu0"] {
        add(&mut text, format_args!("{name} {busy} 0 0 {idle} 0 0 0 0 0 0\n"));
    }
    text += "intr 0\nctxt 0\n";
    add(&mut text, format_args!("btime {}\nprocesses {}\n", node.booted.as_secs(), node.forks));
    add(&mut text, format_args!("procs_running {}\nprocs_blocked 0\n", node.running));
    text
}
