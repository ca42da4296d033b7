//! What the kernel tells a new program about itself and the machine (getauxval(3)).

use alloc::vec::Vec;

use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::auxv::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_EXECFN, AT_FLAGS, AT_GID, AT_HWCAP,
    AT_HWCAP2, AT_MINSIGSTKSZ, AT_NULL, AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PLATFORM,
    AT_RANDOM, AT_SECURE, AT_UID, CLOCK_TICKS_PER_SECOND,
};
use wayfarer_proto::linux::elf::ProgramHeader;

use crate::memory::PAGE;

/// What user code can see of the processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Processor {
    /// EDX of CPUID leaf 1.
    pub hwcap: u32,
    /// Bit 1: FSGSBASE instructions are allowed.
    pub hwcap2: u32,
    /// Bytes of stack that delivery of a signal takes.
    pub signal_frame_bytes: u64,
}

/// On whose behalf the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Whether exec gave it privileges (set-user-ID).
    pub secure: bool,
}

/// Where the parts of the program were put.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Placed {
    /// The program headers.
    pub(super) headers: u64,
    /// How many.
    pub(super) header_count: u16,
    /// The program interpreter; 0 without one.
    pub(super) interpreter: u64,
    /// The program's own first instruction.
    pub(super) entry: u64,
}

/// Where the strings of the vector are on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Strings {
    pub(super) random: u64,
    pub(super) path: u64,
    pub(super) platform: u64,
}

/// The auxiliary vector, in Linux's order, its end included.
pub(super) fn vector(
    processor: &Processor,
    credentials: &Credentials,
    placed: &Placed,
    strings: &Strings,
) -> Vec<(u64, u64)> {
    alloc::vec![
        (AT_MINSIGSTKSZ, processor.signal_frame_bytes),
        (AT_HWCAP, u64::from(processor.hwcap)),
        (AT_PAGESZ, PAGE),
        (AT_CLKTCK, CLOCK_TICKS_PER_SECOND),
        (AT_PHDR, placed.headers),
        (AT_PHENT, ProgramHeader::SIZE as u64),
        (AT_PHNUM, u64::from(placed.header_count)),
        (AT_BASE, placed.interpreter),
        (AT_FLAGS, 0),
        (AT_ENTRY, placed.entry),
        (AT_UID, u64::from(credentials.uid)),
        (AT_EUID, u64::from(credentials.euid)),
        (AT_GID, u64::from(credentials.gid)),
        (AT_EGID, u64::from(credentials.egid)),
        (AT_SECURE, u64::from(credentials.secure)),
        (AT_RANDOM, strings.random),
        (AT_HWCAP2, u64::from(processor.hwcap2)),
        (AT_EXECFN, strings.path),
        (AT_PLATFORM, strings.platform),
        (AT_NULL, 0),
    ]
}
