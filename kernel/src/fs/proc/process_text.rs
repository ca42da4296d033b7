//! Texts about a process (proc_pid_stat(5), proc_pid_status(5), and others).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Tid;
use wayfarer_proto::message::{CpuTime, IoCounts};

use super::{BodyFacts, ProcSource, ProcessFacts, ProcessFile, ProcessState, Subject, ThreadFacts};
use crate::fs::OpenFile;

/// Clock ticks in a second, as `sysconf(_SC_CLK_TCK)` has them.
const TICKS: u128 = 100;
/// Bytes of a page.
const PAGE: u64 = 4096;
/// `O_LARGEFILE`.
const O_LARGEFILE: u32 = 0o100_000;
/// The priority of a process that is not nice.
const PRIORITY: i32 = 20;
/// Resource limits as `limits` names and counts them, by their numbers.
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

pub(super) const fn ticks(time: Duration) -> u128 {
    time.as_nanos() * TICKS / 1_000_000_000
}

/// The text of a file that needs no word of the body.
///
/// # Errors
/// `ESRCH` if the process has gone since the file was looked up.
pub(super) fn text(
    source: &dyn ProcSource,
    subject: Subject,
    file: ProcessFile,
) -> Result<Vec<u8>, Errno> {
    let pid = subject.pid;
    let facts = source.process(pid).ok_or(Errno::ESRCH)?;
    let text = match file {
        ProcessFile::Auxiliary => return Ok(source.program(pid).auxiliary),
        ProcessFile::CommandLine => return Ok(source.program(pid).arguments),
        ProcessFile::Environment => return Ok(source.program(pid).environment),
        ProcessFile::Cgroup => String::from("0::/\n"),
        ProcessFile::Comm => format!("{}\n", thread_of(source, subject, &facts)?.name),
        ProcessFile::IdMap => format!("{:>10} {:>10} {:>10}\n", 0, 0, u32::MAX),
        ProcessFile::Limits => limits(&source.limits(pid)),
        // Nobody logs in to a node.
        ProcessFile::LoginUid => format!("{}", u32::MAX),
        ProcessFile::MountInfo => source.mount_info(),
        ProcessFile::Mounts => source.mounts(),
        ProcessFile::OomAdjustment => format!("{}\n", facts.oom_adjustment),
        ProcessFile::OomScore | ProcessFile::WaitChannel => String::from("0"),
        ProcessFile::Personality => format!("{:08x}\n", facts.personality),
        ProcessFile::SetGroups => String::from("allow\n"),
        ProcessFile::Where => format!("{}\n", source.place(pid).ok_or(Errno::ESRCH)?),
        _ => return Err(Errno::EINVAL),
    };
    Ok(text.into_bytes())
}

/// The text of a file that tells what the body has used.
///
/// # Errors
/// `ESRCH` if the process has gone since the file was looked up.
pub(super) fn measured(
    source: &dyn ProcSource,
    subject: Subject,
    file: ProcessFile,
    body: &BodyFacts,
) -> Result<Vec<u8>, Errno> {
    let facts = source.process(subject.pid).ok_or(Errno::ESRCH)?;
    let mut thread = thread_of(source, subject, &facts)?;
    if thread.state == ProcessState::Running
        && body.thread(Tid(subject.number())).is_some_and(|it| it.waits)
    {
        thread.state = ProcessState::Sleeping;
    }
    let text = match file {
        ProcessFile::Io => io(&body.io),
        ProcessFile::Stat => stat(subject, &facts, &thread, body),
        ProcessFile::StatM => {
            let (size, resident) = (body.virtual_bytes / PAGE, body.resident_pages);
            format!("{size} {resident} 0 0 0 {size} 0\n")
        }
        _ => status(subject, &facts, &thread, body),
    };
    Ok(text.into_bytes())
}

/// The text of `io` (proc_pid_io(5)). There is no storage that bytes would go to.
fn io(counts: &IoCounts) -> String {
    let IoCounts { bytes_read, bytes_written, reads, writes } = counts;
    format!(
        "rchar: {bytes_read}\nwchar: {bytes_written}\nsyscr: {reads}\nsyscw: {writes}\n\
         read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"
    )
}

/// The thread that a directory is about.
fn thread_of(
    source: &dyn ProcSource,
    subject: Subject,
    facts: &ProcessFacts,
) -> Result<ThreadFacts, Errno> {
    match subject.tid {
        Some(tid) => source.thread(subject.pid, tid).ok_or(Errno::ESRCH),
        None => Ok(facts.leader.clone()),
    }
}

impl Subject {
    /// The number its directory is called by.
    pub(super) fn number(self) -> i32 {
        self.tid.map_or(self.pid.0, |tid| tid.0)
    }
}

/// The 52 fields of `stat`. What has no meaning here is 0, as proc(5) permits.
fn stat(subject: Subject, facts: &ProcessFacts, thread: &ThreadFacts, body: &BodyFacts) -> String {
    let (letter, _) = thread.state.text();
    let (terminal, foreground) = match facts.terminal {
        Some((device, group)) => (device.0, group.0),
        None => (0, -1),
    };
    let mut text = format!(
        "{} ({}) {letter} {} {} {} {terminal} {foreground} 0 0 0 0 0 ",
        subject.number(),
        thread.name,
        facts.parent,
        facts.group,
        facts.session
    );
    // utime stime cutime cstime priority nice num_threads itrealvalue starttime
    let cpu = match subject.tid {
        Some(tid) => body.thread(tid).map_or_else(CpuTime::default, |thread| thread.cpu),
        None => body.cpu,
    };
    let children = facts.children_cpu;
    for nanos in [cpu.user, cpu.system, children.user, children.system] {
        add(&mut text, format_args!("{} ", ticks(Duration::from_nanos(nanos))));
    }
    let started = ticks(facts.started);
    let (nice, threads) = (facts.nice, facts.threads);
    let priority = PRIORITY + nice;
    add(&mut text, format_args!("{priority} {nice} {threads} 0 {started} "));
    // vsize rss rsslim startcode endcode startstack kstkesp kstkeip
    let (size, resident) = (body.virtual_bytes, body.resident_pages);
    add(&mut text, format_args!("{size} {resident} {} 0 0 0 0 0 ", u64::MAX));
    // signal blocked sigignore sigcatch, of the first 31 signals only
    for set in [thread.pending, thread.blocked, facts.ignored, facts.caught] {
        add(&mut text, format_args!("{} ", set.0 & 0x7fff_ffff));
    }
    // wchan nswap cnswap exit_signal processor rt_priority policy delayacct guest cguest
    let exit_signal = match subject.tid {
        Some(tid) if tid != subject.pid.leader() => -1,
        _ => i32::from(facts.exit_signal),
    };
    add(&mut text, format_args!("0 0 0 {exit_signal} 0 0 0 0 0 0 "));
    // start_data end_data start_brk arg_start arg_end env_start env_end exit_code
    text += "0 0 0 0 0 0 0 0\n";
    text
}

fn status(
    subject: Subject,
    facts: &ProcessFacts,
    thread: &ThreadFacts,
    body: &BodyFacts,
) -> String {
    let (letter, word) = thread.state.text();
    let (pid, number) = (subject.pid, subject.number());
    let mut text = format!("Name:\t{}\nUmask:\t{:04o}\n", thread.name, facts.umask);
    add(&mut text, format_args!("State:\t{letter} ({word})\nTgid:\t{pid}\nNgid:\t0\n"));
    add(&mut text, format_args!("Pid:\t{number}\nPPid:\t{}\nTracerPid:\t0\n", facts.parent));
    let identity = &facts.identity;
    for (name, [real, effective, saved, files]) in
        [("Uid", identity.users), ("Gid", identity.group_ids)]
    {
        add(&mut text, format_args!("{name}:\t{real}\t{effective}\t{saved}\t{files}\n"));
    }
    add(&mut text, format_args!("FDSize:\t{}\nGroups:\t", fd_size(facts.descriptors)));
    identity.groups.iter().for_each(|gid| add(&mut text, format_args!("{gid} ")));
    text += if identity.groups.is_empty() { " \n" } else { "\n" };
    add(&mut text, format_args!("NStgid:\t{pid}\nNSpid:\t{number}\n"));
    add(&mut text, format_args!("NSpgid:\t{}\nNSsid:\t{}\n", facts.group, facts.session));
    if thread.state != ProcessState::Zombie {
        let (size, resident) = (body.virtual_bytes / 1024, body.resident_pages * PAGE / 1024);
        // Nobody counts peaks: what there is now stands for them.
        let sizes = [("VmPeak", size), ("VmSize", size), ("VmLck", 0), ("VmPin", 0)];
        let in_memory = [("VmHWM", resident), ("VmRSS", resident), ("VmSwap", 0)];
        for (name, value) in sizes.into_iter().chain(in_memory) {
            add(&mut text, format_args!("{name}:\t{value:8} kB\n"));
        }
    }
    add(&mut text, format_args!("Threads:\t{}\nSigQ:\t0/0\n", facts.threads));
    let sets = [
        ("SigPnd", thread.pending),
        ("ShdPnd", facts.shared_pending),
        ("SigBlk", thread.blocked),
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
    add(&mut text, format_args!("CapAmb:\t{:016x}\nNoNewPrivs:\t{no_new}\nSeccomp:\t0\n", 0));
    text += "Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n";
    text
}

/// Linux's tables grow in powers of two, from 64.
const fn fd_size(descriptors: usize) -> usize {
    if descriptors <= 64 { 64 } else { descriptors.next_power_of_two() }
}

/// The text of `limits` (proc_pid_limits(5)).
fn limits(limits: &[[u64; 2]]) -> String {
    let mut text = format!("{:26}{:21}{:21}{:10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    let value = |value: u64| match value {
        u64::MAX => String::from("unlimited"),
        value => format!("{value}"),
    };
    for ((name, unit), limits) in LIMITS.iter().zip(limits) {
        let [soft, hard] = limits.map(value);
        add(&mut text, format_args!("{name:25} {soft:20} {hard:20} {unit:10}\n"));
    }
    text
}

/// The text of `fdinfo/N` (proc_pid_fdinfo(5)).
pub(super) fn descriptor(file: &OpenFile) -> String {
    // Linux calls every file large that was opened by name.
    let (position, large) =
        if file.object().has_position() { (file.offset(), O_LARGEFILE) } else { (0, 0) };
    let (flags, inode) = (file.flags().bits() | large, file.metadata().inode);
    format!("pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t0\nino:\t{inode}\n")
}

/// Adds to a text, which cannot fail.
pub(super) fn add(text: &mut String, arguments: core::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}
