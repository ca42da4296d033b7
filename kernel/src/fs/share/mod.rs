//! A directory of the host as a file system: 9P2000.L over virtio.
//!
//! Nothing is kept that the host could change: each lookup asks, each stat asks, and reads and
//! writes go to the host at once. What an inode remembers is what it was told last, for those who
//! have just asked.
//!
//! | file | |
//! |---|---|
//! | `wire.rs`, `request.rs`, `reply.rs` | bytes |
//! | `client.rs` | requests under way, fids |
//! | `journal.rs` | how a synchronous try waits for answers |
//! | `inode.rs`, `object.rs` | the file system |

mod client;
mod inode;
mod journal;
mod object;
mod reply;
mod request;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Carrier;
pub use journal::Fetches;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use core::cell::RefCell;

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::stat::DeviceNumber;

use super::Inode;
use client::{Client, Fid};
use inode::ShareInode;
use journal::Answer;
use reply::{FileInfo, Reply};
use request::Request;

/// A shared directory.
pub struct Share {
    client: Rc<Client>,
    fetches: Rc<Fetches>,
    device: DeviceNumber,
    /// Pipes of fifos, which exist on this node only, take frames from here.
    pool: FramePool,
    /// The inodes that somebody holds, by their number on the host: a file has one, whatever its
    /// names are.
    inodes: RefCell<BTreeMap<u64, Weak<ShareInode>>>,
}

/// What a share is made of.
pub struct Parts {
    /// The way to the host.
    pub carrier: Box<dyn Carrier>,
    /// Bytes of the largest message that it takes.
    pub largest: u32,
    /// Who waits for answers.
    pub fetches: Rc<Fetches>,
    /// The number of the file system.
    pub device: DeviceNumber,
    /// Frames for the pipes of fifos.
    pub pool: FramePool,
}

impl Share {
    /// Connects to the host. `wait` waits for an interrupt and says whether to go on.
    ///
    /// # Errors
    /// `EIO` for a host that does not speak the protocol; `ETIMEDOUT`; the host's.
    pub fn connect(
        parts: Parts,
        wait: &mut dyn FnMut() -> bool,
    ) -> Result<(Rc<Self>, Rc<dyn Inode>), Errno> {
        let Parts { carrier, largest, fetches, device, pool } = parts;
        let client = Client::new(carrier, Rc::clone(&fetches), largest);
        let (fid, info) = client.begin(wait)?;
        let share = Rc::new(Self { client, fetches, device, pool, inodes: RefCell::default() });
        share.fetches.use_it();
        let root = share.inode(fid, info);
        Ok((share, root))
    }

    /// Takes in what has come from the host; whether anything has.
    pub fn receive(&self) -> bool {
        self.client.receive()
    }

    /// Lets the host know of what it was asked.
    pub fn announce(&self) {
        self.client.announce();
    }

    /// The inode of a file that the host has just told of, and `fid` names.
    fn inode(self: &Rc<Self>, fid: Rc<Fid>, info: FileInfo) -> Rc<ShareInode> {
        let mut inodes = self.inodes.borrow_mut();
        let known = inodes.get(&info.file).and_then(Weak::upgrade);
        // Numbers of files that are no more are given again.
        if let Some(known) = known.filter(|known| known.is_of(&info)) {
            drop(inodes);
            known.learn(fid, info);
            return known;
        }
        let inode = Rc::new(ShareInode::new(Rc::clone(self), fid, info));
        inodes.insert(info.file, Rc::downgrade(&inode));
        inode
    }

    /// Forgets an inode that nobody holds any more.
    fn forget(&self, file: u64) {
        let mut inodes = self.inodes.borrow_mut();
        if inodes.get(&file).is_some_and(|inode| inode.strong_count() == 0) {
            inodes.remove(&file);
        }
    }

    fn ask(&self, request: Request) -> Result<Answer, Errno> {
        self.fetches.ask(&self.client, request)
    }

    /// Asks for something that is only to be done.
    fn order(&self, request: Request) -> Result<(), Errno> {
        self.ask(request).map(drop)
    }

    /// A new fid for what a name in a directory names, or without a name for the same file.
    fn walk(&self, fid: &Rc<Fid>, name: Option<&[u8]>) -> Result<Rc<Fid>, Errno> {
        let request = Request::Walk(Rc::clone(fid), name.map(<[u8]>::to_vec));
        self.ask(request)?.fid.ok_or(Errno::EIO)
    }

    fn info(&self, fid: &Rc<Fid>) -> Result<FileInfo, Errno> {
        match self.ask(Request::Attributes(Rc::clone(fid)))?.reply {
            Reply::Attributes(info) => Ok(info),
            _ => Err(Errno::EIO),
        }
    }

    /// A fid that is open.
    fn open(&self, fid: &Rc<Fid>, flags: u32) -> Result<Rc<Fid>, Errno> {
        let fid = self.walk(fid, None)?;
        self.order(Request::Open(Rc::clone(&fid), flags))?;
        Ok(fid)
    }

    /// Reads as much as one message holds.
    fn read(&self, fid: &Rc<Fid>, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let count = buffer.len().min(self.client.data_max()) as u32;
        let request = Request::Read { fid: Rc::clone(fid), offset, count };
        match self.ask(request)?.reply {
            Reply::Data(data) => {
                buffer[..data.len()].copy_from_slice(&data);
                Ok(data.len())
            }
            _ => Err(Errno::EIO),
        }
    }
}
