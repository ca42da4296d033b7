//! The source of entropy (virtio 1.2, section 5.4).

use super::DeviceError;
use super::dma::Buffers;
use super::ring::{Direction, Ring};
use super::wired::Wired;

const REQUESTS: u16 = 0;
/// Places in the queue; QEMU has 8.
const QUEUE: usize = 8;
/// Bytes asked for at once: enough to seed a generator several times.
const SIZE: usize = 256;

/// A source of random bytes from the host. Never waits: from the first time that it is asked it
/// keeps one request under way.
#[derive(Debug)]
pub struct EntropyPort {
    device: Wired,
    /// `None` until it is asked; an error if it cannot be.
    ring: Option<Result<Ring<QUEUE>, DeviceError>>,
    /// What was received and not handed out: from where, to where.
    ready: core::ops::Range<usize>,
}

impl EntropyPort {
    pub(super) fn new(device: Wired) -> EntropyPort {
        EntropyPort { device, ring: None, ready: 0..0 }
    }

    fn start(&mut self) -> Result<Ring<QUEUE>, DeviceError> {
        let features = self.device.negotiate(0);
        let buffers = Buffers::new(1, SIZE).ok_or(virtio_drivers::Error::DmaError)?;
        let (transport, direction) = (&mut self.device.transport, Direction::FromDevice);
        let mut ring = Ring::new(transport, REQUESTS, direction, features, buffers)?;
        ring.give_all()?;
        self.device.go();
        ring.notify(&mut self.device.transport);
        Ok(ring)
    }

    /// Takes random bytes the host has delivered; returns how many. More are asked for when all
    /// have been taken, and the device interrupts when they are there. A device that does not work
    /// delivers none.
    pub fn fill(&mut self, target: &mut [u8]) -> usize {
        if self.ring.is_none() {
            self.ring = Some(self.start());
        }
        let Some(Ok(ring)) = &mut self.ring else { return 0 };
        self.device.acknowledge();
        if self.ready.is_empty() {
            let Some((_, length)) = ring.take() else { return 0 };
            self.ready = 0..length;
        }
        let count = self.ready.len().min(target.len());
        let start = self.ready.start;
        let bytes = &mut ring.buffers().get_mut(0)[start..start + count];
        target[..count].copy_from_slice(bytes);
        // Handed out once, and nowhere else.
        bytes.fill(0);
        self.ready.start += count;
        if self.ready.is_empty() {
            let given = ring.give(0, SIZE);
            debug_assert!(given.is_ok(), "the queue is empty");
            ring.notify(&mut self.device.transport);
        }
        count
    }
}
