//! Character devices (null(4), random(4), tty(4)) and the nodes of `/dev`.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::fcntl::{OpenFlags, Whence};
use wayfarer_proto::linux::stat::{DeviceNumber, FileType};

use super::terminal::{Ptys, Terminal};
use super::{Asker, FileObject, Inode, Io, NewContent, NewInode};

/// Fills a buffer with unpredictable bytes.
pub type Entropy = Box<dyn FnMut(&mut [u8])>;

/// `/dev/null`.
pub const NULL: DeviceNumber = DeviceNumber::new(1, 3);
/// `/dev/zero`.
pub const ZERO: DeviceNumber = DeviceNumber::new(1, 5);
/// `/dev/full`.
pub const FULL: DeviceNumber = DeviceNumber::new(1, 7);
/// `/dev/random`.
pub const RANDOM: DeviceNumber = DeviceNumber::new(1, 8);
/// `/dev/urandom`.
pub const URANDOM: DeviceNumber = DeviceNumber::new(1, 9);
/// `/dev/tty`: the caller's controlling terminal.
pub const TTY: DeviceNumber = DeviceNumber::new(5, 0);
/// `/dev/console`.
pub const CONSOLE: DeviceNumber = DeviceNumber::new(5, 1);
/// `/dev/ptmx`: opening it makes a pseudoterminal.
pub const PTMX: DeviceNumber = DeviceNumber::new(5, 2);

/// The devices of a node.
pub struct Devices {
    entropy: Rc<RefCell<Entropy>>,
    console: RefCell<Option<Rc<Terminal>>>,
    ptys: Rc<Ptys>,
}

impl Devices {
    /// The devices that need no hardware but a source of entropy.
    pub fn new(entropy: Entropy, ptys: Rc<Ptys>) -> Self {
        Self { entropy: Rc::new(RefCell::new(entropy)), console: RefCell::default(), ptys }
    }

    /// The pseudoterminals.
    pub fn ptys(&self) -> &Rc<Ptys> {
        &self.ptys
    }

    /// Makes this terminal the console.
    pub fn set_console(&self, terminal: Rc<Terminal>) {
        self.console.replace(Some(terminal));
    }

    /// The terminal that is the console, if there is one.
    pub fn console(&self) -> Option<Rc<Terminal>> {
        self.console.borrow().clone()
    }

    /// The terminal that controls a session, and its number.
    pub fn controlling_terminal(&self, session: Pid) -> Option<(DeviceNumber, Rc<Terminal>)> {
        let console = self.console().filter(|terminal| terminal.session() == Some(session));
        let pty = || {
            let pty = self.ptys.of_session(session)?;
            Some((pty.device(), pty.terminal().clone()))
        };
        console.map(|terminal| (CONSOLE, terminal)).or_else(pty)
    }

    /// Opens the device with this number.
    ///
    /// # Errors
    /// `ENXIO` if there is none.
    pub fn open(
        &self,
        number: DeviceNumber,
        flags: OpenFlags,
        asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        match number {
            NULL => Ok(Rc::new(MemoryDevice::Null)),
            ZERO => Ok(Rc::new(MemoryDevice::Zero)),
            FULL => Ok(Rc::new(MemoryDevice::Full)),
            RANDOM | URANDOM => Ok(Rc::new(RandomDevice { entropy: self.entropy.clone() })),
            TTY => match self.controlling_terminal(asker.session()) {
                Some((number, _)) => self.open(number, flags, asker),
                None => Err(Errno::ENXIO),
            },
            PTMX => self.ptys.open_master(asker),
            _ => self.open_terminal(number, flags, asker),
        }
    }
}

impl Devices {
    fn open_terminal(
        &self,
        number: DeviceNumber,
        flags: OpenFlags,
        asker: &dyn Asker,
    ) -> Result<Rc<dyn FileObject>, Errno> {
        let has_terminal = self.controlling_terminal(asker.session()).is_some();
        if number == CONSOLE {
            let terminal = self.console().ok_or(Errno::ENXIO)?;
            return Ok(terminal.open(flags, asker, has_terminal));
        }
        self.ptys.of_device(number).ok_or(Errno::ENXIO)?.open(flags, asker, has_terminal)
    }
}

/// Makes the usual nodes and links in a directory that shall be `/dev`.
///
/// # Errors
/// As [`Inode::create`].
pub fn populate(directory: &dyn Inode) -> Result<(), Errno> {
    const NODES: [(&[u8], DeviceNumber, u32); 8] = [
        (b"null", NULL, 0o666),
        (b"zero", ZERO, 0o666),
        (b"full", FULL, 0o666),
        (b"random", RANDOM, 0o666),
        (b"urandom", URANDOM, 0o666),
        (b"tty", TTY, 0o666),
        (b"console", CONSOLE, 0o600),
        (b"ptmx", PTMX, 0o666),
    ];
    for &(name, number, permissions) in &NODES {
        let content = NewContent::Special(FileType::CharDevice, number);
        directory.create(name, &NewInode { content, permissions })?;
    }
    const LINKS: [(&[u8], &[u8]); 4] = [
        (b"fd", b"/proc/self/fd"),
        (b"stdin", b"/proc/self/fd/0"),
        (b"stdout", b"/proc/self/fd/1"),
        (b"stderr", b"/proc/self/fd/2"),
    ];
    for &(name, target) in &LINKS {
        let content = NewContent::Symlink(target);
        directory.create(name, &NewInode { content, permissions: 0o777 })?;
    }
    let terminals = NewInode { content: NewContent::Directory, permissions: 0o755 };
    directory.create(b"pts", &terminals)?;
    let shared = NewInode { content: NewContent::Directory, permissions: 0o1777 };
    directory.create(b"shm", &shared).map(drop)
}

/// null(4) and full(4).
enum MemoryDevice {
    Null,
    Zero,
    Full,
}

impl FileObject for MemoryDevice {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        if matches!(self, Self::Null) {
            return Ok(0);
        }
        buffer.fill(0);
        Ok(buffer.len())
    }

    fn write(&self, _offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        if matches!(self, Self::Full) { Err(Errno::ENOSPC) } else { Ok(data.len()) }
    }

    fn has_position(&self) -> bool {
        true
    }

    /// Succeeds and stays at the beginning, as `null_lseek`.
    fn seek(&self, _current: u64, _offset: i64, _whence: Whence) -> Result<u64, Errno> {
        Ok(0)
    }
}

/// random(4); the two are alike, as in Linux once the pool is seeded.
struct RandomDevice {
    entropy: Rc<RefCell<Entropy>>,
}

impl FileObject for RandomDevice {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        (self.entropy.borrow_mut())(buffer);
        Ok(buffer.len())
    }

    /// Accepted, but the source needs no stirring.
    fn write(&self, _offset: u64, data: &[u8], _io: &Io<'_>) -> Result<usize, Errno> {
        Ok(data.len())
    }

    fn has_position(&self) -> bool {
        true
    }

    fn seek(&self, _current: u64, _offset: i64, _whence: Whence) -> Result<u64, Errno> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use wayfarer_proto::linux::fcntl::Whence;

    use super::*;
    use crate::fs::testing::TestTree;

    fn open(tree: &TestTree, path: &str) -> Rc<crate::fs::OpenFile> {
        tree.open(path, OpenFlags::READ_WRITE).unwrap()
    }

    #[test]
    fn null_swallows_and_zero_gives_zeroes() {
        let tree = TestTree::new();
        let mut buffer = [1; 8];
        let null = open(&tree, "/dev/null");
        assert_eq!(null.write(b"gone", &null.io(&tree.asker)), Ok(4));
        assert_eq!(null.read(&mut buffer, &null.io(&tree.asker)), Ok(0));
        assert_eq!(null.seek(100, Whence::End), Ok(0));
        let zero = open(&tree, "/dev/zero");
        assert_eq!(zero.read(&mut buffer, &zero.io(&tree.asker)), Ok(8));
        assert_eq!(buffer, [0; 8]);
    }

    #[test]
    fn full_has_no_space() {
        let tree = TestTree::new();
        let full = open(&tree, "/dev/full");
        assert_eq!(full.write(b"x", &full.io(&tree.asker)), Err(Errno::ENOSPC));
    }

    #[test]
    fn random_asks_the_entropy_source() {
        let tree = TestTree::new();
        let mut buffer = [0; 4];
        for path in ["/dev/random", "/dev/urandom"] {
            let file = open(&tree, path);
            assert_eq!(file.read(&mut buffer, &file.io(&tree.asker)), Ok(4));
            assert_eq!(buffer, [0xa5; 4], "the tests' entropy");
        }
    }

    #[test]
    fn a_node_without_a_device_is_enxio() {
        let tree = TestTree::new();
        let root = tree.vfs.root().clone();
        tree.vfs
            .make_node(&root, b"/odd", 0o020666, DeviceNumber::new(99, 1), &tree.asker)
            .unwrap();
        assert_eq!(tree.open("/odd", OpenFlags::empty()).err(), Some(Errno::ENXIO));
    }

    #[test]
    fn dev_has_the_usual_nodes() {
        let tree = TestTree::new();
        let names: Vec<_> = tree.list("/dev");
        for name in ["null", "zero", "full", "random", "urandom", "tty", "console", "fd", "stdin"] {
            assert!(names.iter().any(|found| found == name), "{name}");
        }
        assert_eq!(tree.stat("/dev/null").special_device, DeviceNumber::new(1, 3));
    }
}
