//! Directory entries as getdents64(2) writes them.

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::dirent::dirent64_length;

use super::DirectoryEntry;

/// How entries are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DirentFormat {
    /// `struct linux_dirent64` of getdents64(2): the type comes before the name.
    Dirent64,
    /// `struct linux_dirent` of getdents(2): the type is the last byte.
    Old,
}

/// Entries gathered for one getdents64(2).
pub struct DirentBuffer {
    bytes: Vec<u8>,
    capacity: usize,
    format: DirentFormat,
    next: u64,
    refused: bool,
}

impl DirentBuffer {
    /// A buffer of at most `capacity` bytes, for reading from the position `from` on.
    pub fn new(capacity: usize, from: u64, format: DirentFormat) -> Self {
        Self { bytes: Vec::new(), capacity, format, next: from, refused: false }
    }

    /// Adds an entry; false if it does not fit.
    pub fn push(&mut self, entry: &DirectoryEntry<'_>) -> bool {
        let length = dirent64_length(entry.name.len());
        let Ok(record_length) = u16::try_from(length) else { return true };
        if self.bytes.len() + length > self.capacity {
            self.refused = true;
            return false;
        }
        let end = self.bytes.len() + length;
        self.bytes.extend_from_slice(&entry.inode.to_le_bytes());
        self.bytes.extend_from_slice(&entry.next.to_le_bytes());
        self.bytes.extend_from_slice(&record_length.to_le_bytes());
        // Both formats take the same room: 19 bytes beside the name, rounded up.
        if self.format == DirentFormat::Dirent64 {
            self.bytes.push(entry.file_type.dirent_type());
        }
        self.bytes.extend_from_slice(entry.name);
        self.bytes.resize(end, 0);
        if self.format == DirentFormat::Old {
            self.bytes[end - 1] = entry.file_type.dirent_type();
        }
        self.next = entry.next;
        true
    }

    /// The bytes, and the position after the last entry in them.
    ///
    /// # Errors
    /// `EINVAL` if there is an entry but not even one fits.
    pub fn finish(self) -> Result<(Vec<u8>, u64), Errno> {
        if self.bytes.is_empty() && self.refused {
            return Err(Errno::EINVAL);
        }
        Ok((self.bytes, self.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wayfarer_proto::linux::stat::FileType;

    fn entry(name: &[u8], next: u64) -> DirectoryEntry<'_> {
        DirectoryEntry { name, inode: 7, file_type: FileType::Regular, next }
    }

    #[test]
    fn an_entry_has_the_layout_of_linux_dirent64() {
        let mut buffer = DirentBuffer::new(64, 0, DirentFormat::Dirent64);
        assert!(buffer.push(&entry(b"hello", 3)));
        let (bytes, next) = buffer.finish().unwrap();
        assert_eq!(next, 3);
        assert_eq!(bytes.len(), 32, "19 + 5 + 1 rounded up to 8");
        assert_eq!(bytes[..8], 7u64.to_le_bytes());
        assert_eq!(bytes[8..16], 3u64.to_le_bytes());
        assert_eq!(bytes[16..18], 32u16.to_le_bytes());
        assert_eq!(bytes[18], 8, "DT_REG");
        assert_eq!(&bytes[19..25], b"hello\0");
    }

    #[test]
    fn what_does_not_fit_stays_for_the_next_call() {
        let mut buffer = DirentBuffer::new(40, 0, DirentFormat::Dirent64);
        assert!(buffer.push(&entry(b"a", 1)));
        assert!(!buffer.push(&entry(b"much longer", 2)));
        assert_eq!(buffer.finish().unwrap().1, 1);
        let mut small = DirentBuffer::new(8, 1, DirentFormat::Dirent64);
        assert!(!small.push(&entry(b"a", 2)));
        assert_eq!(small.finish(), Err(Errno::EINVAL));
        assert_eq!(
            DirentBuffer::new(0, 5, DirentFormat::Dirent64).finish(),
            Ok((Vec::new(), 5)),
            "the end is no error"
        );
    }
}
