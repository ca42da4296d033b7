//! Tests of the address space on the host, over real page tables.

mod faults;
mod images;
mod maps;
mod model;
mod steps;

use std::string::ToString;
use std::vec::Vec;

use wayfarer_machine::{FramePool, KernelHalf};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Epoch, MapId, UserAddr};
use wayfarer_proto::linux::mman::{MapFlags, Protection};

use super::*;

const RW: Protection = Protection::READ.union(Protection::WRITE);
const PRIVATE: MapFlags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);
const FIXED: MapFlags = PRIVATE.union(MapFlags::FIXED);
const FILE: MapId = MapId(7);

fn source(frames: usize) -> MemorySource {
    MemorySource::new(&FramePool::arena(frames), &KernelHalf::empty()).unwrap()
}

fn setup() -> AddressSpace {
    AddressSpace::new(&source(4096)).unwrap()
}

fn used(source: &MemorySource) -> usize {
    let counts = source.pool().counts();
    counts.total - counts.free
}

fn at(page: u64) -> UserAddr {
    UserAddr(page * PAGE)
}

fn anonymous(page: u64, pages: u64, protection: Protection, flags: MapFlags) -> MapRequest {
    MapRequest { address: at(page), length: pages * PAGE, protection, flags, file: None }
}

fn of_file(page: u64, pages: u64, protection: Protection, offset: u64) -> MapRequest {
    let file = MappedFile { path: "/bin/prog".into(), device: (0, 1), inode: 42 };
    MapRequest {
        address: at(page),
        length: pages * PAGE,
        protection,
        flags: MapFlags::PRIVATE | MapFlags::FIXED,
        file: Some(FileMapping { map: FILE, offset, writable: false, file }),
    }
}

/// Byte `offset` of the test file.
fn file_byte(offset: u64) -> u8 {
    (offset / PAGE * 31 + offset % 251 + 1) as u8
}

/// Serves a request from a file of `len` bytes.
fn page_in(space: &mut AddressSpace, request: &PageRequest, len: u64) -> Installed {
    let start = request.file_page * PAGE;
    let end = (start + request.count * PAGE).min(len).max(start);
    let bytes: Vec<u8> = (start..end).map(file_byte).collect();
    space.install(request, &bytes).unwrap()
}

const FILE_BYTES: u64 = 40 * PAGE;

/// Reads as a system call would; `None` for EFAULT.
fn read(space: &mut AddressSpace, address: UserAddr, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    loop {
        let progress = space.read(address.offset(done as u64), &mut bytes[done..]);
        done += progress.done;
        match progress.blocked_on {
            None => return Some(bytes),
            Some(Blocked::NeedsPage(request)) => {
                if page_in(space, &request, FILE_BYTES) == Installed::BeyondEnd {
                    return None;
                }
            }
            Some(_) => return None,
        }
    }
}

/// Writes as a system call would; false for EFAULT.
fn write(space: &mut AddressSpace, address: UserAddr, bytes: &[u8]) -> bool {
    let mut done = 0;
    loop {
        let progress = space.write(address.offset(done as u64), &bytes[done..]);
        done += progress.done;
        match progress.blocked_on {
            None => return true,
            Some(Blocked::NeedsPage(request)) => {
                if page_in(space, &request, FILE_BYTES) == Installed::BeyondEnd {
                    return false;
                }
            }
            Some(_) => return false,
        }
    }
}
