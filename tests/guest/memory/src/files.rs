//! Files in memory.

use std::fs::{self, File, OpenOptions};
use std::ptr;

use guest_common::child::{self, End};
use guest_common::signal;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, msync};

use crate::{PAGE, Region};

/// A file of that many bytes, each telling its place, which is removed already.
fn file(length: usize) -> File {
    let path = "mapped.tmp";
    fs::write(path, (0..length).map(byte).collect::<Vec<u8>>()).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    fs::remove_file(path).unwrap();
    file
}

fn byte(offset: usize) -> u8 {
    (offset % 251) as u8
}

fn map(file: &File, pages: usize, flags: MapFlags, offset: u64) -> Region {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address the kernel picks.
    let base = unsafe { mmap(ptr::null_mut(), pages * PAGE, access, flags, file, offset) };
    Region { base: base.unwrap().cast(), length: pages * PAGE }
}

pub(crate) fn private_mapping() {
    let file = file(3 * PAGE);
    let region = map(&file, 2, MapFlags::PRIVATE, PAGE as u64);
    assert!((0..2 * PAGE).all(|offset| region.read(offset) == byte(PAGE + offset)));
    region.write(5, 255);
    let mut on_disk = [0];
    rustix::io::pread(&file, &mut on_disk, PAGE as u64 + 5).unwrap();
    assert_eq!(on_disk[0], byte(PAGE + 5), "a private write stays private");
    let child = child::fork_and_wait(|| i32::from(region.read(5)));
    assert_eq!(child, End::Exited(255));
    // SAFETY: refused: the offset is not a multiple of the page size.
    let odd = unsafe { mmap(ptr::null_mut(), PAGE, ProtFlags::READ, MapFlags::PRIVATE, &file, 5) };
    assert_eq!(odd, Err(Errno::INVAL));
}

pub(crate) fn shared_mapping() {
    let file = file(2 * PAGE);
    let region = map(&file, 2, MapFlags::SHARED, 0);
    region.write(PAGE + 1, 99);
    // SAFETY: our own mapping.
    unsafe { msync(region.page(0), 2 * PAGE, MsyncFlags::SYNC).unwrap() };
    let mut on_disk = [0];
    rustix::io::pread(&file, &mut on_disk, PAGE as u64 + 1).unwrap();
    assert_eq!(on_disk[0], 99);
    rustix::io::pwrite(&file, &[77], 3).unwrap();
    assert_eq!(region.read(3), 77);
}

pub(crate) fn outlives_descriptor() {
    let file = file(PAGE);
    let region = map(&file, 1, MapFlags::PRIVATE, 0);
    drop(file);
    assert!((0..PAGE).all(|offset| region.read(offset) == byte(offset)));
}

/// The rest of the last page reads as zero; a page behind it raises SIGBUS.
pub(crate) fn end_of_file() {
    let file = file(PAGE + 100);
    let region = map(&file, 3, MapFlags::PRIVATE, 0);
    assert_eq!(region.read(PAGE + 99), byte(PAGE + 99));
    assert!((PAGE + 100..2 * PAGE).all(|offset| region.read(offset) == 0));
    let end = child::fork_and_wait(|| {
        signal::default(libc::SIGBUS);
        i32::from(region.read(2 * PAGE))
    });
    assert_eq!(end, End::Killed(libc::SIGBUS));
}
