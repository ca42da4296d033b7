//! `linux/capability.h`: each capability as the bit it has in a set.

/// `CAP_CHOWN`.
pub const CAP_CHOWN: u64 = 1;
/// `CAP_DAC_OVERRIDE`.
pub const CAP_DAC_OVERRIDE: u64 = 1 << 1;
/// `CAP_DAC_READ_SEARCH`.
pub const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
/// `CAP_FOWNER`.
pub const CAP_FOWNER: u64 = 1 << 3;
/// `CAP_FSETID`.
pub const CAP_FSETID: u64 = 1 << 4;
/// `CAP_KILL`.
pub const CAP_KILL: u64 = 1 << 5;
/// `CAP_SETGID`.
pub const CAP_SETGID: u64 = 1 << 6;
/// `CAP_SETUID`.
pub const CAP_SETUID: u64 = 1 << 7;
/// `CAP_SETPCAP`.
pub const CAP_SETPCAP: u64 = 1 << 8;
/// `CAP_LINUX_IMMUTABLE`.
pub const CAP_LINUX_IMMUTABLE: u64 = 1 << 9;
/// `CAP_IPC_OWNER`.
pub const CAP_IPC_OWNER: u64 = 1 << 15;
/// `CAP_SYS_CHROOT`.
pub const CAP_SYS_CHROOT: u64 = 1 << 18;
/// `CAP_SYS_PTRACE`.
pub const CAP_SYS_PTRACE: u64 = 1 << 19;
/// `CAP_SYS_ADMIN`.
pub const CAP_SYS_ADMIN: u64 = 1 << 21;
/// `CAP_SYS_NICE`.
pub const CAP_SYS_NICE: u64 = 1 << 23;
/// `CAP_SYS_RESOURCE`.
pub const CAP_SYS_RESOURCE: u64 = 1 << 24;
/// `CAP_MKNOD`.
pub const CAP_MKNOD: u64 = 1 << 27;
/// `CAP_MAC_OVERRIDE`.
pub const CAP_MAC_OVERRIDE: u64 = 1 << 32;
/// `CAP_CHECKPOINT_RESTORE`.
pub const CAP_CHECKPOINT_RESTORE: u64 = 1 << 40;
/// The number of the last one.
pub const CAP_LAST: u64 = 40;
/// All of them.
pub const ALL: u64 = (1 << (CAP_LAST + 1)) - 1;

/// `_LINUX_CAPABILITY_VERSION_1` of capget(2): sets of 32 bits.
pub const VERSION_1: u32 = 0x1998_0330;
/// `_LINUX_CAPABILITY_VERSION_2`: sets of 64 bits.
pub const VERSION_2: u32 = 0x2007_1026;
/// `_LINUX_CAPABILITY_VERSION_3`: the same.
pub const VERSION_3: u32 = 0x2008_0522;
