//! Why a command failed, and the exit status that says so.

use std::io;
use std::path::PathBuf;

use wayfarer::artifacts::BuildError;
use wayfarer::control::ControlError;
use wayfarer::linux::LinuxError;
use wayfarer::{ClusterError, InitrdError, ProgramError};
use wayfarer_proto::errno::Errno;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Initrd(#[from] InitrdError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(
        "{program}: not found (neither a busybox applet nor in PATH; a file here is ./{program})"
    )]
    NoProgram { program: String },
    #[error("{program}: not found in the file system of --root")]
    NotInRoot { program: String },
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{0}: neither a kernel file nor a package of this workspace")]
    NoKernel(PathBuf),
    #[error("cannot find {0}; ./setup installs QEMU")]
    NoEmulator(PathBuf),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("cannot use the terminal: {0}")]
    Terminal(io::Error),
    #[error("cannot write {path}: {source}")]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("cannot make the demo's reference on this host: {source}")]
    Reference { source: io::Error },
    #[error("the benchmark's program failed: {0}")]
    Benchmark(String),
    #[error(transparent)]
    Linux(#[from] LinuxError),
    #[error("the demo needs at least 3 nodes, not {0}")]
    TooFewNodes(u16),
}

/// What shells and container runners use when the command itself fails.
const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// 128 + SIGINT.
const INTERRUPTED: u8 = 130;

impl Failure {
    /// The exit status of this process.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::NoProgram { .. } | Self::NotInRoot { .. } => NOT_FOUND,
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                NOT_FOUND
            }
            Self::Unreadable { .. } => NOT_EXECUTABLE,
            Self::Initrd(InitrdError::NotRunnable { .. }) => NOT_EXECUTABLE,
            Self::Program(ProgramError::NotStarted { errno: Errno::ENOENT, .. }) => NOT_FOUND,
            Self::Program(ProgramError::NotStarted { .. }) => NOT_EXECUTABLE,
            Self::Cluster(ClusterError::Interrupted)
            | Self::Program(ProgramError::Cluster(ClusterError::Interrupted)) => INTERRUPTED,
            _ => FAILED,
        }
    }
}
