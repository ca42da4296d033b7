//! A running cluster asked and told things from another terminal: a UNIX socket in its directory,
//! one request and one answer for each connection, a line of JSON each.

mod server;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::rundir;

/// The socket's name in the cluster's directory.
const SOCKET: &str = "control";

/// What a cluster is asked or told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Who it is: [`Answer::About`].
    About,
    /// Who runs where: [`Answer::Processes`].
    Processes,
    /// Move a process: [`Answer::Done`].
    Move {
        /// The process, by its id at home.
        pid: i32,
        /// Its target.
        node: u16,
    },
}

/// What a cluster answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Who it is.
    About {
        /// The runner's process id.
        runner: u32,
        /// The runner's command line.
        command: String,
    },
    /// All processes and nodes.
    Processes {
        /// By home and process id.
        processes: Vec<Process>,
        /// By id; without those that do not answer.
        nodes: Vec<Node>,
    },
    /// It was done; what there is to say of it.
    Done(String),
    /// It was not; why.
    Failed(String),
}

/// A process of a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its home.
    pub home: u16,
    /// Its id there.
    pub pid: i32,
    /// Its parent's id; 0 for none.
    pub parent: i32,
    /// Where its body is.
    pub node: u16,
    /// The letter of its state.
    pub state: char,
    /// Calls served where the body was, while it was away.
    pub local: u64,
    /// Calls forwarded home.
    pub remote: u64,
    /// Calls in which both halves took part.
    pub special: u64,
    /// CPU time in microseconds.
    pub cpu_us: u64,
    /// Its command line.
    pub command: String,
}

/// A node of a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub node: u16,
    /// CPU time that its QEMU has used of this host, in milliseconds.
    pub cpu_ms: u64,
    /// Free memory in KiB.
    pub free_kib: u64,
    /// All memory in KiB.
    pub total_kib: u64,
    /// Bodies that are there.
    pub bodies: u64,
    /// Connections to other nodes.
    pub sockets: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No cluster of this user runs.
    #[error("no cluster is running")]
    None,
    /// Several run and none was named, or another.
    #[error("{}: choose one with --cluster{}", .0, .1)]
    Unclear(&'static str, Choices),
    /// The cluster went away meanwhile.
    #[error("the cluster does not answer: {0}")]
    Lost(#[from] io::Error),
    /// It could not do it.
    #[error("{0}")]
    Failed(String),
}

/// The clusters there are to choose from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choices(Vec<(u32, String)>);

impl std::fmt::Display for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(runner, command)| write!(f, " {runner} ({command})"))
    }
}

/// A running cluster, found.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
}

impl Control {
    /// The cluster of the runner with this process id, or the only one.
    ///
    /// # Errors
    /// [`ControlError::None`] or `Unclear`.
    pub fn find(runner: Option<u32>) -> Result<Self, ControlError> {
        let mut found = Vec::new();
        for directory in rundir::all() {
            let control = Self { socket: directory.join(SOCKET) };
            // One that does not answer has ended, or is another user's.
            if let Ok(Answer::About { runner, command }) = control.ask(&Request::About) {
                found.push((runner, command, control));
            }
        }
        let all = found.iter().map(|(runner, command, _)| (*runner, command.clone())).collect();
        let wanted = |(pid, ..): &(u32, String, Self)| runner.is_none_or(|wanted| wanted == *pid);
        let mut fitting: Vec<Self> =
            found.into_iter().filter(wanted).map(|(.., control)| control).collect();
        match (fitting.pop(), fitting.is_empty(), runner) {
            (Some(control), true, _) => Ok(control),
            (Some(_), ..) => {
                Err(ControlError::Unclear("several clusters are running", Choices(all)))
            }
            (None, _, Some(_)) if !all.is_empty() => {
                Err(ControlError::Unclear("no such cluster is running", Choices(all)))
            }
            (None, ..) => Err(ControlError::None),
        }
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// [`ControlError::Lost`], or `Failed` when that is the answer.
    pub fn ask(&self, request: &Request) -> Result<Answer, ControlError> {
        let mut stream = UnixStream::connect(&self.socket)?;
        write_line(&mut stream, request)?;
        match read_line(stream)? {
            Answer::Failed(why) => Err(ControlError::Failed(why)),
            answer => Ok(answer),
        }
    }
}

fn write_line(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn read_line<T: for<'a> Deserialize<'a>>(stream: UnixStream) -> io::Result<T> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
