//! The sending side of a device: a ring and the buffers of it that we have.

use alloc::vec::Vec;
use core::fmt;

use virtio_drivers::Result;

use super::dma::Buffers;
use super::ring::{Direction, Ring};
use super::wired::Wired;

/// A ring whose buffers the device empties.
pub(super) struct Outgoing<const SIZE: usize> {
    ring: Ring<SIZE>,
    /// The buffers the device does not have.
    free: Vec<usize>,
}

impl<const SIZE: usize> Outgoing<SIZE> {
    /// Sets up the queue with this index of a device.
    pub(super) fn new(
        device: &mut Wired,
        index: u16,
        features: u64,
        buffers: Buffers,
    ) -> Result<Outgoing<SIZE>> {
        let free = (0..buffers.count()).collect();
        let transport = &mut device.transport;
        let ring = Ring::new(transport, index, Direction::ToDevice, features, buffers)?;
        Ok(Outgoing { ring, free })
    }

    /// Whether there is a buffer to send with. If not, the device is sure to interrupt when there
    /// is.
    ///
    /// Used buffers are taken back only when none is left: taking one back asks for an interrupt
    /// at the next, and as long as nobody waits, nobody needs it.
    pub(super) fn is_ready(&mut self, device: &mut Wired) -> bool {
        if self.free.is_empty() {
            self.take_back(device);
        }
        !self.free.is_empty()
    }

    /// Whether the device is done with every buffer it was given. If not, it is sure to interrupt
    /// when it is done with another one.
    pub(super) fn is_flushed(&mut self, device: &mut Wired) -> bool {
        self.take_back(device);
        self.free.len() == self.ring.buffers().count()
    }

    fn take_back(&mut self, device: &mut Wired) {
        device.acknowledge();
        while let Some((buffer, _)) = self.ring.take() {
            self.free.push(buffer);
        }
    }

    /// Lets `write` fill a buffer, from its start, and gives as many bytes as it returns to the
    /// device, without telling it yet. False, without a call, when there is no buffer.
    pub(super) fn put(
        &mut self,
        device: &mut Wired,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> bool {
        if !self.is_ready(device) {
            return false;
        }
        let Some(buffer) = self.free.pop() else { return false };
        let length = write(self.ring.buffers().get_mut(buffer));
        let given = self.ring.give(buffer, length);
        debug_assert!(given.is_ok(), "a queue has a place for each of its buffers");
        true
    }

    /// Tells the device of what it was given, if it wants to know.
    pub(super) fn notify(&mut self, device: &mut Wired) {
        self.ring.notify(&mut device.transport);
    }
}

impl<const SIZE: usize> fmt::Debug for Outgoing<SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} free", self.ring, self.free.len())
    }
}
