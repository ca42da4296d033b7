//! `fcntl.h` and its relatives: open flags, descriptor operations, `*at` flags, locks (open(2),
//! fcntl(2), flock(2), rename(2), access(2), lseek(2)).

use bitflags::bitflags;

use crate::errno::Errno;

bitflags! {
    /// Flags of open(2). The access mode is not a set of bits: see [`OpenFlags::access`].
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct OpenFlags: u32 {
        /// Write only; with [`OpenFlags::READ_WRITE`] it makes the two access mode bits.
        const WRITE_ONLY = 0o1;
        /// Read and write.
        const READ_WRITE = 0o2;
        /// Create the file if it does not exist.
        const CREATE = 0o100;
        /// With `CREATE`: fail if it exists.
        const EXCLUSIVE = 0o200;
        /// Do not make a terminal the controlling terminal.
        const NO_CONTROLLING_TTY = 0o400;
        /// Empty the file.
        const TRUNCATE = 0o1000;
        /// Each write goes to the end.
        const APPEND = 0o2000;
        /// Do not block.
        const NONBLOCK = 0o4000;
        /// Write data through before returning.
        const DATA_SYNC = 0o10000;
        /// Signal-driven input and output (accepted, no signal is sent).
        const ASYNC = 0o20000;
        /// Bypass caches (accepted, means nothing for memory).
        const DIRECT = 0o40000;
        /// 64-bit offsets; always so.
        const LARGE_FILE = 0o100000;
        /// Fail unless it is a directory.
        const DIRECTORY = 0o200000;
        /// Fail with ELOOP if the last component is a symbolic link.
        const NO_FOLLOW = 0o400000;
        /// Do not update the access time.
        const NO_ATIME = 0o1000000;
        /// Close at execve(2).
        const CLOSE_ON_EXEC = 0o2000000;
        /// The extra bit of `O_SYNC`.
        const SYNC_BIT = 0o4000000;
        /// A name only: no reading, no writing.
        const PATH = 0o10000000;
        /// The extra bit of `O_TMPFILE`.
        const TMPFILE_BIT = 0o20000000;
    }
}

/// What an open file description permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// `O_RDONLY`.
    Read,
    /// `O_WRONLY`.
    Write,
    /// `O_RDWR`.
    ReadWrite,
    /// The value 3: neither, only ioctl(2) (Linux extension).
    Neither,
}

impl Access {
    /// Whether reading is permitted.
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether writing is permitted.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

impl OpenFlags {
    /// The flags that F_SETFL can change (fcntl(2)).
    pub const SETTABLE: Self = Self::APPEND
        .union(Self::NONBLOCK)
        .union(Self::ASYNC)
        .union(Self::DIRECT)
        .union(Self::NO_ATIME);
    /// The flags that matter only while opening; F_GETFL does not show them.
    pub const CREATION: Self = Self::CREATE
        .union(Self::EXCLUSIVE)
        .union(Self::NO_CONTROLLING_TTY)
        .union(Self::TRUNCATE)
        .union(Self::CLOSE_ON_EXEC);

    /// The two access mode bits.
    pub const fn access(self) -> Access {
        match self.bits() & 3 {
            0 => Access::Read,
            1 => Access::Write,
            2 => Access::ReadWrite,
            _ => Access::Neither,
        }
    }
}

/// `AT_FDCWD`: relative to the current directory.
pub const AT_FDCWD: i32 = -100;
/// `AT_SYMLINK_NOFOLLOW`.
pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// `AT_REMOVEDIR` of unlinkat(2).
pub const AT_REMOVEDIR: u32 = 0x200;
/// `AT_EACCESS` of faccessat(2); the same bit as `AT_REMOVEDIR`.
pub const AT_EACCESS: u32 = 0x200;
/// `AT_SYMLINK_FOLLOW` of linkat(2).
pub const AT_SYMLINK_FOLLOW: u32 = 0x400;
/// `AT_NO_AUTOMOUNT`: nothing is mounted automatically here, so it changes nothing.
pub const AT_NO_AUTOMOUNT: u32 = 0x800;
/// `AT_EMPTY_PATH`: an empty path means the descriptor itself.
pub const AT_EMPTY_PATH: u32 = 0x1000;
/// `AT_STATX_SYNC_TYPE`: the two bits that say how fresh statx(2) must be.
pub const AT_STATX_SYNC_TYPE: u32 = 0x6000;

/// `F_DUPFD`.
pub const F_DUPFD: u32 = 0;
/// `F_GETFD`.
pub const F_GETFD: u32 = 1;
/// `F_SETFD`.
pub const F_SETFD: u32 = 2;
/// `F_GETFL`.
pub const F_GETFL: u32 = 3;
/// `F_SETFL`.
pub const F_SETFL: u32 = 4;
/// `F_GETLK`.
pub const F_GETLK: u32 = 5;
/// `F_SETLK`.
pub const F_SETLK: u32 = 6;
/// `F_SETLKW`.
pub const F_SETLKW: u32 = 7;
/// `F_SETOWN`.
pub const F_SETOWN: u32 = 8;
/// `F_GETOWN`.
pub const F_GETOWN: u32 = 9;
/// `F_OFD_GETLK`.
pub const F_OFD_GETLK: u32 = 36;
/// `F_OFD_SETLK`.
pub const F_OFD_SETLK: u32 = 37;
/// `F_OFD_SETLKW`.
pub const F_OFD_SETLKW: u32 = 38;
/// `F_DUPFD_CLOEXEC`.
pub const F_DUPFD_CLOEXEC: u32 = 1030;
/// `F_SETPIPE_SZ`.
pub const F_SETPIPE_SZ: u32 = 1031;
/// `F_GETPIPE_SZ`.
pub const F_GETPIPE_SZ: u32 = 1032;
/// `FD_CLOEXEC`, the one descriptor flag.
pub const FD_CLOEXEC: u64 = 1;

/// `F_RDLCK`: a shared lock.
pub const F_RDLCK: i16 = 0;
/// `F_WRLCK`: an exclusive lock.
pub const F_WRLCK: i16 = 1;
/// `F_UNLCK`: no lock.
pub const F_UNLCK: i16 = 2;

/// `LOCK_SH` of flock(2).
pub const LOCK_SH: u32 = 1;
/// `LOCK_EX`.
pub const LOCK_EX: u32 = 2;
/// `LOCK_NB`: fail instead of waiting.
pub const LOCK_NB: u32 = 4;
/// `LOCK_UN`.
pub const LOCK_UN: u32 = 8;

/// `F_OK` of access(2): the file exists.
pub const F_OK: u32 = 0;
/// `X_OK`.
pub const X_OK: u32 = 1;
/// `W_OK`.
pub const W_OK: u32 = 2;
/// `R_OK`.
pub const R_OK: u32 = 4;

/// `RENAME_NOREPLACE` of renameat2(2).
pub const RENAME_NOREPLACE: u32 = 1;
/// `RENAME_EXCHANGE`.
pub const RENAME_EXCHANGE: u32 = 2;
/// `RENAME_WHITEOUT`.
pub const RENAME_WHITEOUT: u32 = 4;

/// `CLOSE_RANGE_UNSHARE` of close_range(2).
pub const CLOSE_RANGE_UNSHARE: u32 = 2;
/// `CLOSE_RANGE_CLOEXEC`: mark instead of closing.
pub const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// `UTIME_NOW`: in `tv_nsec`, the current time.
pub const UTIME_NOW: i64 = 0x3fff_ffff;
/// `UTIME_OMIT`: in `tv_nsec`, leave the time as it is.
pub const UTIME_OMIT: i64 = 0x3fff_fffe;

/// `PATH_MAX`: bytes of a path with its NUL.
pub const PATH_MAX: usize = 4096;
/// `NAME_MAX`: bytes of one component.
pub const NAME_MAX: usize = 255;
/// `PIPE_BUF`: writes to a pipe up to this many bytes are atomic.
pub const PIPE_BUF: usize = 4096;
/// `IOV_MAX`: most buffers of one vectored call.
pub const IOV_MAX: u64 = 1024;
/// `MAX_RW_COUNT`: most bytes of one read or write (`INT_MAX` rounded down to a page).
pub const MAX_RW_COUNT: u64 = 0x7fff_f000;

/// From where lseek(2) counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// `SEEK_SET`: from the start.
    Start,
    /// `SEEK_CUR`: from the current offset.
    Current,
    /// `SEEK_END`: from the end of the file.
    End,
    /// `SEEK_DATA`: to the next data at or after the offset.
    Data,
    /// `SEEK_HOLE`: to the next hole at or after the offset.
    Hole,
}

impl TryFrom<u64> for Whence {
    type Error = Errno;

    fn try_from(number: u64) -> Result<Self, Errno> {
        // The argument is an `unsigned int`.
        match number as u32 {
            0 => Ok(Self::Start),
            1 => Ok(Self::Current),
            2 => Ok(Self::End),
            3 => Ok(Self::Data),
            4 => Ok(Self::Hole),
            _ => Err(Errno::EINVAL),
        }
    }
}

layout! {
    /// `struct flock` of fcntl(2).
    Flock {
        /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
        kind: i16,
        /// What `start` counts from: a [`Whence`] number.
        whence: i16,
        /// Padding of the ABI.
        padding1: u32,
        /// First byte.
        start: i64,
        /// Bytes; 0 reaches to the end of any file; negative counts backwards.
        length: i64,
        /// Who holds the conflicting lock; -1 for an open file description lock.
        pid: i32,
        /// Padding of the ABI.
        padding2: u32,
    }
    /// `struct iovec` of readv(2).
    IoVec {
        /// Where the buffer starts.
        base: u64,
        /// Its bytes.
        length: u64,
    }
}

/// `F_NOTIFY`: notices of changes in a directory, older than inotify(7).
pub const F_NOTIFY: u32 = 1026;
/// `DN_MULTISHOT`: more than the first.
pub const DN_MULTISHOT: u32 = 1 << 31;
/// `F_SETLEASE`: leases are not given.
pub const F_SETLEASE: u32 = 1024;
/// `F_GETLEASE`.
pub const F_GETLEASE: u32 = 1025;
/// `F_ADD_SEALS`.
pub const F_ADD_SEALS: u32 = 1033;
/// `F_GET_SEALS`.
pub const F_GET_SEALS: u32 = 1034;
/// `F_GETSIG`.
pub const F_GETSIG: u32 = 11;
/// `F_SETSIG`.
pub const F_SETSIG: u32 = 10;

bitflags! {
    /// Seals of a file in memory (`F_ADD_SEALS`, fcntl(2)).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Seals: u32 {
        /// No more seals.
        const SEAL = 1;
        /// It does not become shorter.
        const SHRINK = 2;
        /// It does not become longer.
        const GROW = 4;
        /// Its content does not change.
        const WRITE = 8;
        /// Its content does not change but through mappings that exist.
        const FUTURE_WRITE = 16;
        /// Its execute permissions do not change.
        const EXEC = 32;
    }
}

/// `MFD_CLOEXEC` of memfd_create(2).
pub const MFD_CLOEXEC: u32 = 1;
/// `MFD_ALLOW_SEALING`: seals may be added.
pub const MFD_ALLOW_SEALING: u32 = 2;
/// `MFD_NOEXEC_SEAL`: not executable, for ever.
pub const MFD_NOEXEC_SEAL: u32 = 8;
/// `MFD_EXEC`: executable.
pub const MFD_EXEC: u32 = 16;
/// The longest name of memfd_create(2).
pub const MFD_NAME_MAX: usize = 249;

/// `FALLOC_FL_KEEP_SIZE` of fallocate(2).
pub const FALLOC_KEEP_SIZE: u64 = 1;
/// `FALLOC_FL_PUNCH_HOLE`.
pub const FALLOC_PUNCH_HOLE: u64 = 2;

/// `RWF_HIPRI` of preadv2(2).
pub const RWF_HIPRI: u64 = 1;
/// `RWF_DSYNC`.
pub const RWF_DSYNC: u64 = 2;
/// `RWF_SYNC`.
pub const RWF_SYNC: u64 = 4;
/// `RWF_NOWAIT`: fail instead of waiting.
pub const RWF_NOWAIT: u64 = 8;
/// `RWF_APPEND`: write at the end.
pub const RWF_APPEND: u64 = 16;

/// `SPLICE_F_NONBLOCK` of splice(2): do not wait for a pipe.
pub const SPLICE_NONBLOCK: u64 = 2;
/// All flags of splice(2), tee(2) and vmsplice(2).
pub const SPLICE_FLAGS: u64 = 15;

/// `POSIX_FADV_NOREUSE`: the last advice of posix_fadvise(2).
pub const FADV_LAST: u64 = 5;
/// All flags of sync_file_range(2).
pub const SYNC_FILE_RANGE_FLAGS: u64 = 7;

bitflags! {
    /// How openat2(2) resolves its path.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Resolve: u64 {
        /// It does not leave the mount it begins at.
        const NO_XDEV = 1;
        /// It follows no link of `/proc` that leads straight to a file.
        const NO_MAGICLINKS = 2;
        /// It follows no symbolic link.
        const NO_SYMLINKS = 4;
        /// It does not leave the directory it begins at, not even for a moment.
        const BENEATH = 8;
        /// The directory it begins at is its root.
        const IN_ROOT = 16;
        /// Only if nothing has to be waited for, as is always the case here.
        const CACHED = 32;
    }
}
