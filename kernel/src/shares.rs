//! The directories that the host shares with this node: connected and mounted at boot.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use wayfarer_machine::devices::SharePort;
use wayfarer_machine::{Clock, FramePool};
use wayfarer_proto::boot::BadWord;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::stat::DeviceNumber;
use wayfarer_proto::share::ShareWord;

use crate::fs::share::{Carrier, Fetches, Parts, Share};
use crate::fs::{MountKind, Vfs};
use crate::stdio::NOBODY;

/// How long the host may take to answer at boot.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The number of the first share as a file system; others follow.
const FIRST_DEVICE: u32 = 16;

/// Why a share is not there.
#[derive(Debug)]
pub enum ShareError {
    /// The command line.
    Word(BadWord),
    /// The host has no such device.
    NoDevice(String),
    /// The host does not answer as it should.
    Connect(String, Errno),
    /// It cannot be mounted there.
    Mount(String, Errno),
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(error) => error.fmt(f),
            Self::NoDevice(tag) => write!(f, "there is no device for the share {tag}"),
            Self::Connect(tag, errno) => write!(f, "the host does not share {tag}: {errno}"),
            Self::Mount(path, errno) => write!(f, "cannot mount a share on {path}: {errno}"),
        }
    }
}

/// The shares of a node, as its main loop turns them.
#[derive(Default)]
pub struct Shares(Vec<Rc<Share>>);

/// A port of the machine as the file system sees it.
struct MachineCarrier(SharePort);

impl Carrier for MachineCarrier {
    fn send(&mut self, request: &[u8]) -> bool {
        self.0.send(request)
    }

    fn announce(&mut self) {
        self.0.announce();
    }

    fn receive(&mut self, reply: &mut dyn FnMut(&[u8])) -> bool {
        self.0.receive(|bytes| reply(bytes))
    }
}

impl Shares {
    /// Mounts what a command line names.
    ///
    /// # Errors
    /// [`ShareError`] for the first that cannot be.
    pub fn mount(
        line: &str,
        mut ports: Vec<SharePort>,
        vfs: &Vfs,
        fetches: &Rc<Fetches>,
        (clock, frames): (Clock, &FramePool),
    ) -> Result<Self, ShareError> {
        let mut shares = Vec::new();
        for (index, word) in ShareWord::from_line(line).enumerate() {
            let word = word.map_err(ShareError::Word)?;
            let position = ports.iter().position(|port| port.tag() == word.tag.as_bytes());
            let no_device = || ShareError::NoDevice(word.tag.clone());
            let port = ports.swap_remove(position.ok_or_else(no_device)?);
            let parts = Parts {
                carrier: Box::new(MachineCarrier(port)),
                largest: SharePort::MESSAGE as u32,
                fetches: Rc::clone(fetches),
                device: DeviceNumber::new(0, FIRST_DEVICE + index as u32),
                pool: frames.clone(),
            };
            let limit = clock.now_ns() + CONNECT_LIMIT.as_nanos() as u64;
            let mut wait = || {
                clock.idle_until(Some(limit));
                clock.now_ns() < limit
            };
            let (share, root) = Share::connect(parts, &mut wait)
                .map_err(|errno| ShareError::Connect(word.tag.clone(), errno))?;
            make_place(vfs, &word.path)
                .and_then(|()| vfs.mount(word.path.as_bytes(), root, kind_of(&word), &NOBODY))
                .map_err(|errno| ShareError::Mount(word.path, errno))?;
            shares.push(share);
        }
        Ok(Self(shares))
    }

    /// Takes in what has come from the host; whether anything has.
    pub fn receive(&self) -> bool {
        self.0.iter().fold(false, |any, share| share.receive() | any)
    }

    /// Lets the host know of what it was asked.
    pub fn announce(&self) {
        self.0.iter().for_each(|share| share.announce());
    }
}

fn kind_of(word: &ShareWord) -> MountKind {
    let mode = if word.read_only { "ro" } else { "rw" };
    let options = format!("{mode},relatime,sync,dirsync,access=client,trans=virtio");
    MountKind { source: word.tag.clone(), kind: "9p", options }
}

/// Makes the directories of a path that are not there.
fn make_place(vfs: &Vfs, path: &str) -> Result<(), Errno> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    for end in ends {
        match vfs.make_directory(vfs.root(), &path.as_bytes()[..end], 0o755, &NOBODY) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
