//! Bytes of 9P messages: little-endian numbers, and strings with their length before them.

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;

/// Writes a message.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Begins a message; its length is filled in by [`finish`](Self::finish).
    pub(super) fn new(kind: u8, tag: u16) -> Self {
        let mut writer = Self(Vec::new());
        writer.u32(0).u8(kind).u16(tag);
        writer
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A string; paths are far shorter than the length can tell.
    pub(super) fn string(&mut self, string: &[u8]) -> &mut Self {
        let length = string.len().min(u16::MAX.into());
        self.u16(length as u16).bytes(&string[..length])
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() as u32).to_le_bytes();
        self.0[..4].copy_from_slice(&length);
        self.0
    }
}

/// Reads a message from a peer that nobody believes: whatever is missing is `EIO`.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Errno> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Errno::EIO)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Errno> {
        self.bytes(N)?.try_into().map_err(|_| Errno::EIO)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Errno> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Errno> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Errno> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Errno> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], Errno> {
        let length = self.u16()?;
        self.bytes(length.into())
    }
}
