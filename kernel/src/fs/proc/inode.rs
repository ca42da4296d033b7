//! The inodes of `/proc` and `/sys`.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, Pid, Tid};
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType, ST_FLAGS, Statfs};
use wayfarer_proto::sorted::SortedMap;

use super::file::{GotoFile, SettableFile, TextFile};
use super::process_text;
use super::smaps::SmapsForm;
use super::tree::{Branch, Leaf};
use super::{Answer, Entry, Node, PROCESS_ENTRIES, ProcFs, ProcessFile, Settable, Subject};
use crate::fs::{
    Asker, Attributes, Dentry, DirectoryEntry, FileObject, Inode, LinkTarget, Metadata, Names,
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

    fn exists(&self, subject: Subject) -> bool {
        let source = &self.fs.source;
        match subject.tid {
            Some(tid) => source.thread(subject.pid, tid).is_some(),
            None => source.process(subject.pid).is_some(),
        }
    }

    fn leaf(&self, index: usize) -> &'static Leaf {
        &self.fs.tree[index].1
    }

    fn open_file(&self, subject: Subject, fd: Fd) -> Option<Rc<OpenFile>> {
        let descriptors = self.fs.source.descriptors(subject.pid);
        descriptors.into_iter().find(|(number, _)| *number == fd).map(|(_, file)| file)
    }

    /// The text of a file, or a place for it.
    fn text(&self) -> Rc<Answer> {
        let answer = Answer::pending();
        match self.node {
            Node::Leaf(index) => answer.give(self.leaf_text(index).ok_or(Errno::EINVAL)),
            Node::Entry(subject, Entry::Text(file)) => self.process_text(subject, file, &answer),
            Node::DescriptorFacts(subject, fd) => {
                let text = self.open_file(subject, fd).map(|file| process_text::descriptor(&file));
                answer.give(text.map(String::into_bytes).ok_or(Errno::ENOENT));
            }
            _ => answer.give(Err(Errno::EINVAL)),
        }
        answer
    }

    fn leaf_text(&self, index: usize) -> Option<Vec<u8>> {
        let source = &*self.fs.source;
        let text = match self.leaf(index) {
            Leaf::Constant(text) => return Some(text.as_bytes().to_vec()),
            Leaf::Node(make) => make(&source.node()),
            Leaf::Made(make) => make(source),
            _ => return None,
        };
        Some(text.into_bytes())
    }

    fn process_text(&self, subject: Subject, file: ProcessFile, answer: &Rc<Answer>) {
        let (source, answer) = (&self.fs.source, answer.clone());
        match file {
            ProcessFile::Maps => source.maps(subject.pid, answer),
            ProcessFile::Smaps => source.smaps(subject.pid, SmapsForm::Regions, answer),
            ProcessFile::SmapsRollup => source.smaps(subject.pid, SmapsForm::Sum, answer),
            ProcessFile::Io | ProcessFile::Stat | ProcessFile::StatM | ProcessFile::Status => {
                let fs = self.fs.clone();
                let tell = move |body: Option<_>| {
                    let body = body.unwrap_or_default();
                    answer.give(process_text::measured(&*fs.source, subject, file, &body));
                };
                source.measure(subject.pid, Box::new(tell));
            }
            file => answer.give(process_text::text(&**source, subject, file)),
        }
    }

    /// Where a link of the tree leads to. The kernel itself is no process.
    fn read_leaf_link(&self, index: usize, asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        let (pid, tid) = (asker.pid(), asker.tid());
        match self.leaf(index) {
            Leaf::Link(path) => Ok(path.as_bytes().to_vec()),
            Leaf::Myself | Leaf::MyThread if pid.0 <= 0 => Err(Errno::ENOENT),
            Leaf::Myself => Ok(format!("{pid}").into_bytes()),
            Leaf::MyThread => Ok(format!("{pid}/task/{tid}").into_bytes()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The fixed entries of this directory.
    fn entries(&self) -> Vec<(&'static [u8], Node)> {
        let branch = match self.node {
            Node::Branch(branch) => branch,
            Node::Entry(_, Entry::Net) => Branch::net(),
            Node::Process(subject) => {
                let has = |thread: bool| thread || subject.tid.is_none();
                let known = PROCESS_ENTRIES.iter().filter(|(.., thread)| has(*thread));
                return known
                    .map(|(name, entry, _)| (*name, Node::Entry(subject, *entry)))
                    .collect();
            }
            _ => return Vec::new(),
        };
        let node = |found: Result<usize, _>| found.map_or_else(Node::Branch, Node::Leaf);
        let entries = branch.entries(self.fs.tree).into_iter();
        entries.map(|(name, found)| (name, node(found))).collect()
    }

    /// The entries of this directory that have numbers for names.
    fn numbered(&self) -> SortedMap<i32, Node> {
        let source = &self.fs.source;
        let of_process = |pid| Node::Process(Subject { pid, tid: None });
        match self.node {
            super::ROOT if self.fs.shows_processes => {
                source.pids().into_iter().map(|pid| (pid.0, of_process(pid))).collect()
            }
            Node::Entry(Subject { pid, .. }, Entry::Tasks) => {
                let thread = |tid| Node::Process(Subject { pid, tid: Some(tid) });
                source.threads(pid).into_iter().map(|tid| (tid.0, thread(tid))).collect()
            }
            Node::Entry(subject, entry @ (Entry::Descriptors | Entry::DescriptorFacts)) => {
                let descriptors = source.descriptors(subject.pid).into_iter();
                descriptors.map(|(fd, _)| (fd.0, descriptor(subject, entry, fd))).collect()
            }
            _ => SortedMap::new(),
        }
    }

    /// What the entry of this directory with a number for a name is.
    fn find_numbered(&self, number: i32) -> Option<Node> {
        let found = match self.node {
            super::ROOT if self.fs.shows_processes => Subject { pid: Pid(number), tid: None },
            Node::Entry(Subject { pid, .. }, Entry::Tasks) => {
                Subject { pid, tid: Some(Tid(number)) }
            }
            Node::Entry(subject, entry @ (Entry::Descriptors | Entry::DescriptorFacts)) => {
                let fd = Fd(number);
                return self.open_file(subject, fd).map(|_| descriptor(subject, entry, fd));
            }
            _ => return None,
        };
        self.exists(found).then_some(Node::Process(found))
    }

    fn node_type(&self) -> FileType {
        self.type_of(self.node)
    }

    fn type_of(&self, node: Node) -> FileType {
        match node {
            Node::Branch(_) | Node::Process(_) => FileType::Directory,
            Node::Entry(_, entry) => entry.file_type(),
            Node::Leaf(index) => match self.leaf(index) {
                Leaf::Empty => FileType::Directory,
                Leaf::Link(_) | Leaf::Myself | Leaf::MyThread => FileType::Symlink,
                Leaf::Constant(_) | Leaf::Node(_) | Leaf::Made(_) => FileType::Regular,
            },
            Node::DescriptorFacts(..) => FileType::Regular,
            Node::Descriptor(..) => FileType::Symlink,
        }
    }

    /// What the link of a descriptor permits is what the descriptor permits (proc(5)).
    fn descriptor_permissions(&self, subject: Subject, fd: Fd) -> u32 {
        let access = self.open_file(subject, fd).map(|file| file.flags().access());
        let reads = access.is_some_and(|access| access.reads());
        let writes = access.is_some_and(|access| access.writes());
        0o100 | u32::from(reads) << 8 | u32::from(writes) << 7
    }

    /// Whose the files of a process are: those of its effective user and group.
    fn owner(&self) -> (u32, u32) {
        let (Node::Process(subject)
        | Node::Entry(subject, _)
        | Node::Descriptor(subject, _)
        | Node::DescriptorFacts(subject, _)) = self.node
        else {
            return (0, 0);
        };
        let identity = self.fs.source.process(subject.pid).map(|facts| facts.identity);
        identity.map_or((0, 0), |identity| (identity.users[1], identity.group_ids[1]))
    }
}

const fn descriptor(subject: Subject, directory: Entry, fd: Fd) -> Node {
    match directory {
        Entry::DescriptorFacts => Node::DescriptorFacts(subject, fd),
        _ => Node::Descriptor(subject, fd),
    }
}

impl Entry {
    const fn file_type(self) -> FileType {
        match self {
            Self::Descriptors | Self::DescriptorFacts | Self::Tasks | Self::Net => {
                FileType::Directory
            }
            Self::Text(_) | Self::Goto => FileType::Regular,
            Self::Executable | Self::Directory | Self::TopDirectory => FileType::Symlink,
        }
    }

    const fn permissions(self) -> u32 {
        match self {
            Self::Descriptors | Self::DescriptorFacts => 0o500,
            Self::Tasks | Self::Net => 0o555,
            Self::Text(ProcessFile::Auxiliary | ProcessFile::Environment | ProcessFile::Io) => {
                0o400
            }
            Self::Text(file) if file.settable().is_some() => 0o644,
            Self::Text(_) => 0o444,
            Self::Goto => 0o644,
            _ => 0o777,
        }
    }

    /// A number of its own for each.
    const fn number(self) -> u64 {
        match self {
            Self::Goto => 2,
            Self::Executable => 3,
            Self::Directory => 4,
            Self::TopDirectory => 5,
            Self::Descriptors => 6,
            Self::DescriptorFacts => 7,
            Self::Tasks => 8,
            Self::Net => 9,
            Self::Text(file) => 16 + file as u64,
        }
    }
}

impl ProcessFile {
    /// What writing to it changes.
    const fn settable(self) -> Option<Settable> {
        match self {
            Self::Comm => Some(Settable::Name),
            Self::OomAdjustment => Some(Settable::OomAdjustment),
            _ => None,
        }
    }
}

impl Node {
    /// A number of its own for each file of each process.
    const fn number(self) -> u64 {
        const fn of(subject: Subject, kind: u64) -> u64 {
            let (number, thread) = match subject.tid {
                Some(tid) => (tid.0, 1),
                None => (subject.pid.0, 0),
            };
            (number as u64) << 33 | thread << 32 | kind
        }
        match self {
            Self::Branch(branch) => 1 + ((branch.first as u64) << 8 | branch.length as u64),
            Self::Leaf(index) => 1 << 20 | index as u64,
            Self::Process(subject) => of(subject, 1),
            Self::Entry(subject, entry) => of(subject, entry.number()),
            Self::Descriptor(subject, fd) => of(subject, 1 << 28 | fd.0 as u64),
            Self::DescriptorFacts(subject, fd) => of(subject, 2 << 28 | fd.0 as u64),
        }
    }
}

impl Inode for ProcInode {
    fn metadata(&self) -> Metadata {
        let file_type = self.node_type();
        let permissions = match self.node {
            Node::Entry(_, entry) => entry.permissions(),
            Node::Descriptor(subject, fd) => self.descriptor_permissions(subject, fd),
            Node::DescriptorFacts(..) => 0o400,
            _ => match file_type {
                FileType::Directory => 0o555,
                FileType::Regular => 0o444,
                _ => 0o777,
            },
        };
        let (uid, gid) = self.owner();
        let attributes = Attributes::new(permissions, self.fs.clock.now());
        Metadata {
            device: self.fs.device,
            inode: self.node.number(),
            file_type,
            links: if file_type == FileType::Directory { 2 } else { 1 },
            special_device: DeviceNumber::default(),
            size: 0,
            blocks: 0,
            attributes: Attributes { uid, gid, ..attributes },
        }
    }

    fn file_type(&self) -> FileType {
        self.node_type()
    }

    fn file_system(&self) -> Result<Statfs, Errno> {
        Ok(Statfs::without_blocks(self.fs.magic(), self.fs.device, ST_FLAGS))
    }

    fn names(&self) -> Names {
        Names::Fleeting
    }

    fn open(
        self: Rc<Self>,
        _flags: OpenFlags,
        _asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        match (self.node, self.node_type()) {
            (_, FileType::Directory) => Ok(Rc::new(OpenDirectory)),
            (Node::Entry(subject, Entry::Goto), _) => {
                Ok(Rc::new(GotoFile::new(self.fs.clone(), subject.pid)))
            }
            (_, FileType::Symlink) => Err(Errno::ELOOP),
            (Node::Entry(subject, Entry::Text(file)), _) if let Some(what) = file.settable() => {
                let text = TextFile { text: self.text() };
                Ok(Rc::new(SettableFile { fs: self.fs.clone(), subject, what, text }))
            }
            (Node::DescriptorFacts(subject, fd), _) => {
                self.open_file(subject, fd).ok_or(Errno::ENOENT)?.settled_offset()?;
                Ok(Rc::new(TextFile { text: self.text() }))
            }
            _ => Ok(Rc::new(TextFile { text: self.text() })),
        }
    }

    fn lookup(&self, name: &[u8], _asker: &dyn Asker) -> Result<Rc<dyn Inode>, Errno> {
        if self.node_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        if let Node::Process(subject) = self.node
            && !self.exists(subject)
        {
            return Err(Errno::ENOENT);
        }
        let fixed = self.entries().into_iter().find(|(known, _)| *known == name);
        let node = match fixed {
            Some((_, node)) => node,
            None => self.find_numbered(number(name)?).ok_or(Errno::ENOENT)?,
        };
        Ok(Self::make(&self.fs, node))
    }

    fn list(
        &self,
        from: u64,
        _asker: &dyn Asker,
        visit: &mut dyn FnMut(&DirectoryEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        if self.node_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        let mut offer = |name: &[u8], node: Node, next: u64| {
            let (inode, file_type) = (node.number(), self.type_of(node));
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
        let seen = |dentry: &Rc<Dentry>| dentry.path_from(asker.root().as_ref());
        let path = match self.node {
            Node::Leaf(index) => return self.read_leaf_link(index, asker),
            Node::Entry(subject, Entry::Executable) => {
                Some(source.program(subject.pid).path).filter(|path| !path.is_empty())
            }
            Node::Entry(subject, Entry::Directory) => {
                source.directory(subject.pid).map(|directory| seen(&directory))
            }
            Node::Entry(subject, Entry::TopDirectory) => {
                source.top_directory(subject.pid).map(|directory| seen(&directory))
            }
            Node::Descriptor(subject, fd) => {
                self.open_file(subject, fd).map(|file| seen(file.dentry()))
            }
            _ => return Err(Errno::EINVAL),
        };
        path.ok_or(Errno::ENOENT)
    }

    fn follow(&self, asker: &dyn Asker) -> Result<LinkTarget, Errno> {
        let source = &self.fs.source;
        let target = match self.node {
            Node::Entry(subject, Entry::Directory) => source.directory(subject.pid),
            Node::Entry(subject, Entry::TopDirectory) => source.top_directory(subject.pid),
            Node::Descriptor(subject, fd) => {
                self.open_file(subject, fd).map(|file| file.dentry().clone())
            }
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
