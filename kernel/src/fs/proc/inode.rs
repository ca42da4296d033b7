//! The inodes of `/proc`.

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, Pid};
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, PROC_SUPER_MAGIC, ST_FLAGS, Statfs};

use super::file::{GotoFile, TextFile};
use super::{Answer, Node, ProcFs, ProcessFile, ROOT_ENTRIES, process_entries};
use super::{node_text, process_text};
use crate::fs::{
    Asker, Attributes, DirectoryEntry, FileObject, Inode, LinkTarget, Metadata, Names,
    OpenDirectory, OpenFile,
};

/// Listing positions of entries that are neither processes nor descriptors begin here.
const FIXED: u64 = 3;
/// Listing positions of processes and descriptors begin here, in the order of their numbers.
const NUMBERED: u64 = 1000;

/// An inode of `/proc`: made anew at each lookup.
pub(super) struct ProcInode {
    fs: Rc<ProcFs>,
    node: Node,
}

impl ProcInode {
    pub(super) fn make(fs: &Rc<ProcFs>, node: Node) -> Rc<dyn Inode> {
        Rc::new(Self { fs: fs.clone(), node })
    }

    fn exists(&self, pid: Pid) -> bool {
        self.fs.source.process(pid).is_some()
    }

    fn open_file(&self, pid: Pid, fd: Fd) -> Option<Rc<OpenFile>> {
        let descriptors = self.fs.source.descriptors(pid);
        descriptors.into_iter().find(|(number, _)| *number == fd).map(|(_, file)| file)
    }

    /// The text of a file, or a place for it.
    fn text(&self) -> Rc<Answer> {
        let source = &*self.fs.source;
        let answer = Answer::pending();
        match self.node {
            Node::Text(file) => answer.give(Ok(node_text::text(source, file).into_bytes())),
            Node::ProcessText(pid, ProcessFile::Maps) => source.maps(pid, answer.clone()),
            Node::ProcessText(pid, file) => answer.give(process_text::text(source, pid, file)),
            _ => answer.give(Err(Errno::EINVAL)),
        }
        answer
    }

    /// The fixed entries of this directory.
    fn entries(&self) -> Vec<(&'static [u8], Node)> {
        match self.node {
            Node::Root => ROOT_ENTRIES.to_vec(),
            Node::Process(pid) => process_entries(pid).to_vec(),
            _ => Vec::new(),
        }
    }

    /// The entries of this directory that have numbers for names.
    fn numbered(&self) -> Vec<(i32, Node)> {
        let source = &self.fs.source;
        let mut entries: Vec<_> = match self.node {
            Node::Root => {
                source.pids().into_iter().map(|pid| (pid.0, Node::Process(pid))).collect()
            }
            Node::Descriptors(pid) => {
                let descriptors = source.descriptors(pid).into_iter();
                descriptors.map(|(fd, _)| (fd.0, Node::Descriptor(pid, fd))).collect()
            }
            _ => Vec::new(),
        };
        entries.sort_by_key(|(number, _)| *number);
        entries
    }
}

impl Node {
    const fn file_type(self) -> FileType {
        match self {
            Self::Root | Self::Process(_) | Self::Descriptors(_) => FileType::Directory,
            Self::Text(_) | Self::ProcessText(..) | Self::Goto(_) => FileType::Regular,
            Self::Myself
            | Self::Mounts
            | Self::Executable(_)
            | Self::Directory(_)
            | Self::TopDirectory(_)
            | Self::Descriptor(..) => FileType::Symlink,
        }
    }

    /// A number of its own for each file of each process.
    const fn number(self) -> u64 {
        const fn of(pid: Pid, kind: u64) -> u64 {
            (pid.0 as u64) << 32 | kind
        }
        match self {
            Self::Root => 1,
            Self::Myself => 2,
            Self::Mounts => 3,
            Self::Text(file) => 16 + file as u64,
            Self::Process(pid) => of(pid, 1),
            Self::Goto(pid) => of(pid, 2),
            Self::Executable(pid) => of(pid, 3),
            Self::Directory(pid) => of(pid, 4),
            Self::TopDirectory(pid) => of(pid, 5),
            Self::Descriptors(pid) => of(pid, 6),
            Self::ProcessText(pid, file) => of(pid, 16 + file as u64),
            Self::Descriptor(pid, fd) => of(pid, 1000 + fd.0 as u64),
        }
    }
}

impl Inode for ProcInode {
    fn metadata(&self) -> Metadata {
        let permissions = match self.node {
            Node::Root | Node::Process(_) => 0o555,
            Node::Descriptors(_) => 0o500,
            Node::Goto(_) => 0o644,
            Node::Text(_) | Node::ProcessText(..) => 0o444,
            Node::Descriptor(pid, fd) => {
                // What the link permits is what the descriptor permits (proc(5)).
                let access = self.open_file(pid, fd).map(|file| file.flags().access());
                let reads = access.is_some_and(|access| access.reads());
                let writes = access.is_some_and(|access| access.writes());
                0o100 | u32::from(reads) << 8 | u32::from(writes) << 7
            }
            _ => 0o777,
        };
        Metadata {
            device: self.fs.device,
            inode: self.node.number(),
            file_type: self.node.file_type(),
            links: if self.node.file_type() == FileType::Directory { 2 } else { 1 },
            special_device: DeviceNumber::default(),
            size: 0,
            blocks: 0,
            attributes: Attributes::new(permissions, self.fs.clock.now()),
        }
    }

    fn file_type(&self) -> FileType {
        self.node.file_type()
    }

    fn file_system(&self) -> Result<Statfs, Errno> {
        Ok(Statfs::without_blocks(PROC_SUPER_MAGIC, self.fs.device, ST_FLAGS))
    }

    fn names(&self) -> Names {
        Names::Fleeting
    }

    fn open(
        self: Rc<Self>,
        _flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        match self.node {
            Node::Root | Node::Process(_) | Node::Descriptors(_) => Ok(Rc::new(OpenDirectory)),
            Node::Goto(pid) => Ok(Rc::new(GotoFile::new(self.fs.clone(), pid))),
            Node::Text(_) | Node::ProcessText(..) => Ok(Rc::new(TextFile { text: self.text() })),
            _ => Err(Errno::ELOOP),
        }
    }

    fn lookup(&self, name: &[u8], _asker: &dyn Asker) -> Result<Rc<dyn Inode>, Errno> {
        let fixed = self.entries().into_iter().find(|(known, _)| *known == name);
        let node = match (self.node, fixed) {
            (Node::Process(pid), _) if !self.exists(pid) => return Err(Errno::ENOENT),
            (_, Some((_, node))) => node,
            (Node::Root, None) => {
                let pid = Pid(number(name)?);
                self.exists(pid).then_some(Node::Process(pid)).ok_or(Errno::ENOENT)?
            }
            (Node::Descriptors(pid), None) => {
                let fd = Fd(number(name)?);
                self.open_file(pid, fd).map(|_| Node::Descriptor(pid, fd)).ok_or(Errno::ENOENT)?
            }
            (Node::Process(_), None) => return Err(Errno::ENOENT),
            _ => return Err(Errno::ENOTDIR),
        };
        Ok(Self::make(&self.fs, node))
    }

    fn list(
        &self,
        from: u64,
        _asker: &dyn Asker,
        visit: &mut dyn FnMut(&DirectoryEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        if self.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        let mut offer = |name: &[u8], node: Node, next: u64| {
            let (inode, file_type) = (node.number(), node.file_type());
            next <= from || visit(&DirectoryEntry { name, inode, file_type, next })
        };
        for (index, (name, node)) in self.entries().into_iter().enumerate() {
            if !offer(name, node, FIXED + index as u64) {
                return Ok(());
            }
        }
        for (number, node) in self.numbered() {
            if !offer(format!("{number}").as_bytes(), node, NUMBERED + number as u64) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_link(&self, asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        let source = &self.fs.source;
        let path = match self.node {
            // The kernel itself is no process.
            Node::Myself if asker.pid().0 <= 0 => None,
            Node::Myself => Some(format!("{}", asker.pid()).into_bytes()),
            Node::Mounts => Some(b"self/mounts".to_vec()),
            Node::Executable(pid) => source.executable(pid),
            Node::Directory(pid) => source.directory(pid).map(|directory| directory.path()),
            Node::TopDirectory(_) => Some(source.top_directory().path()),
            Node::Descriptor(pid, fd) => self.open_file(pid, fd).map(|file| file.dentry().path()),
            _ => return Err(Errno::EINVAL),
        };
        path.ok_or(Errno::ENOENT)
    }

    fn follow(&self, asker: &dyn Asker) -> Result<LinkTarget, Errno> {
        let source = &self.fs.source;
        let target = match self.node {
            Node::Directory(pid) => source.directory(pid),
            Node::TopDirectory(_) => Some(source.top_directory()),
            Node::Descriptor(pid, fd) => self.open_file(pid, fd).map(|file| file.dentry().clone()),
            _ => return self.read_link(asker).map(LinkTarget::Path),
        };
        target.map(LinkTarget::Dentry).ok_or(Errno::ENOENT)
    }

    /// `O_TRUNC` does nothing here.
    fn set_size(&self, _size: u64) -> Result<(), Errno> {
        Ok(())
    }
}

/// A name that is a number in decimal, without signs or leading zeroes.
fn number(name: &[u8]) -> Result<i32, Errno> {
    let plain = name.iter().all(u8::is_ascii_digit) && (name.len() == 1 || name[0] != b'0');
    let text = core::str::from_utf8(name).ok().filter(|_| plain);
    text.and_then(|text| text.parse().ok()).ok_or(Errno::ENOENT)
}
