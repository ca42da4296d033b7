//! `sys/inotify.h` (inotify(7)).

use bitflags::bitflags;

bitflags! {
    /// What has happened, what is asked for, and how (`IN_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Notice: u32 {
        /// A file was read.
        const ACCESS = 0x1;
        /// A file was written to or truncated.
        const MODIFY = 0x2;
        /// Permissions, owner, times or links changed.
        const ATTRIB = 0x4;
        /// A file that was open for writing was closed.
        const CLOSE_WRITE = 0x8;
        /// A file that was not open for writing was closed.
        const CLOSE_NOWRITE = 0x10;
        /// A file was opened.
        const OPEN = 0x20;
        /// A name left the directory.
        const MOVED_FROM = 0x40;
        /// A name came to the directory.
        const MOVED_TO = 0x80;
        /// A name was made in the directory.
        const CREATE = 0x100;
        /// A name was removed from the directory.
        const DELETE = 0x200;
        /// The watched file itself was removed.
        const DELETE_SELF = 0x400;
        /// The watched file itself was renamed.
        const MOVE_SELF = 0x800;
        /// Events were lost.
        const Q_OVERFLOW = 0x4000;
        /// The watch is no more.
        const IGNORED = 0x8000;
        /// Watch only if it is a directory.
        const ONLYDIR = 0x100_0000;
        /// Do not follow a symbolic link.
        const DONT_FOLLOW = 0x200_0000;
        /// No events of children that have been removed.
        const EXCL_UNLINK = 0x400_0000;
        /// Fail if there is a watch already.
        const MASK_CREATE = 0x1000_0000;
        /// Add to what is watched for.
        const MASK_ADD = 0x2000_0000;
        /// It happened to a directory.
        const ISDIR = 0x4000_0000;
        /// The watch ends with its first event.
        const ONESHOT = 0x8000_0000;
    }
}

impl Notice {
    /// All that can happen.
    pub const EVENTS: Self = Self::from_bits_retain(0xfff);
}

/// Bytes of `struct inotify_event` without the name; a name is padded to a multiple of it.
pub const EVENT_SIZE: usize = 16;
