//! What the network needs from a network card, and the one frame kept back when a card is full.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::shared::Link;

/// The transmit queue of a port is full: nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueFull;

/// An Ethernet card. The machine's packet ports are one kind; tests use an in-memory wire, and
/// faults are ports that wrap a port.
pub trait Port {
    /// The card's own Ethernet address. Shown to the user; frames carry the node's
    /// ([`wayfarer_proto::node::mac`]), which is the same on all its ports.
    fn mac(&self) -> [u8; 6];

    /// The largest IP packet in bytes that fits one frame of this card, in both directions.
    fn mtu(&self) -> usize;

    /// Hands the oldest received frame to `accept` and frees its buffer; false if there is none.
    fn receive(&mut self, accept: &mut dyn FnMut(&[u8])) -> bool;

    /// Queues a frame of `len` bytes that `fill` writes. `fill` is called exactly once, or not at
    /// all when there is no room.
    fn send(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), QueueFull>;

    /// Sees to it that what was queued is sent, if the card waits to be told.
    fn announce(&mut self) {}

    /// The memory that this port shares with the one node it leads to, if it does.
    fn link(&mut self) -> Option<&mut Link> {
        None
    }

    /// Whether a frame waits to be received of which no interrupt tells.
    fn has_frame(&self) -> bool {
        false
    }

    /// Whether such frames have passed lately, so that another is worth waiting for awake.
    fn is_busy(&self) -> bool {
        false
    }

    /// The node looks for frames by itself from now on: none needs to interrupt it.
    fn watch(&mut self) {}

    /// The node looks no longer: the next frame must interrupt it. True if one is there already.
    fn rest(&mut self) -> bool {
        false
    }
}

/// A port with room for one frame that came when the port was full.
///
/// smoltcp asks whether it can transmit before it knows what, and may not be refused afterwards:
/// a frame lost then would cost a whole retransmission timeout (1 s).
pub(super) struct Outlet {
    port: Box<dyn Port>,
    parked: Option<Vec<u8>>,
}

impl Outlet {
    pub(super) fn new(port: Box<dyn Port>) -> Self {
        Self { port, parked: None }
    }

    pub(super) fn port(&self) -> &dyn Port {
        &*self.port
    }

    pub(super) fn port_mut(&mut self) -> &mut dyn Port {
        &mut *self.port
    }

    pub(super) fn receive(&mut self, accept: &mut dyn FnMut(&[u8])) -> bool {
        self.port.receive(accept)
    }

    /// Whether the next [`send`](Self::send) is sure to be taken; sends a parked frame first.
    pub(super) fn is_ready(&mut self) -> bool {
        if let Some(frame) = &self.parked
            && self.port.send(frame.len(), &mut |buffer| buffer.copy_from_slice(frame)).is_ok()
        {
            self.parked = None;
        }
        self.parked.is_none()
    }

    pub(super) fn announce(&mut self) {
        self.port.announce();
    }

    pub(super) fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Sends a frame of `len` bytes written by `fill`, parking it if the port is full. False if
    /// even that is impossible and the frame was dropped, which TCP repairs.
    pub(super) fn send(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> bool {
        if !self.is_ready() {
            return false;
        }
        if self.port.send(len, fill).is_err() {
            let mut frame = vec![0; len];
            fill(&mut frame);
            self.parked = Some(frame);
        }
        true
    }
}
