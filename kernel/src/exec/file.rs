//! The file of a program, as far as exec looks at it.

use wayfarer_proto::errno::Errno;

use crate::fs::Inode;

/// A file that can be read at any place without waiting.
pub trait ProgramFile {
    /// Reads from `offset` on; fewer bytes than wanted only at the end of the file.
    ///
    /// # Errors
    /// What read(2) would say.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno>;
}

impl ProgramFile for dyn Inode {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        Inode::read_at(self, offset, buffer)
    }
}

impl ProgramFile for [u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(start..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}
