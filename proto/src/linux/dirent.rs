//! `struct linux_dirent64` of getdents64(2).

/// Bytes before the name: `d_ino`, `d_off`, `d_reclen`, `d_type`.
pub const DIRENT64_HEADER: usize = 19;

/// Bytes that an entry with a name of this length takes: header, name, NUL, rounded up to 8.
pub const fn dirent64_length(name_length: usize) -> usize {
    (DIRENT64_HEADER + name_length + 1).next_multiple_of(8)
}
