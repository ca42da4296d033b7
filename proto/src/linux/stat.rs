//! `sys/stat.h`, `sys/statfs.h`, `sys/sysmacros.h`: what stat(2), statx(2) and statfs(2) give.

/// `S_IFMT`: the part of a mode that holds the file type.
pub const S_IFMT: u32 = 0o170000;
/// The permission bits of a mode, set-id and sticky bits included.
pub const PERMISSIONS: u32 = 0o7777;
/// `S_ISVTX`.
pub const S_ISVTX: u32 = 0o1000;
/// `S_ISGID`.
pub const S_ISGID: u32 = 0o2000;
/// `S_ISUID`.
pub const S_ISUID: u32 = 0o4000;

/// What kind of file an inode is: the type part of its mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileType {
    /// `S_IFIFO`.
    Fifo,
    /// `S_IFCHR`.
    CharDevice,
    /// `S_IFDIR`.
    Directory,
    /// `S_IFBLK`.
    BlockDevice,
    /// `S_IFREG`.
    Regular,
    /// `S_IFLNK`.
    Symlink,
    /// `S_IFSOCK`.
    Socket,
    /// None of them: what eventfd(2) and its kin make, whose mode has no type.
    Anonymous,
}

impl FileType {
    /// Its bits in a mode (`S_IF*`).
    pub const fn mode_bits(self) -> u32 {
        match self {
            Self::Fifo => 0o010000,
            Self::CharDevice => 0o020000,
            Self::Directory => 0o040000,
            Self::BlockDevice => 0o060000,
            Self::Regular => 0o100000,
            Self::Symlink => 0o120000,
            Self::Socket => 0o140000,
            Self::Anonymous => 0,
        }
    }

    /// The type that a mode names, if it names one.
    pub const fn from_mode(mode: u32) -> Option<Self> {
        match mode & S_IFMT {
            0o010000 => Some(Self::Fifo),
            0o020000 => Some(Self::CharDevice),
            0o040000 => Some(Self::Directory),
            0o060000 => Some(Self::BlockDevice),
            0o100000 => Some(Self::Regular),
            0o120000 => Some(Self::Symlink),
            0o140000 => Some(Self::Socket),
            _ => None,
        }
    }

    /// `d_type` of a directory entry (`DT_*`, readdir(3)): the mode bits shifted.
    pub const fn dirent_type(self) -> u8 {
        (self.mode_bits() >> 12) as u8
    }
}

/// The number of a device, in the 64-bit encoding of `makedev(3)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct DeviceNumber(pub u64);

impl DeviceNumber {
    /// `makedev(3)`.
    pub const fn new(major: u32, minor: u32) -> Self {
        let (major, minor) = (major as u64, minor as u64);
        Self((major & 0xfff) << 8 | (major & !0xfff) << 32 | (minor & 0xff) | (minor & !0xff) << 12)
    }

    /// `major(3)`.
    pub const fn major(self) -> u32 {
        ((self.0 >> 8 & 0xfff) | (self.0 >> 32 & !0xfff)) as u32
    }

    /// `minor(3)`.
    pub const fn minor(self) -> u32 {
        ((self.0 & 0xff) | (self.0 >> 12 & !0xff)) as u32
    }
}

/// `STATX_BASIC_STATS | STATX_BTIME`: the fields that [`Statx`] always fills.
pub const STATX_FILLED: u32 = 0xfff;
/// `STATX__RESERVED`: statx(2) refuses a mask with it.
pub const STATX_RESERVED: u32 = 0x8000_0000;

/// `TMPFS_MAGIC` of statfs(2).
pub const TMPFS_MAGIC: i64 = 0x0102_1994;
/// `DEVPTS_SUPER_MAGIC`.
pub const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;
/// `SYSFS_MAGIC`.
pub const SYSFS_MAGIC: i64 = 0x6265_6572;
/// `PROC_SUPER_MAGIC`.
pub const PROC_SUPER_MAGIC: i64 = 0x9fa0;
/// `V9FS_MAGIC`.
pub const V9FS_MAGIC: i64 = 0x0102_1997;
/// `PIPEFS_MAGIC`.
pub const PIPEFS_MAGIC: i64 = 0x5049_5045;
/// `SOCKFS_MAGIC`.
pub const SOCKFS_MAGIC: i64 = 0x534f_434b;
/// `ANON_INODE_FS_MAGIC`.
pub const ANON_INODE_FS_MAGIC: i64 = 0x0904_1934;
/// `ST_VALID | ST_RELATIME`: what Linux reports in `f_flags` for an ordinary mount.
pub const ST_FLAGS: i64 = 0x1020;

layout! {
    /// `struct stat` of x86-64.
    Stat {
        /// `st_dev`.
        device: u64,
        /// `st_ino`.
        inode: u64,
        /// `st_nlink`.
        links: u64,
        /// `st_mode`.
        mode: u32,
        /// `st_uid`.
        uid: u32,
        /// `st_gid`.
        gid: u32,
        /// Padding of the ABI.
        padding: u32,
        /// `st_rdev`.
        special_device: u64,
        /// `st_size`, bytes.
        size: i64,
        /// `st_blksize`.
        block_size: i64,
        /// `st_blocks`, in units of 512 bytes.
        blocks: i64,
        /// `st_atim.tv_sec`.
        access_seconds: i64,
        /// `st_atim.tv_nsec`.
        access_nanos: i64,
        /// `st_mtim.tv_sec`.
        modify_seconds: i64,
        /// `st_mtim.tv_nsec`.
        modify_nanos: i64,
        /// `st_ctim.tv_sec`.
        change_seconds: i64,
        /// `st_ctim.tv_nsec`.
        change_nanos: i64,
        /// Unused.
        unused: [u8; 24],
    }
    /// `struct statx_timestamp`.
    StatxTime {
        /// Seconds since 1970.
        seconds: i64,
        /// Nanoseconds.
        nanos: u32,
        /// Padding of the ABI.
        padding: i32,
    }
    /// `struct statx` up to the times; see [`Statx::to_bytes`].
    StatxHead {
        /// Which fields are filled (`STATX_*`).
        mask: u32,
        /// Preferred size of input and output.
        block_size: u32,
        /// `STATX_ATTR_*`.
        attributes: u64,
        /// Hard links.
        links: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Type and permissions.
        mode: u16,
        /// Padding of the ABI.
        padding: u16,
        /// Inode number.
        inode: u64,
        /// Bytes.
        size: u64,
        /// Units of 512 bytes.
        blocks: u64,
        /// Which attributes are supported.
        attributes_mask: u64,
    }
    /// `struct statfs` of x86-64.
    Statfs {
        /// `f_type`: the file system's magic number.
        kind: i64,
        /// `f_bsize`.
        block_size: i64,
        /// `f_blocks`.
        blocks: u64,
        /// `f_bfree`.
        blocks_free: u64,
        /// `f_bavail`.
        blocks_available: u64,
        /// `f_files`.
        files: u64,
        /// `f_ffree`.
        files_free: u64,
        /// `f_fsid`.
        id: u64,
        /// `f_namelen`.
        name_max: i64,
        /// `f_frsize`.
        fragment_size: i64,
        /// `f_flags`.
        flags: i64,
        /// Spare.
        spare: [u8; 32],
    }
}

impl Statfs {
    /// What statfs(2) tells of a file system that stores nothing.
    pub const fn without_blocks(kind: i64, device: DeviceNumber, flags: i64) -> Self {
        Self {
            kind,
            block_size: 4096,
            blocks: 0,
            blocks_free: 0,
            blocks_available: 0,
            files: 0,
            files_free: 0,
            id: device.0,
            name_max: 255,
            fragment_size: 4096,
            flags,
            spare: [0; 32],
        }
    }
}

/// `struct statx`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statx {
    /// Everything before the times.
    pub head: StatxHead,
    /// Last access.
    pub accessed: StatxTime,
    /// Birth.
    pub born: StatxTime,
    /// Last change of status.
    pub changed: StatxTime,
    /// Last modification.
    pub modified: StatxTime,
    /// The device this inode names, for a device node.
    pub special_device: DeviceNumber,
    /// The device that holds the inode.
    pub device: DeviceNumber,
}

impl Statx {
    /// Bytes of the structure.
    pub const SIZE: usize = 256;

    /// Its bytes in user memory.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        use crate::linux::Layout;

        let mut bytes = [0; Self::SIZE];
        bytes[..StatxHead::SIZE].copy_from_slice(&self.head.to_bytes());
        let times = [self.accessed, self.born, self.changed, self.modified];
        let mut at = StatxHead::SIZE;
        for time in times {
            bytes[at..at + StatxTime::SIZE].copy_from_slice(&time.to_bytes());
            at += StatxTime::SIZE;
        }
        for number in [self.special_device, self.device] {
            bytes[at..at + 4].copy_from_slice(&number.major().to_le_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&number.minor().to_le_bytes());
            at += 8;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::Layout;

    #[test]
    fn structures_have_the_sizes_of_the_abi() {
        assert_eq!(Stat::SIZE, 144);
        assert_eq!(StatxHead::SIZE, 64);
        assert_eq!(StatxTime::SIZE, 16);
        assert_eq!(Statfs::SIZE, 120);
    }

    #[test]
    fn device_numbers_split_as_makedev_packs_them() {
        let number = DeviceNumber::new(0x1234, 0x56789);
        assert_eq!((number.major(), number.minor()), (0x1234, 0x56789));
        assert_eq!(DeviceNumber::new(1, 3).0, 0x103);
    }

    #[test]
    fn types_survive_the_mode() {
        assert_eq!(FileType::from_mode(0o100644), Some(FileType::Regular));
        assert_eq!(FileType::from_mode(0o644), None);
        assert_eq!(FileType::Directory.dirent_type(), 4);
    }
}
