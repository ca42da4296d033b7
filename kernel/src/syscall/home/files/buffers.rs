//! The memory of a read or a write: one buffer, or those of an `iovec` array, as one row of bytes.

use alloc::vec;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::limits::{STRETCH, WINDOW};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::fcntl::{IOV_MAX, IoVec, MAX_RW_COUNT};

use crate::fs::OpenFile;
use crate::syscall::{Call, Caller, MemoryError, UserMemory};

/// User buffers, one after the other.
pub(in crate::syscall::home) struct Buffers {
    parts: Vec<(UserAddr, usize)>,
    length: usize,
    /// The most bytes that are taken at once.
    stretch: usize,
}

/// A buffer in the kernel.
///
/// # Errors
/// `ENOMEM`.
pub(in crate::syscall::home) fn kernel_buffer(length: usize) -> Result<Vec<u8>, Errno> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    buffer.resize(length, 0);
    Ok(buffer)
}

impl Buffers {
    /// The buffer that arguments 1 and 2 of a call describe. A length above the most that Linux
    /// transfers at once is cut to that (read(2)).
    ///
    /// # Errors
    /// `EFAULT` for one that lies outside what a program can have.
    pub(in crate::syscall::home) fn one(call: &Call) -> Result<Self, Errno> {
        let (address, length) = (call.addr(1), call.args[2].min(MAX_RW_COUNT));
        address.checked_add(length).ok_or(Errno::EFAULT)?;
        let length = length as usize;
        Ok(Self { parts: vec![(address, length)], length, stretch: WINDOW })
    }

    /// The buffers that an array of `struct iovec` describes, which arguments 1 and 2 do.
    ///
    /// # Errors
    /// `EINVAL` for too many or for a length below zero; `EFAULT`.
    pub(in crate::syscall::home) async fn vector(c: &Caller, call: &Call) -> Result<Self, Errno> {
        Self::vector_at(c, call.addr(1), call.args[2]).await
    }

    /// The buffers that the array of `count` elements at `address` describes.
    ///
    /// # Errors
    /// As [`vector`](Self::vector).
    pub(in crate::syscall::home) async fn vector_at(
        c: &Caller,
        address: UserAddr,
        count: u64,
    ) -> Result<Self, Errno> {
        if count > IOV_MAX {
            return Err(Errno::EINVAL);
        }
        let mut bytes = kernel_buffer(count as usize * IoVec::SIZE)?;
        c.memory.copy_in(address, &mut bytes).await?;
        let mut buffers = Self { parts: Vec::new(), length: 0, stretch: WINDOW };
        for bytes in bytes.chunks_exact(IoVec::SIZE) {
            let IoVec { base, length } = IoVec::from_bytes(bytes);
            i64::try_from(length).map_err(|_| Errno::EINVAL)?;
            let room = MAX_RW_COUNT - buffers.length as u64;
            let length = length.min(room);
            UserAddr(base).checked_add(length).ok_or(Errno::EFAULT)?;
            buffers.parts.push((UserAddr(base), length as usize));
            buffers.length += length as usize;
        }
        Ok(buffers)
    }

    /// How many bytes they hold.
    pub(in crate::syscall::home) const fn length(&self) -> usize {
        self.length
    }

    /// Takes several windows at once, for a transfer to or from `file` if that never waits: over
    /// a network they are on the way together.
    pub(in crate::syscall::home) fn suit(&mut self, file: &OpenFile) {
        self.stretch = if file.object().has_position() { STRETCH } else { WINDOW };
    }

    /// How many bytes from `offset` on are taken at once.
    pub(in crate::syscall::home) fn stretch(&self, offset: usize) -> usize {
        (self.length - offset).min(self.stretch)
    }

    /// The pieces of the stretch that begins at `offset`.
    fn pieces(&self, offset: usize) -> impl Iterator<Item = (UserAddr, usize)> {
        let (mut skip, mut left) = (offset, self.stretch);
        self.parts.iter().filter_map(move |(address, length)| {
            let skipped = skip.min(*length);
            skip -= skipped;
            let taken = (length - skipped).min(left);
            left -= taken;
            (taken > 0).then(|| (address.offset(skipped as u64), taken))
        })
    }

    /// How many bytes of the stretch from `offset` on can be written.
    ///
    /// # Errors
    /// `EFAULT` if not even the first can.
    pub(in crate::syscall::home) async fn prepare(
        &self,
        c: &Caller,
        offset: usize,
    ) -> Result<usize, Errno> {
        self.prepare_in(&c.memory, offset).await
    }

    /// As [`prepare`](Self::prepare), in any process's memory.
    pub(in crate::syscall::home) async fn prepare_in(
        &self,
        memory: &UserMemory,
        offset: usize,
    ) -> Result<usize, Errno> {
        let mut prepared = 0;
        for (address, length) in self.pieces(offset) {
            match memory.prepare_out(address, length).await {
                Ok(count) => {
                    prepared += count;
                    if count < length {
                        break;
                    }
                }
                Err(error) if prepared == 0 => return Err(error.into()),
                Err(_) => break,
            }
        }
        Ok(prepared)
    }

    /// Copies `data` out, from `offset` on.
    ///
    /// # Errors
    /// `EFAULT` if memory that could be written no longer can.
    pub(in crate::syscall::home) async fn scatter(
        &self,
        c: &Caller,
        offset: usize,
        data: Vec<u8>,
    ) -> Result<(), Errno> {
        self.scatter_to(&c.memory, offset, data).await
    }

    /// As [`scatter`](Self::scatter), to any process's memory.
    pub(in crate::syscall::home) async fn scatter_to(
        &self,
        memory: &UserMemory,
        offset: usize,
        mut data: Vec<u8>,
    ) -> Result<(), Errno> {
        for (address, length) in self.pieces(offset) {
            let rest = data.split_off(length.min(data.len()));
            memory.move_out(address, core::mem::replace(&mut data, rest)).await?;
            if data.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Copies one stretch in, from `offset` on; fewer bytes if memory beyond them cannot be read.
    ///
    /// # Errors
    /// `EFAULT` if not even the first can be read; `ENOMEM`.
    pub(in crate::syscall::home) async fn gather(
        &self,
        c: &Caller,
        offset: usize,
    ) -> Result<Vec<u8>, Errno> {
        self.gather_from(&c.memory, offset).await
    }

    /// As [`gather`](Self::gather), from any process's memory.
    pub(in crate::syscall::home) async fn gather_from(
        &self,
        memory: &UserMemory,
        offset: usize,
    ) -> Result<Vec<u8>, Errno> {
        let mut data = Vec::new();
        data.try_reserve_exact(self.stretch(offset)).map_err(|_| Errno::ENOMEM)?;
        for (address, length) in self.pieces(offset) {
            match memory.append_in(address, length, &mut data).await {
                Ok(()) => {}
                Err(MemoryError::Fault { .. }) if !data.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(data)
    }
}
