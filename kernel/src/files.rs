//! The files a node starts with: the archive in memory, the devices, the mounts.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::time::Duration;

use wayfarer_machine::Machine;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::stat::DeviceNumber;
use wayfarer_proto::linux::time::Timespec;

use crate::fs::device::{self, Devices};
use crate::fs::fill::{FillError, fill};
use crate::fs::pipe::PipeFs;
use crate::fs::ramfs::{RamFs, RamLimits};
use crate::fs::{Clock, MountKind, NewContent, NewInode, PtsDirectory, Ptys, Vfs};
use crate::random::Random;
use crate::stdio::NOBODY;

/// Files may take this part of the memory that is free at boot.
const PAGES_DIVISOR: usize = 2;
/// Inodes and names of one file system for each page, as in tmpfs. They take up to a kilobyte of
/// the heap each (measured with 100,000 files of a byte): a quarter of the pages.
const INODES_PER_PAGE: u64 = 1;

/// Why a node has no files.
#[derive(Debug)]
pub enum AssembleError {
    /// The archive.
    Archive(FillError),
    /// A directory or mount the kernel itself makes.
    Own(Errno),
}

impl fmt::Display for AssembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => write!(f, "initial files: {error}"),
            Self::Own(errno) => write!(f, "file systems: {errno}"),
        }
    }
}

impl From<Errno> for AssembleError {
    fn from(errno: Errno) -> Self {
        Self::Own(errno)
    }
}

/// Makes the tree of files and fills it from the initial archive.
///
/// # Errors
/// A damaged archive, or one that does not fit in memory.
pub fn assemble(
    machine: &Machine,
    epoch: Duration,
    random: &Rc<RefCell<Random>>,
) -> Result<Rc<Vfs>, AssembleError> {
    let clock = machine.clock;
    let wall: Rc<dyn Clock> =
        Rc::new(move || Timespec::from_duration(epoch + Duration::from_nanos(clock.now_ns())));
    let pages = (machine.frames.counts().free / PAGES_DIVISOR) as u64;
    let make = |minor| {
        let device = DeviceNumber::new(0, minor);
        let limits = RamLimits { pages, inodes: pages * INODES_PER_PAGE };
        RamFs::create(machine.frames.clone(), Rc::clone(&wall), device, limits)
    };
    let random = Rc::clone(random);
    let ptys = Ptys::new(Rc::clone(&wall));
    let entropy = Box::new(move |buffer: &mut [u8]| random.borrow_mut().fill(buffer));
    let devices = Devices::new(entropy, Rc::clone(&ptys));
    let terminals = PtsDirectory::create(&ptys, Rc::clone(&wall));
    let pipes = PipeFs::new(machine.frames.clone(), Rc::clone(&wall), DeviceNumber::new(0, 3));
    let vfs = Rc::new(Vfs::new(make(1)?, Rc::new(devices), pipes));
    fill(&vfs, machine.initial_files, &NOBODY).map_err(AssembleError::Archive)?;
    for directory in [&b"dev"[..], b"proc", b"sys", b"tmp"] {
        let new = NewInode { content: NewContent::Directory, permissions: 0o755 };
        match vfs.root().inode().create(directory, &new) {
            Ok(_) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let dev = make(2)?;
    device::populate(&*dev)?;
    vfs.mount(b"/dev", dev, MountKind::memory(), &NOBODY)?;
    vfs.mount(b"/dev/pts", terminals, MountKind::of_the_kernel("devpts"), &NOBODY)?;
    Ok(vfs)
}

/// What a node with a way to the outside has in `/etc` unless its archive says otherwise: its own
/// name, and the name server of QEMU's user networking (resolver(5), hosts(5)).
const RESOLVER: [(&[u8], &[u8]); 2] =
    [(b"/etc/hosts", b"127.0.0.1\tlocalhost\n"), (b"/etc/resolv.conf", b"nameserver 10.0.2.3\n")];

/// Adds what programs look up names with.
///
/// # Errors
/// `ENOSPC`.
pub fn add_resolver(vfs: &Vfs) -> Result<(), Errno> {
    match vfs.make_directory(vfs.root(), b"/etc", 0o755, &NOBODY) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    for (path, content) in RESOLVER {
        let flags = OpenFlags::WRITE_ONLY | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        match vfs.open(vfs.root(), path, flags, 0o644, &NOBODY) {
            Ok(file) => {
                file.write(content, &file.io(&NOBODY))?;
            }
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
