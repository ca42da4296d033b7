//! A ring of exchanges: each gives the device a request to read and room for its reply at once.

use alloc::vec::Vec;
use core::fmt;

use virtio_drivers::Result;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{SomeTransport, Transport};

use super::dma::{Buffers, DeviceMemory};
use super::ring::{Notifier, set_up};
use super::wired::Wired;

/// A queue of `SIZE` places for up to half as many exchanges: each takes two.
pub(super) struct Exchanges<const SIZE: usize> {
    /// Before the buffers, so that it is dropped first.
    queue: VirtQueue<DeviceMemory, SIZE>,
    index: u16,
    notifier: Notifier,
    requests: Buffers,
    replies: Buffers,
    /// For each descriptor that begins an exchange, its buffers and the length of its request.
    in_flight: [(u16, u32); SIZE],
    /// The buffers the device does not have.
    free: Vec<usize>,
}

impl<const SIZE: usize> Exchanges<SIZE> {
    /// Sets up a queue of a device, with as many requests as there are replies.
    pub(super) fn new(
        transport: &mut SomeTransport<'static>,
        index: u16,
        features: u64,
        requests: Buffers,
        replies: Buffers,
    ) -> Result<Exchanges<SIZE>> {
        assert!(requests.count() == replies.count(), "an exchange has both");
        assert!(2 * requests.count() <= SIZE, "every exchange has its places in the queue");
        let (queue, notifier) = set_up(transport, index, features)?;
        let free = (0..requests.count()).collect();
        Ok(Exchanges { queue, index, notifier, requests, replies, in_flight: [(0, 0); SIZE], free })
    }

    /// Begins an exchange with this request, without telling the device yet; false when all are
    /// under way.
    pub(super) fn begin(&mut self, request: &[u8]) -> bool {
        assert!(request.len() <= self.requests.size(), "the caller knows the largest request");
        let Some(buffer) = self.free.pop() else { return false };
        self.requests.get_mut(buffer)[..request.len()].copy_from_slice(request);
        let input = &self.requests.get(buffer)[..request.len()];
        let output = self.replies.get_mut(buffer);
        // SAFETY: neither buffer is accessed until `end` has got both back.
        let token = unsafe { self.queue.add(&[input], &mut [output]) };
        let Ok(token) = token else {
            debug_assert!(false, "every exchange has its places in the queue");
            self.free.push(buffer);
            return false;
        };
        self.in_flight[usize::from(token)] = (buffer as u16, request.len() as u32);
        self.notifier.added();
        true
    }

    /// Hands the reply of an exchange that the device has ended to `read`; false when there is
    /// none. Then the device is sure to interrupt for the next one.
    pub(super) fn end(&mut self, device: &mut Wired, read: impl FnOnce(&[u8])) -> bool {
        device.acknowledge();
        if !self.queue.can_pop() {
            // As in `Ring::take`: the request for an interrupt must be visible before this look.
            core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
        }
        let Some(token) = self.queue.peek_used() else { return false };
        let Some((buffer, length)) = self.in_flight.get(usize::from(token)).copied() else {
            return false;
        };
        let buffer = usize::from(buffer);
        let input = &self.requests.get(buffer)[..length as usize];
        // SAFETY: the same parts of the same buffers as were given with this token.
        let written =
            unsafe { self.queue.pop_used(token, &[input], &mut [self.replies.get_mut(buffer)]) };
        let Ok(written) = written else { return false };
        // A device that claims to have written more than there is room for wrote what there is.
        let written = (written as usize).min(self.replies.size());
        read(&self.replies.get(buffer)[..written]);
        self.free.push(buffer);
        true
    }

    /// Tells the device of what was begun, if it wants to know.
    pub(super) fn notify(&mut self, transport: &mut SomeTransport<'static>) {
        if self.notifier.is_needed() {
            transport.notify(self.index);
        }
    }
}

impl<const SIZE: usize> fmt::Debug for Exchanges<SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exchanges, {} free", self.requests.count(), self.free.len())
    }
}
