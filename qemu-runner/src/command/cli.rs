//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use wayfarer::{
    Accel, Channel, Cluster, ClusterBuilder, Initrd, NodeLimit, Others, Published, Share, artifacts,
};
use wayfarer_proto::boot::{NO_AHEAD, NetKind};
use wayfarer_proto::roam::Roam;

/// How long the nodes of `run` and `shell` live at most when `--timeout` says nothing.
const DAY: u64 = 24 * 3600;

/// The longest `--timeout`, in seconds.
const YEAR: u64 = 366 * DAY;

/// How long the nodes of one part of the benchmark may take.
const BENCH_LIMIT: u64 = 600;

/// How long the demo may take.
const DEMO_LIMIT: u64 = 300;

/// Boots microVMs in QEMU and runs Linux programs that move between them while they run.
///
/// Without a command it is `demo`.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) demo: DemoOptions,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Move programs over three nodes and report what each move cost [the default]
    Demo(DemoOptions),
    /// Run one program on node 1; its exit status becomes this command's
    ///
    /// The exit status is the program's, 128 + N if signal N ended it, 125 if this command failed,
    /// 126 or 127 if the program could not be executed or found. Where standard input and output
    /// are a terminal the program has one; otherwise its input, output and errors pass unchanged.
    Run(RunOptions),
    /// A shell on a terminal of node 1
    ///
    /// Move a program with `echo 2 >/proc/PID/goto`; `cat /proc/PID/where` says where it is.
    Shell(ShellOptions),
    /// Measure forwarded calls, moves and the network, and compare each with the wire
    ///
    /// Prints a table; plots are written to target/bench/. The host should have nothing else to do.
    Bench(BenchOptions),
    /// Who runs where in a cluster that another terminal runs
    ///
    /// The calls are those that a process made while it was away from home: local ones were served
    /// where it was, remote ones at its home, in special ones both took part.
    Ps(ClusterOptions),
    /// Move a process of a cluster that another terminal runs
    Move(MoveOptions),
    /// Who runs where, and how busy they are, once a second until Ctrl-C
    Top(ClusterOptions),
}

/// Which of the running clusters is meant.
#[derive(Args, Debug)]
pub(crate) struct ClusterOptions {
    /// The cluster of the runner with this process id [default: the only one that runs]
    #[arg(long, value_name = "PID")]
    pub(crate) cluster: Option<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct MoveOptions {
    #[command(flatten)]
    pub(crate) of: ClusterOptions,
    /// The process, as `ps` names it
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) pid: i32,
    /// The node it shall move to; its home's number brings it home
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) node: u16,
}

#[derive(Args, Debug)]
pub(crate) struct DemoOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Also write the report to FILE as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(crate) enum Part {
    /// System calls, at home and away
    Calls,
    /// Where the time of a forwarded call goes
    Dissect,
    /// Bulk TCP between nodes
    Bulk,
    /// Moves of processes, against bulk TCP
    Migrate,
    /// From the start of QEMU to the first user instruction
    Boot,
    /// System calls, fork and exec of a process that never moves
    Home,
    /// What a node, a deputy and a guest hold
    Memory,
}

impl Part {
    /// What it is called on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Dissect => "dissect",
            Self::Bulk => "bulk",
            Self::Migrate => "migrate",
            Self::Boot => "boot",
            Self::Home => "home",
            Self::Memory => "memory",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct BenchOptions {
    /// What to measure [default: everything]
    #[arg(value_enum)]
    pub(crate) parts: Vec<Part>,
    #[command(flatten)]
    pub(crate) common: Common,
    /// Also write all figures to FILE as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also write docs/performance.md, its figures (docs/performance.json) and its plots anew; what
    /// is not measured now stays
    #[arg(long)]
    pub(crate) document: bool,
    /// Measure Linux guests under the same emulator too, where a part can; ./setup --peers fetches
    /// what that needs
    #[arg(long)]
    pub(crate) peers: bool,
    /// Few repetitions: to see that everything works, not to quote
    #[arg(long)]
    pub(crate) quick: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) files: Files,
    /// Use the host's directory DIR as the file system: PROGRAM and what it needs are in there
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    pub(crate) root: Option<PathBuf>,
    /// The program: the name of a busybox applet, an executable or script of this host, which
    /// comes with its interpreter and libraries, or a C source file that is compiled first
    pub(crate) program: String,
    /// Its arguments; files of this host that they name come along
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ShellOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// What else of the host is put into the file system.
#[derive(Args, Debug)]
pub(crate) struct Files {
    /// Put the host's file or directory HOST into the file system, as GUEST or at the same path
    /// (may be repeated)
    #[arg(long, value_name = "HOST[:GUEST]", value_parser = host_and_guest)]
    pub(crate) file: Vec<HostFile>,
}

/// A file or directory of the host, and its path on a node if that is another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HostFile {
    pub(crate) host: PathBuf,
    pub(crate) guest: Option<String>,
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// How many nodes to boot [default: 1; demo: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) nodes: Option<u16>,
    /// Each node's memory, as 128M or 1G [default: 128M and the size of the file system]
    #[arg(long, value_name = "SIZE", value_parser = memory_mib)]
    pub(crate) memory: Option<u32>,
    /// How nodes are wired; tap needs root, the others do not
    #[arg(long, value_enum, default_value_t = Net::Stream)]
    pub(crate) net: Net,
    /// How frames travel between nodes: shm is memory that both see, auto that where it is possible
    #[arg(long, value_enum, default_value_t = Channel::Auto)]
    pub(crate) channel: Channel,
    /// How QEMU executes instructions; kvm is accepted but untested, auto is tcg
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub(crate) accel: Accel,
    /// Show each system call on standard error: node, pid, thread, call, where it ran, how long
    #[arg(long)]
    pub(crate) trace: bool,
    /// Write all frames between nodes to FILE, for Wireshark or tcpdump
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Let each node wait for a debugger: node 1 on TCP port 1234, node 2 on 1235, ...
    #[arg(long)]
    pub(crate) gdb: bool,
    /// End the nodes after this many seconds [default: a day; demo: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) timeout: Option<u64>,
    /// Move every process to the next node every 50 ms (50ms), before every 10th call it makes
    /// (every-call=10, or 10), or once, before its 10th call at home (once:10)
    #[arg(long, value_name = "WHEN", value_parser = roam)]
    pub(crate) roam: Option<Roam>,
    /// Let programs that are away wait for the answer to each write, also where it is known
    #[arg(long)]
    pub(crate) no_ahead: bool,
    /// Let programs of node 1 reach what this host reaches; names are looked up as this host does
    #[arg(long)]
    pub(crate) outside: bool,
    /// Let TCP port HOST of this host's loopback address lead to port GUEST of node 1's programs
    /// (may be repeated; implies --outside)
    #[arg(long, value_name = "HOST:GUEST")]
    pub(crate) publish: Vec<Published>,
    /// Mount the directory HOST of this host on GUEST: what either changes the other sees. With :ro
    /// programs of the nodes cannot change it (may be repeated)
    #[arg(long, value_name = "HOST:GUEST[:ro]")]
    pub(crate) share: Vec<Share>,
    /// Boot this kernel: a file, or a package of this workspace (hello-vm) that is built first
    #[arg(long, value_name = "FILE|PACKAGE", default_value = artifacts::KERNEL)]
    pub(crate) kernel: PathBuf,
    /// Run this program instead of the QEMU in PATH
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) qemu: Option<PathBuf>,
}

/// How nodes are wired.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Net {
    /// UNIX datagram sockets; up to 7 nodes
    Dgram,
    /// UNIX stream sockets; up to 7 nodes
    Stream,
    /// A bridge in a network namespace of its own; up to 254 nodes, needs root
    Tap,
}

/// What differs between the commands' defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    nodes: u16,
    seconds: u64,
}

impl Defaults {
    pub(crate) const PROGRAM: Self = Self { nodes: 1, seconds: DAY };
    pub(crate) const BENCH: Self = Self { nodes: 2, seconds: BENCH_LIMIT };
    pub(crate) const DEMO: Self = Self { nodes: 3, seconds: DEMO_LIMIT };
}

impl Common {
    /// The number of nodes asked for.
    pub(crate) fn node_count(&self, defaults: Defaults) -> u16 {
        self.nodes.unwrap_or(defaults.nodes)
    }

    /// How nodes are wired.
    fn net_kind(&self) -> NetKind {
        match self.net {
            Net::Dgram => NetKind::Dgram,
            Net::Stream => NetKind::Stream,
            Net::Tap => NetKind::Tap,
        }
    }

    /// Checks the number of nodes against what the wiring can carry.
    pub(crate) fn check_nodes(&self, defaults: Defaults) -> Result<(), NodeLimit> {
        let others = Others { uplink: self.has_uplink(), shares: self.share.len() };
        wayfarer::check_nodes(self.node_count(defaults), self.net_kind(), others)
    }

    /// Whether node 1 has a way to the outside.
    fn has_uplink(&self) -> bool {
        self.outside || !self.publish.is_empty()
    }

    /// What the options add to every node's command line.
    fn words(&self) -> String {
        let roam = self.roam.unwrap_or_default();
        let trace = if self.trace { " trace" } else { "" };
        let ahead = if self.no_ahead { format!(" {NO_AHEAD}") } else { String::new() };
        format!("{roam}{trace}{ahead}")
    }

    /// The cluster these options describe, for this initial file system.
    pub(crate) fn cluster(&self, defaults: Defaults, files: &Initrd) -> ClusterBuilder {
        let mut builder = Cluster::builder()
            .nodes(self.node_count(defaults))
            .memory_mib(self.memory.unwrap_or_else(|| enough_mib(files)))
            .net(self.net_kind())
            .channel(self.channel)
            .accel(self.accel)
            .debugger(self.gdb)
            .shares(self.share.clone())
            .timeout(Duration::from_secs(self.timeout.unwrap_or(defaults.seconds)));
        if let Some(file) = &self.pcap {
            builder = builder.pcap(file.clone());
        }
        builder = builder.words(&self.words());
        if self.has_uplink() {
            builder = builder.uplink(self.publish.clone());
        }
        if let Some(program) = &self.qemu {
            builder = builder.emulator(program.clone());
        }
        builder
    }
}

/// Reads when processes move.
fn roam(text: &str) -> Result<Roam, String> {
    text.parse().map_err(|_| format!("'{text}' is none of 50ms, every-call=10, once:10"))
}

/// The least and the most memory of a node in MiB.
const LEAST: u32 = 16;
const MOST: u32 = 64 * 1024;

/// Memory in MiB for programs beside these files, which are held in memory, too.
fn enough_mib(files: &Initrd) -> u32 {
    const PROGRAMS: u32 = 128;
    // A node has an inode for every two pages that are free when it fills its file system.
    const PER_FILE: u64 = 2 * 4096;
    let held = files.size() + files.count() * PER_FILE;
    let held = u32::try_from(held >> 20).unwrap_or(MOST);
    let beyond_small = held.saturating_sub(PROGRAMS / 8);
    PROGRAMS.saturating_add(beyond_small).min(MOST)
}

/// Reads "128", "128M" or "1G" as MiB.
fn memory_mib(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.char_indices().next_back() {
        Some((end, 'G' | 'g')) => (&text[..end], 1024),
        Some((end, 'M' | 'm')) => (&text[..end], 1),
        _ => (text, 1),
    };
    let size = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
    let size = size.ok_or_else(|| "expected a size such as 128M or 1G".to_owned())?;
    if (LEAST..=MOST).contains(&size) {
        Ok(size)
    } else {
        Err(format!("expected {LEAST}M to {}G", MOST / 1024))
    }
}

fn host_and_guest(text: &str) -> Result<HostFile, String> {
    let (host, guest) = match text.rsplit_once(':') {
        Some((host, guest)) if guest.starts_with('/') => (host, Some(guest.to_owned())),
        Some(_) => return Err("expected HOST:GUEST, GUEST being an absolute path".to_owned()),
        None => (text, None),
    };
    if host.is_empty() {
        return Err("expected HOST or HOST:GUEST".to_owned());
    }
    Ok(HostFile { host: PathBuf::from(host), guest })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_is_the_demo_and_takes_its_options() {
        let cli = parse("wayfarer").unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.demo.common.node_count(Defaults::DEMO), 3);
        let cli = parse("wayfarer --nodes 4 --json out.json").unwrap();
        assert_eq!(cli.demo.common.node_count(Defaults::DEMO), 4);
        assert_eq!(cli.demo.json, Some(PathBuf::from("out.json")));
    }

    fn run_options(line: &str) -> RunOptions {
        match parse(line).unwrap().command {
            Some(Command::Run(options)) => options,
            other => panic!("not run: {other:?}"),
        }
    }

    #[test]
    fn options_end_at_the_program() {
        let options = run_options("wayfarer run --nodes 2 busybox sh -c --trace x --nodes 9");
        assert_eq!(options.program, "busybox");
        assert_eq!(options.arguments, ["sh", "-c", "--trace", "x", "--nodes", "9"]);
        assert_eq!(options.common.node_count(Defaults::PROGRAM), 2);
        assert!(!options.common.trace);
        let options = run_options("wayfarer run --trace -- ls -- -l");
        assert_eq!(options.program, "ls");
        assert_eq!(options.arguments.last().map(String::as_str), Some("-l"));
        assert!(options.common.trace);
    }

    #[test]
    fn wrong_words_are_refused() {
        for line in [
            "wayfarer run",
            "wayfarer fly",
            "wayfarer run --nodes 0 ls",
            "wayfarer run --nodes x ls",
            "wayfarer run --net pigeon ls",
            "wayfarer run --memory 5 ls",
            "wayfarer run --file here:there ls",
            "wayfarer run --share here ls",
            "wayfarer shell --timeout 0",
            "wayfarer shell --timeout 99999999999999999",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn many_small_files_have_room() {
        let mut files = Initrd::bare();
        assert_eq!(enough_mib(&files), 128);
        for number in 0..50_000 {
            files.add_file(&format!("/{number}"), 0o644, vec![b'x']);
        }
        assert!(enough_mib(&files) >= 128 - 16 + 50_000 / (1 << 20 >> 13));
    }

    #[test]
    fn sizes() {
        assert_eq!(memory_mib("64"), Ok(64));
        assert_eq!(memory_mib("64m"), Ok(64));
        assert_eq!(memory_mib("2G"), Ok(2048));
        assert!(memory_mib("").is_err() && memory_mib("G").is_err());
        assert!(memory_mib("99999999G").is_err());
        let file = |host: &str, guest: Option<&str>| {
            Ok(HostFile { host: PathBuf::from(host), guest: guest.map(str::to_owned) })
        };
        assert_eq!(host_and_guest("a:b:/c"), file("a:b", Some("/c")));
        assert_eq!(host_and_guest("a"), file("a", None));
        assert!(host_and_guest("a:b").is_err() && host_and_guest(":/c").is_err());
    }
}
