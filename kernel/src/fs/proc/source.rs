//! What `/proc` needs to be told.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, NodeId, Pid, Tid};
use wayfarer_proto::linux::signal::SignalSet;
use wayfarer_proto::linux::stat::DeviceNumber;
use wayfarer_proto::message::{CpuTime, IoCounts};

use super::{Answer, SmapsForm, Subject};
use crate::fs::{Dentry, OpenFile};
use crate::socket::{Address, Family, Kind};

/// Takes what a body has used.
pub type Measured = Box<dyn FnOnce(Option<BodyFacts>)>;

/// Who knows the processes at home on this node, and the node.
pub trait ProcSource {
    /// The processes that have a directory, zombies included; in any order.
    fn pids(&self) -> Vec<Pid>;
    /// What is known of a process at home; `None` if there is no such process.
    fn process(&self, pid: Pid) -> Option<ProcessFacts>;
    /// Tells what its body has used, wherever that is: at once, or when it has said so.
    fn measure(&self, pid: Pid, tell: Measured);
    /// The ids of its threads, in order; none of a zombie.
    fn threads(&self, pid: Pid) -> Vec<Tid>;
    /// What is known of one of its threads.
    fn thread(&self, pid: Pid, tid: Tid) -> Option<ThreadFacts>;
    /// Its program's name and how it was started; empty for a zombie.
    fn program(&self, pid: Pid) -> ProgramFacts;
    /// Its current directory; `None` for a zombie.
    fn directory(&self, pid: Pid) -> Option<Rc<Dentry>>;
    /// The directory its absolute paths begin at; `None` for a zombie.
    fn top_directory(&self, pid: Pid) -> Option<Rc<Dentry>>;
    /// Its open descriptors, in order.
    fn descriptors(&self, pid: Pid) -> Vec<(Fd, Rc<OpenFile>)>;
    /// Its resource limits, by their numbers: soft and hard, all ones for none.
    fn limits(&self, pid: Pid) -> Vec<[u64; 2]>;
    /// Changes what a process lets be changed by writing to a file.
    ///
    /// # Errors
    /// `ESRCH`; `EINVAL` for a value that cannot be.
    fn set(&self, subject: Subject, what: Settable, text: &str) -> Result<(), Errno>;
    /// The node its body is on.
    fn place(&self, pid: Pid) -> Option<NodeId>;
    /// Asks for the text of its `maps`, wherever its body is.
    fn maps(&self, pid: Pid, answer: Rc<Answer>);
    /// Asks for the text of its `smaps`, likewise.
    fn smaps(&self, pid: Pid, form: SmapsForm, answer: Rc<Answer>);
    /// Asks for a move to a node. The answer, whose text means nothing, comes when the move has
    /// been carried out or refused.
    fn go(&self, pid: Pid, node: NodeId, answer: Rc<Answer>);
    /// What is known of the node.
    fn node(&self) -> NodeFacts;
    /// The sockets of all processes at home here.
    fn sockets(&self) -> Vec<SocketFacts>;
    /// The address of the card to the outside, if there is one.
    fn outside(&self) -> Option<[u8; 4]>;
    /// The text of `/proc/PID/mounts`; see [`Vfs::mounts_text`](crate::fs::Vfs::mounts_text).
    fn mounts(&self) -> String;
    /// The text of `/proc/PID/mountinfo`.
    fn mount_info(&self) -> String;
    /// What the kernel was booted with.
    fn command_line(&self) -> String;
    /// A random UUID: always a new one, or that of this boot.
    fn uuid(&self, of_boot: bool) -> String;
    /// The kernel's own counts for `/proc/wayfarer`: names and values.
    fn counts(&self) -> Vec<(&'static str, u64)>;
    /// Which tasks held the processor for too long: a line each of where they were started and
    /// what they did, how often, and for how many microseconds at most.
    fn long_polls(&self) -> Vec<String>;
}

/// What can be changed by writing to a file of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settable {
    /// `comm`: the thread's name.
    Name,
    /// `oom_score_adj`: recorded.
    OomAdjustment,
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
    /// Its first thread.
    pub leader: ThreadFacts,
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
    /// CPU time of children it has waited for.
    pub children_cpu: CpuTime,
    /// When it began, since the node's boot.
    pub started: Duration,
    /// How nice it is.
    pub nice: i32,
    /// Its execution domain (personality(2)).
    pub personality: u32,
    /// The signal that tells its parent of its end; 0 for none.
    pub exit_signal: u8,
    /// What was written to `oom_score_adj`.
    pub oom_adjustment: i32,
    /// Signals pending for the process.
    pub shared_pending: SignalSet,
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

/// What is known of a thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreadFacts {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its state.
    pub state: ProcessState,
    /// Signals pending for it alone.
    pub pending: SignalSet,
    /// Signals that it blocks.
    pub blocked: SignalSet,
}

/// What a body has used, and does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BodyFacts {
    /// CPU time of all threads.
    pub cpu: CpuTime,
    /// What it has read and written.
    pub io: IoCounts,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Pages in memory.
    pub resident_pages: u64,
    /// Its threads.
    pub threads: Vec<ThreadUse>,
}

/// What a thread has used, and does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadUse {
    /// Which.
    pub tid: Tid,
    /// Its CPU time.
    pub cpu: CpuTime,
    /// Whether it waits in a call served where the body is: home does not know of it.
    pub waits: bool,
}

impl BodyFacts {
    /// What is said of a thread.
    pub fn thread(&self, tid: Tid) -> Option<&ThreadUse> {
        self.threads.iter().find(|thread| thread.tid == tid)
    }
}

/// What a process executes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProgramFacts {
    /// The path of the program; empty for none.
    pub path: Vec<u8>,
    /// Its arguments, each followed by NUL.
    pub arguments: Vec<u8>,
    /// The environment it was started with, each variable followed by NUL.
    pub environment: Vec<u8>,
    /// The auxiliary vector it was started with (getauxval(3)).
    pub auxiliary: Vec<u8>,
}

/// A socket.
#[derive(Clone)]
pub struct SocketFacts {
    /// Its inode number; 0 if nobody has accepted it.
    pub inode: u64,
    /// Its owner.
    pub uid: u32,
    /// The family.
    pub family: Family,
    /// The type.
    pub kind: Kind,
    /// Its own address.
    pub local: Address,
    /// The address of its peer, if it has one.
    pub peer: Option<Address>,
    /// Whether it listens.
    pub listens: bool,
    /// Bytes that can be received.
    pub readable: usize,
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
    /// Open file descriptions.
    pub open_files: usize,
    /// What uname(2) says: the node's name, the release, and the version.
    pub host: &'static str,
    /// The release.
    pub release: &'static str,
    /// The version.
    pub version: &'static str,
    /// The node.
    pub node: NodeId,
}
