//! One node's QEMU process.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wayfarer_proto::boot::{EXIT_EXCEPTION, EXIT_FAILED, EXIT_ORDERLY, EXIT_PANIC};
use wayfarer_proto::id::NodeId;

use crate::children;
use crate::cluster::LogTail;
use crate::console::{self, ConsoleSender};
use crate::reporter::Reporter;

/// How many lines of a log are shown below an error.
const TAIL_LINES: usize = 30;

/// How long the host may take to end a killed process.
const KILL_LIMIT: Duration = Duration::from_secs(2);

/// How often a process that should end is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How a QEMU process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The node powered off.
    PoweredOff,
    /// The runner's user killed it ([`Cluster::kill`](crate::Cluster::kill)).
    Killed,
    /// The kernel could not boot.
    Failed,
    /// The kernel panicked.
    Panicked,
    /// The processor raised an exception in the kernel.
    Exception,
    /// The machine was reset or QEMU gave up, with this status (`None`: ended by a signal).
    Stopped(Option<i32>),
    /// It had to be killed because it did not power off.
    Hung,
}

impl Ending {
    fn of(status: ExitStatus) -> Self {
        let from_node = |value: u8| Some(2 * i32::from(value) + 1);
        match status.code() {
            code if code == from_node(EXIT_ORDERLY) => Self::PoweredOff,
            code if code == from_node(EXIT_FAILED) => Self::Failed,
            code if code == from_node(EXIT_PANIC) => Self::Panicked,
            code if code == from_node(EXIT_EXCEPTION) => Self::Exception,
            code => Self::Stopped(code),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoweredOff => f.write_str("powered off"),
            Self::Killed => f.write_str("was killed"),
            Self::Failed => f.write_str("stopped: it could not boot"),
            Self::Panicked => f.write_str("stopped: its kernel panicked"),
            Self::Exception => f.write_str("stopped: an exception in its kernel"),
            Self::Stopped(Some(status)) => write!(f, "stopped: QEMU exited with status {status}"),
            Self::Stopped(None) => f.write_str("stopped: QEMU was ended by a signal"),
            Self::Hung => f.write_str("did not power off when told to"),
        }
    }
}

/// A child that its owner and the watchdog may both end.
#[derive(Clone, Debug)]
pub(crate) struct SharedChild(Arc<Mutex<Child>>);

impl SharedChild {
    fn with<T>(&self, act: impl FnOnce(&mut Child) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends it; one that has ended already is left alone.
    pub(crate) fn kill(&self) {
        let _ = self.with(Child::kill);
    }

    pub(crate) fn id(&self) -> u32 {
        self.with(|child| child.id())
    }

    /// Its status, once it ended, within `limit`. Never holds the lock while waiting.
    fn ended(&self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.with(Child::try_wait).ok().flatten();
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A started node.
#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) node: NodeId,
    pub(crate) console: ConsoleSender,
    pub(crate) captures: Vec<PathBuf>,
    child: SharedChild,
    serial: PathBuf,
    errors: PathBuf,
    /// Lines that came as frames.
    lines: Vec<String>,
    was_killed: bool,
}

/// Where a node's bytes go besides its console.
pub(crate) struct Outputs {
    /// Its serial port, which QEMU writes.
    pub(crate) serial: PathBuf,
    /// QEMU's own messages.
    pub(crate) errors: PathBuf,
    /// One capture for each packet port, or none.
    pub(crate) captures: Vec<PathBuf>,
}

impl Vm {
    /// Starts QEMU and a thread that reads its console.
    pub(crate) fn start(
        node: NodeId,
        mut command: Command,
        outputs: Outputs,
        reporter: Reporter,
    ) -> io::Result<Self> {
        let Outputs { serial, errors, captures } = outputs;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&errors)?);
        let mut child = children::spawn(command)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("no console pipes"))?;
        std::thread::spawn(move || {
            console::read_frames(output, |event| reporter.tell(node, event));
        });
        Ok(Self {
            node,
            console: ConsoleSender::new(input),
            captures,
            child: SharedChild(Arc::new(Mutex::new(child))),
            serial,
            errors,
            lines: Vec::new(),
            was_killed: false,
        })
    }

    pub(crate) fn child(&self) -> SharedChild {
        self.child.clone()
    }

    pub(crate) fn kill(&mut self) {
        self.was_killed = true;
        self.child.kill();
    }

    /// Ends it if it has not ended, and waits until it has.
    pub(crate) fn end(&mut self) {
        self.child.kill();
        let _ = self.child.ended(KILL_LIMIT);
    }

    /// Waits for the end of a node that was told to power off or whose console has closed, and
    /// ends one that does not.
    pub(crate) fn await_end(&mut self, limit: Duration) -> Ending {
        match self.child.ended(limit) {
            Some(_) if self.was_killed => Ending::Killed,
            Some(status) => Ending::of(status),
            None => {
                self.child.kill();
                let _ = self.child.ended(limit);
                Ending::Hung
            }
        }
    }

    pub(crate) fn add_log(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }

    /// QEMU's own words, the serial port's, and the lines that came as frames.
    pub(crate) fn log(&self) -> String {
        let text =
            |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        let mut log = text(&self.errors) + &text(&self.serial);
        for line in &self.lines {
            log.push_str(line);
            log.push('\n');
        }
        log
    }

    pub(crate) fn tail(&self) -> LogTail {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        LogTail(lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn endings_of_qemu() {
        let exit = |code: i32| Ending::of(ExitStatus::from_raw(code << 8));
        assert_eq!(exit(33), Ending::PoweredOff);
        assert_eq!(exit(37), Ending::Panicked);
        assert_eq!(exit(1), Ending::Stopped(Some(1)), "a QEMU that could not start");
        assert_eq!(exit(0), Ending::Stopped(Some(0)), "a reset under -no-reboot");
        assert_eq!(Ending::of(ExitStatus::from_raw(9)), Ending::Stopped(None), "not by us");
    }
}
