//! The memory of a read or a write: one buffer, or those of an `iovec` array, as one row of bytes.

use alloc::vec;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::limits::WINDOW;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::fcntl::{IOV_MAX, IoVec, MAX_RW_COUNT};

use crate::syscall::{Call, Caller, MemoryError};

/// User buffers, one after the other.
pub(in crate::syscall::home) struct Buffers {
    parts: Vec<(UserAddr, usize)>,
    length: usize,
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
        Ok(Self { parts: vec![(address, length as usize)], length: length as usize })
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
        let mut buffers = Self { parts: Vec::new(), length: 0 };
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

    /// The pieces of the window that begins at `offset`.
    fn window(&self, offset: usize) -> impl Iterator<Item = (UserAddr, usize)> {
        let (mut skip, mut left) = (offset, WINDOW);
        self.parts.iter().filter_map(move |(address, length)| {
            let skipped = skip.min(*length);
            skip -= skipped;
            let taken = (length - skipped).min(left);
            left -= taken;
            (taken > 0).then(|| (address.offset(skipped as u64), taken))
        })
    }

    /// How many bytes from `offset` on can be written in one window.
    ///
    /// # Errors
    /// `EFAULT` if not even the first can.
    pub(in crate::syscall::home) async fn prepare(
        &self,
        c: &Caller,
        offset: usize,
    ) -> Result<usize, Errno> {
        let mut prepared = 0;
        for (address, length) in self.window(offset) {
            match c.memory.prepare_out(address, length).await {
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
        mut data: &[u8],
    ) -> Result<(), Errno> {
        for (address, length) in self.window(offset) {
            let (piece, rest) = data.split_at(length.min(data.len()));
            c.memory.copy_out(address, piece).await?;
            data = rest;
            if data.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Copies one window in, from `offset` on; fewer bytes if memory beyond them cannot be read.
    ///
    /// # Errors
    /// `EFAULT` if not even the first can be read; `ENOMEM`.
    pub(in crate::syscall::home) async fn gather(
        &self,
        c: &Caller,
        offset: usize,
    ) -> Result<Vec<u8>, Errno> {
        let mut data = kernel_buffer((self.length - offset).min(WINDOW))?;
        let mut done = 0;
        for (address, length) in self.window(offset) {
            match c.memory.copy_in(address, &mut data[done..done + length]).await {
                Ok(()) => done += length,
                Err(MemoryError::Fault { copied }) if done + copied > 0 => {
                    done += copied;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        data.truncate(done);
        Ok(data)
    }
}
