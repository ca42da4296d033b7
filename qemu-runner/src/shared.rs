//! Memory that each two nodes of a cluster share: which of them have it, the files behind it, and
//! where QEMU puts it.
//!
//! A pair's file is RAM of a NUMA node of its own in both machines, which takes neither a device
//! nor a driver. The loader puts the initial file system at the end of RAM, where it must not lie
//! in a file that others see: so a machine's own memory is in two parts, and the files between
//! them.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use wayfarer_proto::boot::NetKind;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::shared::{CUT, HEAD, PAIR_BYTES, SIDES};

use crate::wiring;

/// Set to `tcp`, this variable makes [`Channel::Auto`] mean that: for tests, which say nothing.
const VARIABLE: &str = "WAYFARER_CHANNEL";

/// The file system whose files are nothing but memory.
const MEMORY_FILES: &str = "/dev/shm";

/// MiB of a pair's file.
const PAIR_MIB: u32 = (PAIR_BYTES >> 20) as u32;

/// The least that must be left below the files: the kernel, and room for it to start.
const LEAST_LOW_MIB: u32 = 16;

/// Where RAM ends below the devices, in MiB, and goes on beyond them.
const HOLE_MIB: u32 = 3072;

/// How frames travel between two nodes of this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Channel {
    /// Shared memory where that is possible, and the network elsewhere.
    #[default]
    Auto,
    /// The network only.
    Tcp,
    /// Shared memory; the network carries what wakes a node that is halted.
    Shm,
}

/// Shared memory was asked for and cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("--channel shm: {0}")]
pub struct NoSharedMemory(&'static str);

/// What decides whether the nodes of a cluster can share memory.
pub(crate) struct Wanted {
    pub(crate) channel: Channel,
    pub(crate) net: NetKind,
    pub(crate) nodes: u16,
    pub(crate) memory_mib: u32,
    /// Bytes of the initial file system.
    pub(crate) archive: u64,
    pub(crate) captures: bool,
}

impl Wanted {
    /// Where the files go in each machine, or `None` if there shall be none.
    pub(crate) fn layout(&self) -> Result<Option<Layout>, NoSharedMemory> {
        match self.channel {
            Channel::Tcp => Ok(None),
            Channel::Auto if std::env::var(VARIABLE).is_ok_and(|word| word == "tcp") => Ok(None),
            Channel::Auto => Ok(self.possible().ok()),
            // There is nobody to share it with.
            Channel::Shm if self.nodes < 2 => Ok(None),
            Channel::Shm => self.possible().map(Some),
        }
    }

    fn possible(&self) -> Result<Layout, NoSharedMemory> {
        if self.nodes < 2 || !self.net.guarantees_integrity() {
            return Err(NoSharedMemory("nodes on a bridge are not known to be on one host"));
        }
        if self.captures {
            return Err(NoSharedMemory("frames in memory cannot be captured (--pcap)"));
        }
        if !Path::new(MEMORY_FILES).is_dir() {
            return Err(NoSharedMemory("this host has no /dev/shm"));
        }
        let files = u32::from(self.nodes - 1) * PAIR_MIB;
        if self.memory_mib.saturating_add(files) > HOLE_MIB {
            return Err(NoSharedMemory("nodes have more than 3 GiB"));
        }
        let archive = u32::try_from(self.archive >> 20).unwrap_or(u32::MAX);
        let high = archive.saturating_add(2).saturating_add(archive % 2);
        let low = self.memory_mib.saturating_sub(high) & !1;
        if low < LEAST_LOW_MIB {
            return Err(NoSharedMemory("nodes have not enough memory beside their files"));
        }
        Ok(Layout { low_mib: low, high_mib: self.memory_mib - low, pairs: self.nodes - 1 })
    }
}

/// A machine's RAM: its own, the files, its own again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    low_mib: u32,
    high_mib: u32,
    pairs: u16,
}

impl Layout {
    fn files_mib(self) -> u32 {
        u32::from(self.pairs) * PAIR_MIB
    }

    /// All of it, in MiB.
    pub(crate) fn total_mib(self) -> u32 {
        self.low_mib + self.files_mib() + self.high_mib
    }

    /// QEMU's arguments for the files of a node, in the order of its peers.
    pub(crate) fn arguments(self, files: &[PathBuf]) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut node = |object: String, id: &str| {
            arguments.extend(["-object".to_owned(), object]);
            arguments.extend(["-numa".to_owned(), format!("node,memdev={id}")]);
        };
        let own = |id: &str, mib: u32| format!("memory-backend-ram,id={id},size={mib}M");
        node(own("low", self.low_mib), "low");
        for (index, file) in files.iter().enumerate() {
            let (id, path) = (format!("pair{index}"), file.display());
            let backend = format!("memory-backend-file,id={id},share=on,size={PAIR_MIB}M");
            node(format!("{backend},mem-path={path}"), &id);
        }
        node(own("high", self.high_mib), "high");
        arguments
    }
}

impl fmt::Display for Layout {
    /// The word of the kernel's command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |mib: u32| u64::from(mib) << 20;
        write!(f, "shared={:#x}@{:#x}", bytes(self.files_mib()), bytes(self.low_mib))
    }
}

/// The memory of every pair of a cluster's nodes. The files have no names, so they go with the
/// last process that has them.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    nodes: u16,
    pairs: Vec<((NodeId, NodeId), File)>,
}

impl SharedMemory {
    pub(crate) fn new(nodes: u16) -> io::Result<Self> {
        let mut pairs = Vec::new();
        for high in (2..=nodes).map(NodeId) {
            for low in (1..high.0).map(NodeId) {
                let file = tempfile::tempfile_in(MEMORY_FILES)?;
                file.set_len(PAIR_BYTES as u64)?;
                pairs.push(((low, high), file));
            }
        }
        Ok(Self { nodes, pairs })
    }

    /// What QEMU opens for `node`, in the order of its peers.
    pub(crate) fn paths(&self, node: NodeId) -> Vec<PathBuf> {
        let runner = std::process::id();
        let path = |peer| {
            let file = self.file(node, peer)?;
            Some(PathBuf::from(format!("/proc/{runner}/fd/{}", file.as_raw_fd())))
        };
        wiring::peers(node, self.nodes).into_iter().filter_map(path).collect()
    }

    /// Cuts or mends the link of two nodes.
    pub(crate) fn set_cut(&self, a: NodeId, b: NodeId, is_cut: bool) -> io::Result<()> {
        let file = self.file(a, b).ok_or(io::ErrorKind::NotFound)?;
        file.write_all_at(&u64::from(is_cut).to_le_bytes(), CUT as u64)
    }

    /// Bytes that two nodes have sent each other since both began.
    pub(crate) fn carried(&self, a: NodeId, b: NodeId) -> io::Result<u64> {
        let file = self.file(a, b).ok_or(io::ErrorKind::NotFound)?;
        let head = |side: &usize| {
            let mut word = [0; 8];
            file.read_exact_at(&mut word, (side + HEAD) as u64).map(|()| u64::from_le_bytes(word))
        };
        SIDES.iter().map(head).sum()
    }

    fn file(&self, a: NodeId, b: NodeId) -> Option<&File> {
        let wanted = (a.min(b), a.max(b));
        self.pairs.iter().find(|(pair, _)| *pair == wanted).map(|(_, file)| file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(channel: Channel) -> Wanted {
        Wanted {
            channel,
            net: NetKind::Stream,
            nodes: 3,
            memory_mib: 128,
            archive: 5 << 20,
            captures: false,
        }
    }

    #[test]
    fn own_memory_lies_on_both_sides_of_the_files() {
        let layout = wanted(Channel::Shm).layout().unwrap().unwrap();
        assert_eq!(layout, Layout { low_mib: 120, high_mib: 8, pairs: 2 });
        assert_eq!(layout.to_string(), "shared=0x400000@0x7800000");
        assert_eq!(layout.total_mib(), 132);
        let arguments = layout.arguments(&["/f1".into(), "/f2".into()]).join(" ");
        let (first, last) = (arguments.find("/f1").unwrap(), arguments.find("id=high").unwrap());
        assert!(arguments.find("id=low").unwrap() < first && first < last, "{arguments}");
    }

    #[test]
    fn what_is_impossible_is_refused_or_passed_over() {
        let change: [fn(&mut Wanted); 4] = [
            |wanted| wanted.net = NetKind::Tap,
            |wanted| wanted.captures = true,
            |wanted| wanted.memory_mib = 3070,
            |wanted| wanted.archive = 120 << 20,
        ];
        for change in change {
            let (mut forced, mut auto) = (wanted(Channel::Shm), wanted(Channel::Auto));
            change(&mut forced);
            change(&mut auto);
            assert!(forced.layout().is_err());
            assert_eq!(auto.layout(), Ok(None));
        }
        assert_eq!(wanted(Channel::Tcp).layout(), Ok(None));
    }

    #[test]
    fn both_nodes_of_a_pair_have_the_same_file() {
        let memory = SharedMemory::new(3).unwrap();
        let paths = [1, 2, 3].map(|node| memory.paths(NodeId(node)));
        assert_eq!(paths[0][0], paths[1][0]);
        assert_eq!(paths[0][1], paths[2][0]);
        assert_eq!(paths[1][1], paths[2][1]);
        assert_ne!(paths[0][0], paths[0][1]);
        memory.set_cut(NodeId(3), NodeId(1), true).unwrap();
        let words = std::fs::read(&paths[2][0]).unwrap();
        assert_eq!((words.len(), words[CUT]), (PAIR_BYTES, 1));
        assert!(memory.set_cut(NodeId(1), NodeId(4), true).is_err());
    }
}
