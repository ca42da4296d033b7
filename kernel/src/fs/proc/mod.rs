//! `/proc` and `/sys`: the processes of a node and the node itself, as files (proc(5), sysfs(5)).
//!
//! Nothing is stored here: what the node is asked for lies in a table of paths (`tree.rs`), what
//! processes are asked for is listed from a [`ProcSource`], and a file's text is made when it is
//! opened. Two files are Wayfarer's own, as MOSIX had them: `/proc/PID/where` tells the node a
//! process's body is on, and a node number written to `/proc/PID/goto` moves it there.

mod answer;
mod file;
mod inode;
mod net_text;
mod node_text;
mod process_text;
mod smaps;
mod source;
mod system;
mod tree;

#[cfg(test)]
mod tests;

use alloc::rc::Rc;

use wayfarer_proto::id::{Fd, Pid, Tid};
use wayfarer_proto::linux::stat::{DeviceNumber, PROC_SUPER_MAGIC, SYSFS_MAGIC};

use super::{Clock, Inode};
pub use answer::Answer;
use inode::ProcInode;
pub use smaps::{RegionUse, SmapsForm, smaps_text};
pub use source::{
    BodyFacts, IdentityFacts, Measured, NodeFacts, ProcSource, ProcessFacts, ProcessState,
    ProgramFacts, Settable, SocketFacts, ThreadFacts, ThreadUse,
};
use tree::Tree;

/// A file system of processes, or of the node alone.
pub struct ProcFs {
    source: Rc<dyn ProcSource>,
    clock: Rc<dyn Clock>,
    device: DeviceNumber,
    tree: Tree,
    shows_processes: bool,
}

impl ProcFs {
    /// The root directory of a file system that shows what `source` knows. `device` is what stat(2)
    /// calls it.
    pub fn create(
        source: Rc<dyn ProcSource>,
        clock: Rc<dyn Clock>,
        device: DeviceNumber,
    ) -> Rc<dyn Inode> {
        let tree = tree::PROC;
        ProcInode::make(&Rc::new(Self { source, clock, device, tree, shows_processes: true }), ROOT)
    }

    /// The root directory of a `/sys` that shows what the node is made of.
    pub fn create_sys(
        source: Rc<dyn ProcSource>,
        clock: Rc<dyn Clock>,
        device: DeviceNumber,
    ) -> Rc<dyn Inode> {
        let tree = system::SYS;
        let fs = Self { source, clock, device, tree, shows_processes: false };
        ProcInode::make(&Rc::new(fs), ROOT)
    }

    /// What statfs(2) calls it.
    const fn magic(&self) -> i64 {
        if self.shows_processes { PROC_SUPER_MAGIC } else { SYSFS_MAGIC }
    }
}

/// A process, or one of its threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The process.
    pub pid: Pid,
    /// The thread, where it is one's directory (`/proc/PID/task/TID`).
    pub tid: Option<Tid>,
}

/// What an inode stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Node {
    /// A directory of the tree.
    Branch(tree::Branch),
    /// An entry of the tree, by its index.
    Leaf(usize),
    /// `/proc/PID`, `/proc/PID/task/TID`.
    Process(Subject),
    /// What is in it.
    Entry(Subject, Entry),
    /// `/proc/PID/fd/N`.
    Descriptor(Subject, Fd),
    /// `/proc/PID/fdinfo/N`.
    DescriptorFacts(Subject, Fd),
}

/// The topmost directory.
const ROOT: Node = Node::Branch(tree::Branch::ROOT);

/// What is in the directory of a process or thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    Text(ProcessFile),
    Goto,
    Executable,
    Directory,
    TopDirectory,
    Descriptors,
    DescriptorFacts,
    Tasks,
    /// The same as `/proc/net`: there is one network.
    Net,
}

/// The texts about a process or thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ProcessFile {
    Auxiliary,
    Cgroup,
    CommandLine,
    Comm,
    Environment,
    IdMap,
    Io,
    Limits,
    LoginUid,
    Maps,
    MountInfo,
    Mounts,
    OomAdjustment,
    OomScore,
    Personality,
    SetGroups,
    Smaps,
    SmapsRollup,
    Stat,
    StatM,
    Status,
    WaitChannel,
    Where,
}

/// The entries of a process's directory, and whether a thread's has them too.
const PROCESS_ENTRIES: [(&[u8], Entry, bool); 33] = [
    (b"auxv", Entry::Text(ProcessFile::Auxiliary), true),
    (b"cgroup", Entry::Text(ProcessFile::Cgroup), true),
    (b"cmdline", Entry::Text(ProcessFile::CommandLine), true),
    (b"comm", Entry::Text(ProcessFile::Comm), true),
    (b"cwd", Entry::Directory, true),
    (b"environ", Entry::Text(ProcessFile::Environment), true),
    (b"exe", Entry::Executable, true),
    (b"fd", Entry::Descriptors, true),
    (b"fdinfo", Entry::DescriptorFacts, true),
    (b"gid_map", Entry::Text(ProcessFile::IdMap), true),
    (b"goto", Entry::Goto, false),
    (b"io", Entry::Text(ProcessFile::Io), false),
    (b"limits", Entry::Text(ProcessFile::Limits), true),
    (b"loginuid", Entry::Text(ProcessFile::LoginUid), true),
    (b"maps", Entry::Text(ProcessFile::Maps), true),
    (b"mountinfo", Entry::Text(ProcessFile::MountInfo), true),
    (b"mounts", Entry::Text(ProcessFile::Mounts), true),
    (b"net", Entry::Net, true),
    (b"oom_score", Entry::Text(ProcessFile::OomScore), true),
    (b"oom_score_adj", Entry::Text(ProcessFile::OomAdjustment), true),
    (b"personality", Entry::Text(ProcessFile::Personality), true),
    (b"root", Entry::TopDirectory, true),
    (b"sessionid", Entry::Text(ProcessFile::LoginUid), true),
    (b"setgroups", Entry::Text(ProcessFile::SetGroups), true),
    (b"smaps", Entry::Text(ProcessFile::Smaps), true),
    (b"smaps_rollup", Entry::Text(ProcessFile::SmapsRollup), true),
    (b"stat", Entry::Text(ProcessFile::Stat), true),
    (b"statm", Entry::Text(ProcessFile::StatM), true),
    (b"status", Entry::Text(ProcessFile::Status), true),
    (b"task", Entry::Tasks, false),
    (b"uid_map", Entry::Text(ProcessFile::IdMap), true),
    (b"wchan", Entry::Text(ProcessFile::WaitChannel), true),
    (b"where", Entry::Text(ProcessFile::Where), false),
];
