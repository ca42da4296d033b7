//! The card as smoltcp sees it: an Ethernet device with a queue of frames.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::net::port::{Outlet, Port};
use crate::net::segment::ETHERNET_HEADER;

/// How many frames are taken from the card at once.
const BATCH: usize = 64;

/// The card and the frames that have come.
pub(super) struct Card {
    outlet: Outlet,
    incoming: VecDeque<Vec<u8>>,
    mtu: usize,
}

impl Card {
    pub(super) fn new(port: Box<dyn Port>) -> Self {
        let mtu = port.mtu();
        Self { outlet: Outlet::new(port), incoming: VecDeque::new(), mtu }
    }

    pub(super) fn mac(&self) -> [u8; 6] {
        self.outlet.port().mac()
    }

    /// The longest IP packet.
    pub(super) const fn mtu(&self) -> usize {
        self.mtu
    }

    /// Takes frames from the card and shows each to `see`; whether there was one.
    pub(super) fn fetch(&mut self, see: &mut dyn FnMut(&[u8])) -> bool {
        let before = self.incoming.len();
        while self.incoming.len() < BATCH {
            let incoming = &mut self.incoming;
            let received = self.outlet.receive(&mut |frame| {
                see(frame);
                incoming.push_back(frame.to_vec());
            });
            if !received {
                break;
            }
        }
        self.incoming.len() > before
    }

    /// Whether a frame waits for room in the card.
    pub(super) fn is_full(&self) -> bool {
        self.outlet.is_parked()
    }
}

impl Device for Card {
    type RxToken<'a>
        = Frame
    where
        Self: 'a;
    type TxToken<'a>
        = Transmit<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Frame, Transmit<'_>)> {
        if !self.outlet.is_ready() {
            return None;
        }
        let frame = self.incoming.pop_front()?;
        Some((Frame(frame), Transmit(&mut self.outlet)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Transmit<'_>> {
        self.outlet.is_ready().then_some(Transmit(&mut self.outlet))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET_HEADER;
        capabilities
    }
}

/// A frame that has come.
pub(super) struct Frame(Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// The permission to send one frame.
pub(super) struct Transmit<'a>(&'a mut Outlet);

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = alloc::vec![0; len];
        let result = f(&mut frame);
        // A ready outlet takes one frame for sure.
        self.0.send(len, &mut |buffer| buffer.copy_from_slice(&frame));
        self.0.announce();
        result
    }
}
