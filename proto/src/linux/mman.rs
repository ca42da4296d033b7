//! `sys/mman.h`: protections, mapping flags, advice (mmap(2), mprotect(2), mremap(2), madvise(2)).

use bitflags::bitflags;

bitflags! {
    /// What a program may do with its pages (`PROT_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Protection: u32 {
        /// Read. On x86-64 any other permission implies it.
        const READ = 1;
        /// Write.
        const WRITE = 2;
        /// Execute.
        const EXECUTE = 4;
    }
}

bitflags! {
    /// Flags of mmap(2) (`MAP_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MapFlags: u32 {
        /// Writes are seen by every process that maps the object. With [`MapFlags::PRIVATE`] it
        /// makes `MAP_SHARED_VALIDATE`.
        const SHARED = 0x01;
        /// Writes are seen by the writer only.
        const PRIVATE = 0x02;
        /// Exactly at the address, replacing what is there.
        const FIXED = 0x10;
        /// No file behind it: zeroes.
        const ANONYMOUS = 0x20;
        /// Below 2 GiB (`MAP_32BIT`).
        const LOW_2_GIB = 0x40;
        /// Grows downwards when touched just below.
        const GROWS_DOWN = 0x0100;
        /// Ignored by Linux.
        const DENY_WRITE = 0x0800;
        /// Ignored by Linux.
        const EXECUTABLE = 0x1000;
        /// Locked in memory; nothing is ever swapped here.
        const LOCKED = 0x2000;
        /// Do not count it against the memory there is.
        const NO_RESERVE = 0x4000;
        /// Fault the pages in at once.
        const POPULATE = 0x8000;
        /// With `POPULATE`: only what needs no input.
        const NONBLOCK = 0x1_0000;
        /// Will serve as a stack; means nothing to Linux.
        const STACK = 0x2_0000;
        /// Huge pages.
        const HUGE_TLB = 0x4_0000;
        /// Synchronous faults on persistent memory.
        const SYNC = 0x8_0000;
        /// Exactly at the address, or EEXIST.
        const FIXED_NOREPLACE = 0x10_0000;
        /// Not Linux's: in an image, the shared file cannot be written to through the region.
        const IMAGE_SEALED = 0x1000_0000;
        /// Not Linux's: in an image, stores to the shared file are seen by all who map it.
        const IMAGE_COHERENT = 0x2000_0000;
        /// Not Linux's: in an image, the region is empty in a child (`MADV_WIPEONFORK`).
        const IMAGE_WIPE_ON_FORK = 0x4000_0000;
        /// Not Linux's: in an image, the region is absent in a child (`MADV_DONTFORK`).
        const IMAGE_OMIT_ON_FORK = 0x8000_0000;
    }
}

bitflags! {
    /// Flags of mremap(2) (`MREMAP_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct RemapFlags: u32 {
        /// The mapping may get another address.
        const MAY_MOVE = 1;
        /// It shall get this address.
        const FIXED = 2;
        /// Leave an empty mapping behind.
        const DONT_UNMAP = 4;
    }
}

/// `MADV_NORMAL`: the first of the hints that change nothing (to `MADV_WILLNEED`, 3).
pub const MADV_NORMAL: u64 = 0;
/// `MADV_WILLNEED`.
pub const MADV_WILLNEED: u64 = 3;
/// `MADV_DONTNEED`: drop the pages; private memory reads as it was first mapped.
pub const MADV_DONTNEED: u64 = 4;
/// `MADV_FREE`: the pages may be dropped.
pub const MADV_FREE: u64 = 8;
/// `MADV_DONTFORK`: a child shall not have the range.
pub const MADV_DONTFORK: u64 = 10;
/// `MADV_DOFORK`: undoes `MADV_DONTFORK`.
pub const MADV_DOFORK: u64 = 11;
/// `MADV_MERGEABLE`, with the hints up to `MADV_DODUMP` (17).
pub const MADV_MERGEABLE: u64 = 12;
/// `MADV_DODUMP`.
pub const MADV_DODUMP: u64 = 17;
/// `MADV_WIPEONFORK`: a child shall find zeroes.
pub const MADV_WIPEONFORK: u64 = 18;
/// `MADV_KEEPONFORK`: undoes `MADV_WIPEONFORK`.
pub const MADV_KEEPONFORK: u64 = 19;
/// `MADV_COLD`.
pub const MADV_COLD: u64 = 20;
/// `MADV_POPULATE_READ`: fault the pages in as loads do.
pub const MADV_POPULATE_READ: u64 = 22;
/// `MADV_POPULATE_WRITE`: fault the pages in as stores do.
pub const MADV_POPULATE_WRITE: u64 = 23;
/// `MADV_PAGEOUT`.
pub const MADV_PAGEOUT: u64 = 21;

/// `vm.max_map_count`: regions that one address space may have.
pub const MAX_MAP_COUNT: usize = 65_530;
/// `vm.mmap_min_addr`: nothing is mapped below.
pub const MMAP_MIN_ADDRESS: u64 = 0x1_0000;

/// `MS_ASYNC`: msync(2) begins to write back.
pub const MS_ASYNC: u64 = 1;
/// `MS_INVALIDATE`: other mappings of the file shall see what was written.
pub const MS_INVALIDATE: u64 = 2;
/// `MS_SYNC`: msync(2) waits until it is written back.
pub const MS_SYNC: u64 = 4;

/// `MLOCK_ONFAULT` of mlock2(2): lock pages as they come.
pub const MLOCK_ON_FAULT: u64 = 1;
/// `MCL_CURRENT` of mlockall(2): all that is mapped.
pub const MCL_CURRENT: u64 = 1;
/// `MCL_FUTURE`: all that will be mapped.
pub const MCL_FUTURE: u64 = 2;
/// `MCL_ONFAULT`: lock pages as they come.
pub const MCL_ON_FAULT: u64 = 4;
