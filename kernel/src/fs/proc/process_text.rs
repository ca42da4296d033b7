//! Texts about a process (proc_pid_stat(5), proc_pid_status(5)).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;

use super::{ProcSource, ProcessFacts, ProcessFile, ProcessState};

/// Clock ticks in a second, as `sysconf(_SC_CLK_TCK)` has them.
const TICKS: u128 = 100;
/// Bytes of a page.
const PAGE: u64 = 4096;

pub(super) const fn ticks(time: Duration) -> u128 {
    time.as_nanos() * TICKS / 1_000_000_000
}

/// The text of a file.
///
/// # Errors
/// `ESRCH` if the process has gone since the file was looked up.
pub(super) fn text(source: &dyn ProcSource, pid: Pid, file: ProcessFile) -> Result<Vec<u8>, Errno> {
    let facts = source.process(pid).ok_or(Errno::ESRCH)?;
    let text = match file {
        ProcessFile::CommandLine => return Ok(source.command_line(pid)),
        ProcessFile::Comm => format!("{}\n", facts.comm),
        ProcessFile::Mounts => source.mounts(),
        ProcessFile::Stat => stat(pid, &facts),
        ProcessFile::StatM => {
            let (size, resident) = (facts.virtual_bytes / PAGE, facts.resident_pages);
            format!("{size} {resident} 0 0 0 {size} 0\n")
        }
        ProcessFile::Status => status(pid, &facts),
        ProcessFile::Where => {
            let place = source.place(pid).ok_or(Errno::ESRCH)?;
            format!("{place}\n")
        }
        ProcessFile::Maps => return Err(Errno::EINVAL),
    };
    Ok(text.into_bytes())
}

/// The 52 fields of `stat`. What has no meaning here is 0, as proc(5) permits.
fn stat(pid: Pid, facts: &ProcessFacts) -> String {
    let (letter, _) = facts.state.text();
    let (terminal, foreground) = match facts.terminal {
        Some((device, group)) => (device.0, group.0),
        None => (0, -1),
    };
    let mut text = format!(
        "{pid} ({}) {letter} {} {} {} {terminal} {foreground} 0 0 0 0 0 ",
        facts.comm, facts.parent, facts.group, facts.session
    );
    // utime stime cutime cstime priority nice num_threads itrealvalue starttime
    let (cpu, children, started) =
        (ticks(facts.cpu), ticks(facts.children_cpu), ticks(facts.started));
    add(&mut text, format_args!("{cpu} 0 {children} 0 20 0 {} 0 {started} ", facts.threads));
    // vsize rss rsslim startcode endcode startstack kstkesp kstkeip
    let (size, resident) = (facts.virtual_bytes, facts.resident_pages);
    add(&mut text, format_args!("{size} {resident} {} 0 0 0 0 0 ", u64::MAX));
    // signal blocked sigignore sigcatch, of the first 31 signals only
    for set in [facts.pending, facts.blocked, facts.ignored, facts.caught] {
        add(&mut text, format_args!("{} ", set.0 & 0x7fff_ffff));
    }
    // wchan nswap cnswap exit_signal processor rt_priority policy delayacct guest cguest
    text += "0 0 0 17 0 0 0 0 0 0 ";
    // start_data end_data start_brk arg_start arg_end env_start env_end exit_code
    text += "0 0 0 0 0 0 0 0\n";
    text
}

fn status(pid: Pid, facts: &ProcessFacts) -> String {
    let (letter, word) = facts.state.text();
    let mut text = format!("Name:\t{}\nUmask:\t{:04o}\n", facts.comm, facts.umask);
    add(&mut text, format_args!("State:\t{letter} ({word})\nTgid:\t{pid}\nNgid:\t0\n"));
    add(&mut text, format_args!("Pid:\t{pid}\nPPid:\t{}\nTracerPid:\t0\n", facts.parent));
    let identity = &facts.identity;
    for (name, [real, effective, saved, files]) in
        [("Uid", identity.users), ("Gid", identity.group_ids)]
    {
        add(&mut text, format_args!("{name}:\t{real}\t{effective}\t{saved}\t{files}\n"));
    }
    add(&mut text, format_args!("FDSize:\t{}\nGroups:\t", fd_size(facts.descriptors)));
    identity.groups.iter().for_each(|gid| add(&mut text, format_args!("{gid} ")));
    text += if identity.groups.is_empty() { " \n" } else { "\n" };
    add(&mut text, format_args!("NSpgid:\t{}\nNSsid:\t{}\n", facts.group, facts.session));
    if facts.state != ProcessState::Zombie {
        let (size, resident) = (facts.virtual_bytes / 1024, facts.resident_pages * PAGE / 1024);
        add(&mut text, format_args!("VmSize:\t{size:8} kB\nVmRSS:\t{resident:8} kB\n"));
    }
    add(&mut text, format_args!("Threads:\t{}\n", facts.threads));
    let sets = [
        ("SigPnd", facts.pending),
        ("ShdPnd", facts.shared_pending),
        ("SigBlk", facts.blocked),
        ("SigIgn", facts.ignored),
        ("SigCgt", facts.caught),
    ];
    for (name, set) in sets {
        add(&mut text, format_args!("{name}:\t{:016x}\n", set.0));
    }
    for (name, set) in ["Inh", "Prm", "Eff", "Bnd"].iter().zip(identity.capabilities) {
        add(&mut text, format_args!("Cap{name}:\t{set:016x}\n"));
    }
    let no_new = u8::from(identity.no_new_privileges);
    add(&mut text, format_args!("CapAmb:\t{:016x}\nNoNewPrivs:\t{no_new}\n", 0));
    text += "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n";
    text
}

/// Linux's tables grow in powers of two, from 64.
const fn fd_size(descriptors: usize) -> usize {
    if descriptors <= 64 { 64 } else { descriptors.next_power_of_two() }
}

/// Adds to a text, which cannot fail.
pub(super) fn add(text: &mut String, arguments: core::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}
