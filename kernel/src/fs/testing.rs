//! What the tests of this module share: a small tree and someone who asks.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::signal::{Signal, SignalSet};
use wayfarer_proto::linux::stat::DeviceNumber;
use wayfarer_proto::linux::time::Timespec;

use super::device::{self, Devices};
use super::dirent::DirentFormat;
use super::pipe::PipeFs;
use super::ramfs::{RamFs, RamLimits};
use super::{
    Asker, Clock, Dentry, FollowLast, Inode, Metadata, MountKind, NewContent, NewInode, OpenFile,
    PtsDirectory, Ptys, Sink, Vfs,
};

/// Someone who asks; by default process 1 in its own session.
pub(crate) struct TestAsker {
    pub(crate) pid: Pid,
    pub(crate) session: Pid,
    pub(crate) group: Pid,
    pub(crate) unaffected: SignalSet,
    pub(crate) orphaned: bool,
}

impl Default for TestAsker {
    fn default() -> Self {
        let pid = Pid(1);
        Self { pid, session: pid, group: pid, unaffected: SignalSet::EMPTY, orphaned: false }
    }
}

impl Asker for TestAsker {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn session(&self) -> Pid {
        self.session
    }

    fn group(&self) -> Pid {
        self.group
    }

    fn ignores_or_blocks(&self, signal: Signal) -> bool {
        self.unaffected.contains(signal)
    }

    fn is_group_orphaned(&self) -> bool {
        self.orphaned
    }

    /// Groups up to 99 are in session 1, others do not exist.
    fn session_of_group(&self, group: Pid) -> Option<Pid> {
        (group.0 < 100).then_some(Pid(1))
    }
}

/// A clock that tests set.
#[derive(Clone, Default)]
pub(crate) struct TestClock(pub(crate) Rc<Cell<i64>>);

impl Clock for TestClock {
    fn now(&self) -> Timespec {
        Timespec { seconds: self.0.get(), nanoseconds: 0 }
    }
}

/// A tree with an empty root and the usual `/dev`.
pub(crate) struct TestTree {
    pub(crate) vfs: Vfs,
    pub(crate) asker: TestAsker,
    pub(crate) clock: TestClock,
    pub(crate) pool: FramePool,
}

/// Pages that files of a [`TestTree`] may take.
pub(crate) const TEST_PAGES: u64 = 64;
/// Inodes of its root file system.
const TEST_INODES: u64 = 1000;

impl TestTree {
    pub(crate) fn new() -> Self {
        let clock = TestClock::default();
        let pool = FramePool::arena(128);
        let shared: Rc<dyn Clock> = Rc::new(clock.clone());
        let limits = RamLimits { pages: TEST_PAGES, inodes: TEST_INODES };
        let make = |minor| {
            let device = DeviceNumber::new(0, minor);
            RamFs::create(pool.clone(), shared.clone(), device, limits).unwrap()
        };
        let root = make(20);
        let directory = NewInode { content: NewContent::Directory, permissions: 0o755 };
        root.create(b"dev", &directory).unwrap();
        let ptys = Ptys::new(shared.clone());
        let devices = Rc::new(Devices::new(Box::new(|buffer| buffer.fill(0xa5)), ptys.clone()));
        let pipes = PipeFs::new(pool.clone(), shared.clone(), DeviceNumber::new(0, 22));
        let vfs = Vfs::new(root, devices, pipes);
        let dev = make(21);
        device::populate(&*dev).unwrap();
        let asker = TestAsker::default();
        vfs.mount(b"/dev", dev, MountKind::memory(), &asker).unwrap();
        let terminals = PtsDirectory::create(&ptys, shared.clone());
        let kind = MountKind::of_the_kernel("devpts");
        vfs.mount(b"/dev/pts", terminals, kind, &asker).unwrap();
        Self { vfs, asker, clock, pool }
    }

    pub(crate) fn open(&self, path: &str, flags: OpenFlags) -> Result<Rc<OpenFile>, Errno> {
        self.vfs.open(self.vfs.root(), path.as_bytes(), flags, 0o644, &self.asker)
    }

    pub(crate) fn open_null(&self) -> Rc<OpenFile> {
        self.open("/dev/null", OpenFlags::READ_WRITE).unwrap()
    }

    /// Makes a file with this content.
    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let flags = OpenFlags::CREATE | OpenFlags::WRITE_ONLY | OpenFlags::TRUNCATE;
        let file = self.open(path, flags).unwrap();
        assert_eq!(file.write(content, &file.io(&self.asker)), Ok(content.len()));
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let file = self.open(path, OpenFlags::empty())?;
        let mut content = Vec::new();
        loop {
            let mut buffer = vec![0; 1000];
            let count = file.read(&mut buffer, &file.io(&self.asker))?;
            if count == 0 {
                return Ok(content);
            }
            content.extend_from_slice(&buffer[..count]);
        }
    }

    pub(crate) fn read_text(&self, path: &str) -> String {
        String::from_utf8(self.read(path).unwrap()).unwrap()
    }

    pub(crate) fn make_directory(&self, path: &str) -> Result<(), Errno> {
        self.vfs.make_directory(self.vfs.root(), path.as_bytes(), 0o755, &self.asker)
    }

    pub(crate) fn make_symlink(&self, target: &str, path: &str) -> Result<(), Errno> {
        let root = self.vfs.root();
        self.vfs.make_symlink(target.as_bytes(), root, path.as_bytes(), &self.asker)
    }

    pub(crate) fn resolve(&self, path: &str, follow: FollowLast) -> Result<Rc<Dentry>, Errno> {
        self.vfs.resolve(self.vfs.root(), path.as_bytes(), follow, &self.asker)
    }

    pub(crate) fn read_link(&self, path: &str) -> Result<String, Errno> {
        let target = self.resolve(path, FollowLast::No)?.inode().read_link(&self.asker)?;
        Ok(String::from_utf8(target).unwrap())
    }

    pub(crate) fn lstat(&self, path: &str) -> Result<Metadata, Errno> {
        Ok(self.resolve(path, FollowLast::No)?.inode().metadata())
    }

    pub(crate) fn stat(&self, path: &str) -> Metadata {
        self.stat_inode(path).metadata()
    }

    pub(crate) fn stat_inode(&self, path: &str) -> Rc<dyn Inode> {
        self.resolve(path, FollowLast::Yes).unwrap().inode().clone()
    }

    /// The names in a directory, `.` and `..` left out.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let flags = OpenFlags::DIRECTORY;
        let directory = self.open(path, flags).unwrap();
        let mut names = Vec::new();
        loop {
            let bytes = directory.read_directory(512, DirentFormat::Dirent64, &self.asker).unwrap();
            if bytes.is_empty() {
                return names;
            }
            names.extend(dirent_names(&bytes).into_iter().filter(|name| !name.starts_with('.')));
        }
    }
}

/// The names in a buffer of getdents64(2).
pub(crate) fn dirent_names(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_le_bytes([bytes[16], bytes[17]]));
        let name = &bytes[19..length];
        let end = name.iter().position(|byte| *byte == 0).unwrap();
        names.push(core::str::from_utf8(&name[..end]).unwrap().to_string());
        bytes = &bytes[length..];
    }
    names
}

/// A sink that keeps what it gets, up to its room.
pub(crate) struct TestSink {
    pub(crate) room: Cell<usize>,
    pub(crate) bytes: RefCell<Vec<u8>>,
}

impl TestSink {
    pub(crate) fn with_room(room: usize) -> Rc<Self> {
        Rc::new(Self { room: Cell::new(room), bytes: RefCell::default() })
    }

    /// What has come so far; it is forgotten.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.take()).unwrap()
    }
}

impl Sink for TestSink {
    fn send(&self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room.get());
        self.room.set(self.room.get() - count);
        self.bytes.borrow_mut().extend_from_slice(&bytes[..count]);
        count
    }
}
