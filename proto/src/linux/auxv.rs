//! `elf.h`, auxiliary vector: what the kernel tells a new program (getauxval(3)).

/// `AT_NULL`: the end.
pub const AT_NULL: u64 = 0;
/// `AT_PHDR`: address of the program headers.
pub const AT_PHDR: u64 = 3;
/// `AT_PHENT`: bytes of one.
pub const AT_PHENT: u64 = 4;
/// `AT_PHNUM`: how many.
pub const AT_PHNUM: u64 = 5;
/// `AT_PAGESZ`: bytes of a page.
pub const AT_PAGESZ: u64 = 6;
/// `AT_BASE`: where the program interpreter was loaded; 0 without one.
pub const AT_BASE: u64 = 7;
/// `AT_FLAGS`: 0.
pub const AT_FLAGS: u64 = 8;
/// `AT_ENTRY`: entry point of the program itself.
pub const AT_ENTRY: u64 = 9;
/// `AT_UID`: real user id.
pub const AT_UID: u64 = 11;
/// `AT_EUID`: effective user id.
pub const AT_EUID: u64 = 12;
/// `AT_GID`: real group id.
pub const AT_GID: u64 = 13;
/// `AT_EGID`: effective group id.
pub const AT_EGID: u64 = 14;
/// `AT_PLATFORM`: address of the string `x86_64`.
pub const AT_PLATFORM: u64 = 15;
/// `AT_HWCAP`: EDX of CPUID leaf 1.
pub const AT_HWCAP: u64 = 16;
/// `AT_CLKTCK`: ticks of times(2) in a second.
pub const AT_CLKTCK: u64 = 17;
/// `AT_SECURE`: whether the program gained privileges by exec.
pub const AT_SECURE: u64 = 23;
/// `AT_RANDOM`: address of 16 random bytes.
pub const AT_RANDOM: u64 = 25;
/// `AT_HWCAP2`: bit 1 says that user code may use the FSGSBASE instructions.
pub const AT_HWCAP2: u64 = 26;
/// `AT_EXECFN`: address of the path given to execve(2).
pub const AT_EXECFN: u64 = 31;
/// `AT_MINSIGSTKSZ`: bytes of stack that delivery of a signal takes.
pub const AT_MINSIGSTKSZ: u64 = 51;

/// The value of `AT_CLKTCK` (`USER_HZ`).
pub const CLOCK_TICKS_PER_SECOND: u64 = 100;
