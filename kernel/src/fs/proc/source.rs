//! What `/proc` needs to be told.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_proto::id::{Fd, NodeId, Pid};
use wayfarer_proto::linux::signal::SignalSet;
use wayfarer_proto::linux::stat::DeviceNumber;

use super::Answer;
use crate::fs::{Dentry, OpenFile};

/// Who knows the processes at home on this node, and the node.
pub trait ProcSource {
    /// The processes that have a directory, zombies included; in any order.
    fn pids(&self) -> Vec<Pid>;
    /// What is known of a process at home; `None` if there is no such process.
    fn process(&self, pid: Pid) -> Option<ProcessFacts>;
    /// Its arguments, each followed by NUL; empty for a zombie.
    fn command_line(&self, pid: Pid) -> Vec<u8>;
    /// The path of its program; `None` for a zombie.
    fn executable(&self, pid: Pid) -> Option<Vec<u8>>;
    /// Its current directory; `None` for a zombie.
    fn directory(&self, pid: Pid) -> Option<Rc<Dentry>>;
    /// The topmost directory.
    fn top_directory(&self) -> Rc<Dentry>;
    /// Its open descriptors, in order.
    fn descriptors(&self, pid: Pid) -> Vec<(Fd, Rc<OpenFile>)>;
    /// The node its body is on.
    fn place(&self, pid: Pid) -> Option<NodeId>;
    /// Asks for the text of its `maps`, wherever its body is.
    fn maps(&self, pid: Pid, answer: Rc<Answer>);
    /// Asks for a move to a node. The answer, whose text means nothing, comes when the move has
    /// been carried out or refused.
    fn go(&self, pid: Pid, node: NodeId, answer: Rc<Answer>);
    /// What is known of the node.
    fn node(&self) -> NodeFacts;
    /// The text of `/proc/PID/mounts`; see [`Vfs::mounts_text`](crate::fs::Vfs::mounts_text).
    fn mounts(&self) -> String;
    /// The kernel's own counts for `/proc/wayfarer`: names and values.
    fn counts(&self) -> Vec<(&'static str, u64)>;
    /// Which tasks held the processor for too long: a line each of where they were started and
    /// what they did, how often, and for how many microseconds at most.
    fn long_polls(&self) -> Vec<String>;
}

/// The state of a process as ps(1) shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessState {
    /// `R`: it runs or could.
    Running,
    /// `S`: it waits and can be interrupted.
    Sleeping,
    /// `T`: a signal has stopped it.
    Stopped,
    /// `Z`: it has ended and nobody has waited for it.
    Zombie,
}

impl ProcessState {
    /// The letter and the word of proc(5).
    pub const fn text(self) -> (char, &'static str) {
        match self {
            Self::Running => ('R', "running"),
            Self::Sleeping => ('S', "sleeping"),
            Self::Stopped => ('T', "stopped"),
            Self::Zombie => ('Z', "zombie"),
        }
    }
}

/// What is known of a process without asking its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessFacts {
    /// The name of its program, at most 15 bytes.
    pub comm: String,
    /// Its state.
    pub state: ProcessState,
    /// Its parent; 0 for none.
    pub parent: Pid,
    /// Its process group.
    pub group: Pid,
    /// Its session.
    pub session: Pid,
    /// Its controlling terminal, and the process group in the foreground there.
    pub terminal: Option<(DeviceNumber, Pid)>,
    /// How many threads it has.
    pub threads: usize,
    /// CPU time, as far as it is known at home.
    pub cpu: Duration,
    /// CPU time of children it has waited for.
    pub children_cpu: Duration,
    /// When it began, since the node's boot.
    pub started: Duration,
    /// Bytes of address space; 0 if its body is elsewhere.
    pub virtual_bytes: u64,
    /// Pages in memory; 0 if its body is elsewhere.
    pub resident_pages: u64,
    /// Signals pending for its first thread.
    pub pending: SignalSet,
    /// Signals pending for the process.
    pub shared_pending: SignalSet,
    /// Signals that its first thread blocks.
    pub blocked: SignalSet,
    /// Signals it ignores.
    pub ignored: SignalSet,
    /// Signals it has handlers for.
    pub caught: SignalSet,
    /// Its file creation mask.
    pub umask: u32,
    /// How many descriptors it has.
    pub descriptors: usize,
    /// Who it is.
    pub identity: IdentityFacts,
}

/// Who a process is, as `/proc/PID/status` tells it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdentityFacts {
    /// Real, effective, saved and file system user.
    pub users: [u32; 4],
    /// The same of groups.
    pub group_ids: [u32; 4],
    /// Other groups.
    pub groups: Vec<u32>,
    /// Inheritable, permitted, effective and bounding capabilities.
    pub capabilities: [u64; 4],
    /// Whether no program it starts is more than it is.
    pub no_new_privileges: bool,
}

/// What is known of the node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeFacts {
    /// Bytes of memory.
    pub memory_total: u64,
    /// Bytes of memory that nothing uses.
    pub memory_free: u64,
    /// Time since boot.
    pub uptime: Duration,
    /// Of that, time in which the processor had nothing to do.
    pub idle: Duration,
    /// When it booted, since 1970.
    pub booted: Duration,
    /// The processor's vendor (`GenuineIntel`).
    pub cpu_vendor: String,
    /// The processor's model.
    pub cpu_model: String,
    /// Its features by the names Linux gives them.
    pub cpu_flags: String,
    /// Processes made since boot.
    pub forks: u64,
    /// Processes that run or could.
    pub running: usize,
    /// Processes in all.
    pub processes: usize,
    /// The process made last.
    pub last_pid: Pid,
    /// One line as uname(1) would say it.
    pub version: String,
}
