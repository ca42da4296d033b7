//! `run` and `shell`: one program on node 1, with this command's input, output and terminal.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use wayfarer::artifacts;
use wayfarer::{Cluster, Initrd, program};
use wayfarer_proto::console::{FromNode, Start, ToNode};
use wayfarer_proto::id::NodeId;
use wayfarer_proto::linux::signal::Signal;

use super::cli::{Common, Defaults, RunOptions, ShellOptions};
use super::failure::Failure;
use super::progress::Progress;
use super::terminal::{self, RawMode};
use super::{prepare, show, signals};

/// Where programs start.
const FIRST: NodeId = NodeId(1);

/// Runs the program the options name.
pub(crate) fn run(options: &RunOptions) -> Result<u8, Failure> {
    let mut initrd = Initrd::new()?;
    add_files(&mut initrd, &options.file)?;
    let name = pack(&mut initrd, &options.program)?;
    let argv: Vec<&str> = std::iter::once(name.as_str())
        .chain(options.arguments.iter().map(String::as_str))
        .collect();
    execute(&options.common, &initrd, program::command(&argv))
}

/// Runs a login shell.
pub(crate) fn shell(options: &ShellOptions) -> Result<u8, Failure> {
    let mut initrd = Initrd::new()?;
    add_files(&mut initrd, &options.file)?;
    let mut start = program::command(&["sh"]);
    start.argv = vec![b"-sh".to_vec()];
    start.cwd = b"/root".to_vec();
    start.envp.push(b"PS1=\\w \\$ ".to_vec());
    execute(&options.common, &initrd, start)
}

fn add_files(initrd: &mut Initrd, files: &[(PathBuf, String)]) -> Result<(), Failure> {
    for (host, guest) in files {
        initrd.add_host_file(guest, host)?;
    }
    Ok(())
}

/// Makes sure that the program is in the file system; gives the name it is started by. A name
/// without a slash is a busybox applet if there is one, else it is looked up in PATH.
fn pack(initrd: &mut Initrd, program: &str) -> Result<String, Failure> {
    if !program.contains('/') && initrd.contains(&format!("/bin/{program}")) {
        return Ok(program.to_owned());
    }
    let missing = || Failure::NoProgram { program: program.to_owned() };
    let mut host = prepare::find(program).ok_or_else(missing)?;
    prepare::readable(&host)?;
    if host.extension().is_some_and(|extension| extension == "c") {
        host = artifacts::c_program(&host)?;
    }
    let name = host.file_name().unwrap_or(host.as_os_str()).to_string_lossy().into_owned();
    initrd.add_program(&format!("/bin/{name}"), &host)?;
    Ok(name)
}

fn execute(common: &Common, initrd: &Initrd, mut start: Start) -> Result<u8, Failure> {
    let kernel = prepare::kernel(common)?;
    let mut cluster = boot(common, &kernel, initrd)?;
    start.trace = common.trace;
    start.tty = terminal::is_lent();
    start.size = terminal::size();
    if start.tty {
        take_term(&mut start);
    }
    signals::forward(&cluster, FIRST).map_err(Failure::Terminal)?;
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
    Ok(common.cluster(Defaults::PROGRAM).start(kernel, initrd)?)
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
    let status = cluster.run(FIRST, start, io::stdin(), |sender, frame| {
        let written = match &frame {
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
    Ok(status.shell_status())
}

fn pass(output: &mut dyn io::Write, bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_would() {
        let mut initrd = Initrd::bare();
        initrd.add_link("/bin/ls", "busybox");
        assert_eq!(pack(&mut initrd, "ls").unwrap(), "ls");
        let missing = pack(&mut initrd, "no-such-program-anywhere").unwrap_err();
        assert_eq!(missing.status(), 127);
        let unreadable = pack(&mut initrd, "./no-such-file").unwrap_err();
        assert!(unreadable.to_string().starts_with("cannot read ./no-such-file"), "{unreadable}");
        assert_eq!(unreadable.status(), 127);
    }

    #[test]
    fn dynamic_programs_are_refused_by_name() {
        let mut initrd = Initrd::bare();
        // This test itself is one.
        let this = std::env::current_exe().unwrap();
        let refused = pack(&mut initrd, &this.to_string_lossy()).unwrap_err();
        assert!(refused.to_string().contains("dynamically linked"), "{refused}");
        assert_eq!(refused.status(), 126);
    }
}
