//! One program on one node, from its start to its end.

use std::io::{self, Cursor, Read};
use std::time::Duration;

use wayfarer_proto::console::{
    Counts, Exit, ExitStatus, FromNode, Moved, ProgramReport, Refused, Start, ToNode, Trace,
    WindowSize,
};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::NodeId;

use crate::cluster::{Cluster, ClusterError};

/// The environment a program gets when nobody says otherwise.
const ENVIRONMENT: [&str; 4] = ["PATH=/bin", "HOME=/root", "USER=root", "TERM=dumb"];

/// How long an idle node may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How long to wait for the reason of a broken wire.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The node could not execute it.
    #[error("cannot run {path}: {errno}")]
    NotStarted {
        /// Its path on the node.
        path: String,
        /// Why, as execve(2) says.
        errno: Errno,
    },
    /// The cluster ended, or its time.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Its output could not be written, or the console not be reached.
    #[error("cannot pass on the program's input or output: {0}")]
    Io(#[from] io::Error),
}

/// The program with these arguments, in the root directory, without a terminal. A name without a
/// slash is looked up in `/bin`.
///
/// # Panics
/// If there is no argument: `argv[0]` names the program.
pub fn command<A: AsRef<[u8]>>(argv: &[A]) -> Start {
    let name = argv.first().expect("argv[0] names the program").as_ref();
    let prefix: &[u8] = if name.contains(&b'/') { b"" } else { b"/bin/" };
    Start {
        path: [prefix, name].concat(),
        argv: argv.iter().map(|word| word.as_ref().to_vec()).collect(),
        envp: ENVIRONMENT.iter().map(|word| word.as_bytes().to_vec()).collect(),
        cwd: b"/".to_vec(),
        tty: false,
        size: WindowSize { rows: 24, cols: 80 },
        trace: false,
    }
}

/// What a program did, collected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output, or to its terminal.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Migrations that ended meanwhile.
    pub moves: Vec<Moved>,
    /// Migrations that were refused.
    pub refused: Vec<Refused>,
    /// Reports of processes that ended.
    pub programs: Vec<ProgramReport>,
    /// System calls, if they were asked for.
    pub calls: Vec<Trace>,
    /// Lines the nodes logged.
    pub log: Vec<String>,
}

impl Outcome {
    /// One that did nothing yet and will have ended so.
    pub fn new(status: ExitStatus) -> Self {
        Self {
            status,
            stdout: Vec::new(),
            stderr: Vec::new(),
            moves: Vec::new(),
            refused: Vec::new(),
            programs: Vec::new(),
            calls: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Adds what one frame says.
    pub fn add(&mut self, frame: FromNode) {
        match frame {
            FromNode::Stdout(bytes) => self.stdout.extend(bytes),
            FromNode::Stderr(bytes) => self.stderr.extend(bytes),
            FromNode::Moved(moved) => self.moves.push(moved),
            FromNode::Refused(refused) => self.refused.push(refused),
            FromNode::Program(report) => self.programs.push(report),
            FromNode::Trace(call) => self.calls.push(call),
            FromNode::Log(line) => self.log.push(line),
            _ => {}
        }
    }
}

impl Cluster {
    /// Runs a program on `node` until it ends. Its standard input is `input`, read by a thread of
    /// its own; every frame of any node but the program's `Started` and `Exit` goes to `observe`.
    ///
    /// # Errors
    /// Any [`ProgramError`]; an error of `observe` is `Io`.
    pub fn run(
        &mut self,
        node: NodeId,
        start: &Start,
        input: impl Read + Send + 'static,
        mut observe: impl FnMut(NodeId, FromNode) -> io::Result<()>,
    ) -> Result<ExitStatus, ProgramError> {
        self.send_start(node, start)?;
        let stdin = self.node(node).open_input();
        let mut input = input;
        // The thread ends with the input, or when the program no longer reads it. What it cannot
        // send to a node that is gone is the node's loss, which `recv` reports.
        std::thread::spawn(move || stdin.pump(&mut input));
        loop {
            let (sender, frame) = self.recv(self.time_left())?;
            match frame {
                FromNode::Started(started) if sender == node => {
                    let path = || String::from_utf8_lossy(&start.path).into_owned();
                    started
                        .result
                        .map_err(|errno| ProgramError::NotStarted { path: path(), errno })?;
                }
                FromNode::Exit(Exit { status, .. }) if sender == node => return Ok(status),
                frame => observe(sender, frame)?,
            }
        }
    }

    /// What `node` holds now. Frames that come meanwhile are passed over: ask between programs.
    ///
    /// # Errors
    /// Any [`ProgramError`] but `NotStarted`.
    pub fn counts(&mut self, node: NodeId) -> Result<Counts, ProgramError> {
        self.node(node).send(&ToNode::QueryCounts)?;
        loop {
            if let (sender, FromNode::Counts(counts)) = self.recv(ANSWER)?
                && sender == node
            {
                return Ok(counts);
            }
        }
    }

    fn send_start(&mut self, node: NodeId, start: &Start) -> Result<(), ProgramError> {
        let Err(error) = self.node(node).send(&ToNode::Start(start.clone())) else {
            return Ok(());
        };
        // A node that is gone says better why than the wire to it.
        loop {
            match self.recv(LAST_WORDS) {
                Ok(_) => {}
                Err(ended @ ClusterError::Ended { .. }) => return Err(ended.into()),
                Err(_) => return Err(error.into()),
            }
        }
    }

    /// Runs a program on `node` as [`run`](Self::run) does, shows each frame to `observe`, and
    /// collects what the program did.
    ///
    /// # Errors
    /// Any [`ProgramError`].
    pub fn observe(
        &mut self,
        node: NodeId,
        start: &Start,
        input: impl Read + Send + 'static,
        mut observe: impl FnMut(NodeId, &FromNode),
    ) -> Result<Outcome, ProgramError> {
        let mut outcome = Outcome::new(ExitStatus::Exited(0));
        outcome.status = self.run(node, start, input, |sender, frame| {
            observe(sender, &frame);
            outcome.add(frame);
            Ok(())
        })?;
        Ok(outcome)
    }

    /// Runs a program on `node` with these bytes as its standard input, and collects what it did.
    ///
    /// # Errors
    /// Any [`ProgramError`].
    pub fn capture(
        &mut self,
        node: NodeId,
        start: &Start,
        input: Vec<u8>,
    ) -> Result<Outcome, ProgramError> {
        self.observe(node, start, Cursor::new(input), |_, _| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_in_bin() {
        assert_eq!(command(&["ls", "-l"]).path, b"/bin/ls");
        let start = command(&["/tmp/x"]);
        assert_eq!(start.path, b"/tmp/x");
        assert_eq!(start.argv, [b"/tmp/x"]);
    }
}
