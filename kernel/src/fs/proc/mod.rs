//! `/proc`: the processes of this node and the node itself, as files (proc(5)).
//!
//! Nothing is stored here: directories are listed from a [`ProcSource`], and a file's text is made
//! when it is opened. Two files are Wayfarer's own, as MOSIX had them: `/proc/PID/where` tells the
//! node a process's body is on, and a node number written to `/proc/PID/goto` moves it there.

mod answer;
mod file;
mod inode;
mod node_text;
mod process_text;
mod source;

#[cfg(test)]
mod tests;

use alloc::rc::Rc;

use wayfarer_proto::id::{Fd, Pid};
use wayfarer_proto::linux::stat::DeviceNumber;

use super::{Clock, Inode};
pub use answer::Answer;
use inode::ProcInode;
pub use source::{IdentityFacts, NodeFacts, ProcSource, ProcessFacts, ProcessState};

/// A file system of processes.
pub struct ProcFs {
    source: Rc<dyn ProcSource>,
    clock: Rc<dyn Clock>,
    device: DeviceNumber,
}

impl ProcFs {
    /// The root directory of a file system that shows what `source` knows. `device` is what stat(2)
    /// calls it.
    pub fn create(
        source: Rc<dyn ProcSource>,
        clock: Rc<dyn Clock>,
        device: DeviceNumber,
    ) -> Rc<dyn Inode> {
        ProcInode::make(&Rc::new(Self { source, clock, device }), Node::Root)
    }
}

/// What an inode of `/proc` stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Node {
    /// `/proc`.
    Root,
    /// `/proc/self`.
    Myself,
    /// `/proc/mounts`, a link to that of the caller.
    Mounts,
    /// A text about the node.
    Text(NodeFile),
    /// `/proc/PID`.
    Process(Pid),
    /// A text about a process.
    ProcessText(Pid, ProcessFile),
    /// `/proc/PID/goto`.
    Goto(Pid),
    /// `/proc/PID/exe`.
    Executable(Pid),
    /// `/proc/PID/cwd`.
    Directory(Pid),
    /// `/proc/PID/root`.
    TopDirectory(Pid),
    /// `/proc/PID/fd`.
    Descriptors(Pid),
    /// `/proc/PID/fd/N`.
    Descriptor(Pid, Fd),
}

/// The texts about the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NodeFile {
    CpuInfo,
    FileSystems,
    LoadAverage,
    MemInfo,
    Stat,
    Uptime,
    Version,
    Wayfarer,
}

/// The texts about a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ProcessFile {
    CommandLine,
    Comm,
    Maps,
    Mounts,
    Stat,
    StatM,
    Status,
    Where,
}

/// The entries of `/proc` besides the processes.
const ROOT_ENTRIES: [(&[u8], Node); 10] = [
    (b"cpuinfo", Node::Text(NodeFile::CpuInfo)),
    (b"filesystems", Node::Text(NodeFile::FileSystems)),
    (b"loadavg", Node::Text(NodeFile::LoadAverage)),
    (b"meminfo", Node::Text(NodeFile::MemInfo)),
    (b"mounts", Node::Mounts),
    (b"self", Node::Myself),
    (b"stat", Node::Text(NodeFile::Stat)),
    (b"uptime", Node::Text(NodeFile::Uptime)),
    (b"version", Node::Text(NodeFile::Version)),
    (b"wayfarer", Node::Text(NodeFile::Wayfarer)),
];

/// The entries of a process's directory.
const fn process_entries(pid: Pid) -> [(&'static [u8], Node); 13] {
    [
        (b"cmdline", Node::ProcessText(pid, ProcessFile::CommandLine)),
        (b"comm", Node::ProcessText(pid, ProcessFile::Comm)),
        (b"cwd", Node::Directory(pid)),
        (b"exe", Node::Executable(pid)),
        (b"fd", Node::Descriptors(pid)),
        (b"goto", Node::Goto(pid)),
        (b"maps", Node::ProcessText(pid, ProcessFile::Maps)),
        (b"mounts", Node::ProcessText(pid, ProcessFile::Mounts)),
        (b"root", Node::TopDirectory(pid)),
        (b"stat", Node::ProcessText(pid, ProcessFile::Stat)),
        (b"statm", Node::ProcessText(pid, ProcessFile::StatM)),
        (b"status", Node::ProcessText(pid, ProcessFile::Status)),
        (b"where", Node::ProcessText(pid, ProcessFile::Where)),
    ]
}
