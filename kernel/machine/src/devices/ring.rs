//! A virtqueue with buffers of its own.
//!
//! Two defects of the crate's queue are made up for here: it notifies the device far too often
//! when notifications are asked for by index (its test is not the specification's), and it leaves
//! out the fence between publishing a buffer and reading whether the device wants to know.

use core::fmt;
use core::sync::atomic::{Ordering, fence};

use virtio_drivers::Result;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{SomeTransport, Transport};

use super::dma::{Buffers, DeviceMemory};
use super::recorder::Recorder;
use super::wired::feature;
use crate::memory::kernel_map::DIRECT_MAP;

/// Which way the buffers of a ring go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The device fills them.
    FromDevice,
    /// The device empties them.
    ToDevice,
}

/// A queue of up to `SIZE` buffers, each of which either the device has or we have.
pub(super) struct Ring<const SIZE: usize> {
    /// Before the buffers, so that it is dropped first.
    queue: VirtQueue<DeviceMemory, SIZE>,
    index: u16,
    direction: Direction,
    notifier: Notifier,
    buffers: Buffers,
    /// For each descriptor the device has, the buffer it describes and how much of it.
    in_flight: [(u16, u32); SIZE],
}

/// Sets up a queue of a device, with what tells the device of its buffers.
pub(super) fn set_up<const SIZE: usize>(
    transport: &mut SomeTransport<'static>,
    index: u16,
    features: u64,
) -> Result<(VirtQueue<DeviceMemory, SIZE>, Notifier)> {
    let by_index = features & feature::EVENT_INDEX != 0;
    let mut recorder = Recorder { transport, used_ring: 0 };
    // No indirect descriptors: a buffer is in one piece.
    let queue = VirtQueue::new(&mut recorder, index, false, by_index)?;
    let notifier = Notifier::new(recorder.used_ring, by_index, SIZE);
    Ok((queue, notifier))
}

impl<const SIZE: usize> Ring<SIZE> {
    /// Sets up a queue of a device; we have all buffers.
    pub(super) fn new(
        transport: &mut SomeTransport<'static>,
        index: u16,
        direction: Direction,
        features: u64,
        buffers: Buffers,
    ) -> Result<Ring<SIZE>> {
        assert!(buffers.count() <= SIZE, "every buffer has a place in the queue");
        let (queue, notifier) = set_up(transport, index, features)?;
        let in_flight = [(0, 0); SIZE];
        Ok(Ring { queue, index, direction, notifier, buffers, in_flight })
    }

    /// Gives the first `length` bytes of a buffer to the device, without telling it yet.
    pub(super) fn give(&mut self, buffer: usize, length: usize) -> Result<()> {
        // SAFETY: the buffer is not accessed until `take` has got it back.
        let token = unsafe {
            match self.direction {
                Direction::FromDevice => {
                    self.queue.add(&[], &mut [&mut self.buffers.get_mut(buffer)[..length]])?
                }
                Direction::ToDevice => {
                    self.queue.add(&[&self.buffers.get(buffer)[..length]], &mut [])?
                }
            }
        };
        self.in_flight[usize::from(token)] = (buffer as u16, length as u32);
        self.notifier.added();
        Ok(())
    }

    /// Tells the device of what it was given, if it wants to know.
    pub(super) fn notify(&mut self, transport: &mut SomeTransport<'static>) {
        if self.notifier.is_needed() {
            transport.notify(self.index);
        }
    }

    /// Takes back a buffer the device is done with; returns it and how many bytes the device wrote.
    ///
    /// When there is none, the device is sure to interrupt for the next one.
    pub(super) fn take(&mut self) -> Option<(usize, usize)> {
        if !self.queue.can_pop() {
            // The request for an interrupt, made when the last one was taken, must be visible
            // before this look, or the device and we could miss each other.
            fence(Ordering::SeqCst);
        }
        let token = self.queue.peek_used()?;
        let (buffer, length) = *self.in_flight.get(usize::from(token))?;
        let (buffer, length) = (usize::from(buffer), length as usize);
        // SAFETY: the same part of the same buffer as was given with this token.
        let written = unsafe {
            match self.direction {
                Direction::FromDevice => {
                    let part = &mut self.buffers.get_mut(buffer)[..length];
                    self.queue.pop_used(token, &[], &mut [part])
                }
                Direction::ToDevice => {
                    self.queue.pop_used(token, &[&self.buffers.get(buffer)[..length]], &mut [])
                }
            }
        };
        // A device that claims to have written more than there is room for wrote what there is.
        Some((buffer, (written.ok()? as usize).min(length)))
    }

    /// The buffers. To be accessed are those only that the device does not have.
    pub(super) fn buffers(&mut self) -> &mut Buffers {
        &mut self.buffers
    }

    /// Gives all buffers to the device, whole: the start of a ring that receives.
    pub(super) fn give_all(&mut self) -> Result<()> {
        (0..self.buffers.count()).try_for_each(|buffer| self.give(buffer, self.buffers.size()))
    }
}

impl<const SIZE: usize> fmt::Debug for Ring<SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, size) = (self.buffers.count(), self.buffers.size());
        write!(f, "{count} buffers of {size} bytes {:?}", self.direction)
    }
}

/// Decides whether the device wants to hear of new buffers (virtio 1.2, section 2.7.10).
pub(super) struct Notifier {
    used_ring: *const u16,
    /// Where in the used ring, in 16-bit words, the device names the index it wants to hear of;
    /// `None` when it sets a flag instead.
    wanted_at: Option<usize>,
    /// Buffers given so far, modulo 2^16, and how many of them the device was offered word of.
    given: u16,
    told: u16,
}

/// The used ring's flag for "do not notify".
const NO_NOTIFY: u16 = 1;

impl Notifier {
    pub(super) fn new(used_ring: u64, by_index: bool, size: usize) -> Notifier {
        // The ring: flags and index, 16 bits each; 8 bytes for each entry; then the wanted index.
        let wanted_at = by_index.then_some(2 + 4 * size);
        Notifier { used_ring: (DIRECT_MAP + used_ring) as *const u16, wanted_at, given: 0, told: 0 }
    }

    pub(super) fn added(&mut self) {
        self.given = self.given.wrapping_add(1);
    }

    pub(super) fn is_needed(&mut self) -> bool {
        if self.given == self.told {
            return false;
        }
        fence(Ordering::SeqCst);
        let old = core::mem::replace(&mut self.told, self.given);
        match self.wanted_at {
            Some(offset) => index_passed(self.word(offset), old, self.given),
            None => self.word(0) & NO_NOTIFY == 0,
        }
    }

    fn word(&self, offset: usize) -> u16 {
        // SAFETY: the used ring has this word, and lives as long as the queue beside us.
        unsafe { self.used_ring.add(offset).read_volatile() }
    }
}

/// Whether going from `old` to `new` passed the index after `wanted` (`vring_need_event`).
fn index_passed(wanted: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(wanted).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_hears_of_the_index_it_wants_only() {
        assert!(index_passed(0, 0, 1));
        assert!(!index_passed(5, 0, 1), "wanted later");
        assert!(!index_passed(0, 1, 9), "wanted earlier, and was told then");
        assert!(index_passed(5, 0, 9), "passed on the way");
        assert!(index_passed(u16::MAX, u16::MAX, 0), "around the end");
        assert!(!index_passed(u16::MAX, 0, 1));
    }
}
