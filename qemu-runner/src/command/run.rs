//! `run` and `shell`: one program on node 1, with this command's input, output and terminal.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use wayfarer::control::ControlError;
use wayfarer::{Cluster, Initrd, program};
use wayfarer_proto::console::{FromNode, Start, ToNode};
use wayfarer_proto::id::NodeId;
use wayfarer_proto::linux::signal::Signal;

use super::cli::{Common, Defaults, RunOptions, ShellOptions};
use super::failure::Failure;
use super::progress::Progress;
use super::terminal::{self, RawMode};
use super::{pack, prepare, show, signals};

/// Where programs start.
const FIRST: NodeId = NodeId(1);

/// Runs the program the options name.
pub(crate) fn run(options: &RunOptions) -> Result<u8, Failure> {
    let (initrd, start) = pack::program(options)?;
    execute(&options.common, &initrd, start)
}

/// Runs a login shell.
pub(crate) fn shell(options: &ShellOptions) -> Result<u8, Failure> {
    let mut initrd = Initrd::new()?;
    pack::add_files(&mut initrd, &options.files.file)?;
    let mut start = program::command(&["sh"]);
    start.argv = vec![b"-sh".to_vec()];
    start.cwd = b"/root".to_vec();
    start.envp.push(b"PS1=\\w \\$ ".to_vec());
    execute(&options.common, &initrd, start)
}

fn execute(common: &Common, initrd: &Initrd, mut start: Start) -> Result<u8, Failure> {
    let kernel = prepare::kernel(common, Defaults::PROGRAM)?;
    let mut cluster = boot(common, &kernel, initrd)?;
    start.trace = common.trace;
    start.tty = terminal::is_lent();
    start.size = terminal::size();
    if start.tty {
        take_term(&mut start);
    }
    signals::forward(&cluster, FIRST).map_err(Failure::Terminal)?;
    cluster.serve_control().map_err(ControlError::from)?;
    let status = {
        let _raw = start.tty.then(RawMode::enter).transpose().map_err(Failure::Terminal)?;
        attend(&mut cluster, &start, common.trace)?
    };
    cluster.shutdown()?;
    Ok(status)
}

fn boot(common: &Common, kernel: &Path, initrd: &Initrd) -> Result<Cluster, Failure> {
    let progress = Progress::new("booting");
    if common.gdb {
        progress.line("node 1 waits: gdb KERNEL -ex 'target remote 127.0.0.1:1234' -ex continue");
    }
    Ok(common.cluster(Defaults::PROGRAM, initrd).start(kernel, initrd)?)
}

/// Tells the program which kind of terminal it has.
fn take_term(start: &mut Start) {
    if let Ok(term) = std::env::var("TERM") {
        start.envp.retain(|variable| !variable.starts_with(b"TERM="));
        start.envp.push(format!("TERM={term}").into_bytes());
    }
}

/// Passes the program's output on until it ends; gives its status as a shell would.
fn attend(cluster: &mut Cluster, start: &Start, trace: bool) -> Result<u8, Failure> {
    let console = cluster.node(FIRST).clone();
    // A terminal in raw mode does not return the carriage by itself.
    let line_end = if start.tty { "\r\n" } else { "\n" };
    let mut missing = BTreeMap::new();
    let status = cluster.run(FIRST, start, io::stdin(), |sender, frame| {
        let written = match &frame {
            FromNode::Missing(call) => {
                missing.insert(call.number, call.program.clone());
                Ok(())
            }
            FromNode::Stdout(bytes) => pass(&mut io::stdout(), bytes),
            FromNode::Stderr(bytes) => pass(&mut io::stderr(), bytes),
            frame => match show::line(sender, frame, trace) {
                Some(text) => write!(io::stderr(), "{text}{line_end}"),
                None => Ok(()),
            },
        };
        match written {
            // Nobody reads: what a writer on this host would be told.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                console.send(&ToNode::Signal(Signal::SIGPIPE.number().into()))
            }
            other => other,
        }
    })?;
    if !missing.is_empty() {
        eprint!("{}{line_end}", show::missing(&missing));
    }
    Ok(status.shell_status())
}

fn pass(output: &mut dyn io::Write, bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes)?;
    output.flush()
}
