//! mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2).

use std::ptr;

use guest_common::child::{self, End};
use rustix::io::Errno;
use rustix::mm::{
    Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mprotect,
    mremap, munmap,
};

use crate::{PAGE, Region};

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

pub(crate) fn anonymous_is_zero() {
    let region = Region::new(64);
    assert!((0..region.length).all(|offset| region.read(offset) == 0));
    region.write(region.length - 1, 1);
    assert_eq!(region.read(region.length - 1), 1);
    drop(region);
    let again = Region::new(64);
    assert!((0..again.length).all(|offset| again.read(offset) == 0), "no old bytes");
}

pub(crate) fn fixed_replaces() {
    let region = Region::new(3);
    for page in 0..3 {
        region.write(page * PAGE, 9);
    }
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    // SAFETY: replaces a page of our own mapping.
    let placed = unsafe { mmap_anonymous(region.page(1), PAGE, READ_WRITE, flags).unwrap() };
    assert_eq!(placed, region.page(1));
    let bytes = [0, 1, 2].map(|page| region.read(page * PAGE));
    assert_eq!(bytes, [9, 0, 9]);
    let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
    // SAFETY: cannot replace anything.
    let taken = unsafe { mmap_anonymous(region.page(1), PAGE, READ_WRITE, flags) };
    assert_eq!(taken, Err(Errno::EXIST));
}

/// Whether reading the byte kills the process that does it.
fn faults(region: &Region, offset: usize) -> bool {
    let end = child::fork_and_wait(|| {
        guest_common::signal::default(libc::SIGSEGV);
        std::hint::black_box(region.read(offset));
        0
    });
    end == End::Killed(libc::SIGSEGV)
}

pub(crate) fn unmapped_middle() {
    let region = Region::new(5);
    region.write(0, 1);
    region.write(4 * PAGE, 2);
    // SAFETY: the middle of our own mapping, which nothing points into.
    unsafe { munmap(region.page(1), 3 * PAGE).unwrap() };
    let gone = [0, 1, 2, 3, 4].map(|page| faults(&region, page * PAGE));
    assert_eq!(gone, [false, true, true, true, false]);
    assert_eq!((region.read(0), region.read(4 * PAGE)), (1, 2));
    // SAFETY: nothing is there any more; that is no error.
    unsafe { munmap(region.page(1), 3 * PAGE).unwrap() };
}

pub(crate) fn protect_part() {
    let region = Region::new(4);
    region.write(2 * PAGE, 5);
    // SAFETY: our own mapping.
    unsafe { mprotect(region.page(1), 2 * PAGE, MprotectFlags::empty()).unwrap() };
    let gone = [0, 1, 2, 3].map(|page| faults(&region, page * PAGE));
    assert_eq!(gone, [false, true, true, false]);
    // SAFETY: our own mapping.
    unsafe { mprotect(region.page(0), 4 * PAGE, MprotectFlags::READ).unwrap() };
    assert_eq!(region.read(2 * PAGE), 5, "the bytes were only hidden");
    // SAFETY: behind our mapping there may be nothing, or something that must not change.
    unsafe { munmap(region.page(3), PAGE).unwrap() };
    // SAFETY: the last page is not mapped, so this fails.
    let beyond = unsafe { mprotect(region.page(2), 2 * PAGE, MprotectFlags::READ) };
    assert_eq!(beyond, Err(Errno::NOMEM));
}

pub(crate) fn remap_grows_and_moves() {
    let mut region = Region::new(4);
    for page in 0..4 {
        region.write(page * PAGE + page, 10 + page as u8);
    }
    // SAFETY: our own mapping; the new address replaces the old one here.
    let base =
        unsafe { mremap(region.base.cast(), 4 * PAGE, 300 * PAGE, MremapFlags::MAYMOVE).unwrap() };
    region.base = base.cast();
    region.length = 300 * PAGE;
    for page in 0..4 {
        assert_eq!(region.read(page * PAGE + page), 10 + page as u8);
    }
    assert_eq!(region.read(299 * PAGE), 0);
}

pub(crate) fn remap_shrinks() {
    let mut region = Region::new(8);
    region.write(0, 3);
    // SAFETY: our own mapping.
    let base = unsafe { mremap(region.base.cast(), 8 * PAGE, PAGE, MremapFlags::empty()).unwrap() };
    assert_eq!(base, region.page(0), "shrinking never moves");
    assert_eq!(region.read(0), 3);
    assert!(faults(&region, PAGE));
    region.length = PAGE;
    // SAFETY: fails, there being nothing to remap.
    let nothing = unsafe { mremap(region.page(1), PAGE, PAGE, MremapFlags::empty()) };
    assert_eq!(nothing, Err(Errno::FAULT));
}

pub(crate) fn dont_need_zeroes() {
    let region = Region::new(4);
    region.write(PAGE, 1);
    region.write(2 * PAGE, 2);
    // SAFETY: our own mapping; its bytes may go.
    unsafe { madvise(region.page(1), PAGE, Advice::LinuxDontNeed).unwrap() };
    assert_eq!((region.read(PAGE), region.read(2 * PAGE)), (0, 2));
}

pub(crate) fn wrong_arguments() {
    let map = |address: usize, length: usize, flags: MapFlags| {
        // SAFETY: each of these is refused.
        unsafe { mmap_anonymous(ptr::without_provenance_mut(address), length, READ_WRITE, flags) }
    };
    assert_eq!(map(0, 0, MapFlags::PRIVATE), Err(Errno::INVAL));
    assert_eq!(map(123, PAGE, MapFlags::PRIVATE | MapFlags::FIXED), Err(Errno::INVAL));
    assert_eq!(map(0, 1 << 50, MapFlags::PRIVATE), Err(Errno::NOMEM));
    let region = Region::new(1);
    // SAFETY: refused: not aligned.
    unsafe {
        assert_eq!(munmap(region.page(0).wrapping_byte_add(1), PAGE), Err(Errno::INVAL));
        let odd = mprotect(region.page(0).wrapping_byte_add(1), PAGE, MprotectFlags::READ);
        assert_eq!(odd, Err(Errno::INVAL));
    }
}

/// Address space is not memory: a gigabyte without access, then a page of it used.
pub(crate) fn huge_reservation() {
    let length = 1 << 30;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping at an address the kernel picks.
    let base =
        unsafe { mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), flags).unwrap() };
    let region = Region { base: base.cast(), length };
    let middle = length / 2 / PAGE;
    let access = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: our own mapping.
    unsafe { mprotect(region.page(middle), PAGE, access).unwrap() };
    region.write(middle * PAGE, 1);
    assert_eq!(region.read(middle * PAGE), 1);
}

pub(crate) fn many_mappings() {
    let mut regions: Vec<Region> = (0..200).map(|_| Region::new(2)).collect();
    for (index, region) in regions.iter().enumerate() {
        region.write(PAGE + index, index as u8);
        // SAFETY: our own mapping: makes neighbours differ, so that they are not merged.
        unsafe { mprotect(region.page(0), PAGE, MprotectFlags::READ).unwrap() };
    }
    let mut index = 0;
    regions.retain(|region| {
        assert_eq!(region.read(PAGE + index), index as u8);
        index += 1;
        index % 2 == 0
    });
    for (index, region) in regions.iter().enumerate() {
        assert_eq!(region.read(PAGE + 2 * index + 1), (2 * index + 1) as u8);
    }
}
