//! Network cards (virtio 1.2, section 5.1).

use virtio_drivers::transport::Transport;

use super::DeviceError;
use super::dma::Buffers;
use super::outgoing::Outgoing;
use super::ring::{Direction, Ring};
use super::wired::{Wired, feature};

/// An Ethernet address.
pub type MacAddress = [u8; 6];

/// The device has all buffers for sending; it will interrupt when it is done with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// The device tells the largest packet it carries (VIRTIO_NET_F_MTU).
const FEATURE_MTU: u64 = 1 << 3;
/// The device has an address (VIRTIO_NET_F_MAC).
const FEATURE_MAC: u64 = 1 << 5;

/// Offsets in the configuration.
const CONFIG_MAC: usize = 0;
const CONFIG_MTU: usize = 10;

/// The queues.
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// Places in each queue: QEMU's default size.
const QUEUE: usize = 256;

/// Bytes of the packet header before version 1, and of version 1. All fields are 0 for a packet
/// that asks nothing of the device.
const LEGACY_HEADER: usize = 10;
const HEADER: usize = 12;
/// Bytes of an Ethernet header, with a VLAN tag.
const ETHERNET_HEADER: usize = 18;

/// The usual largest packet, when the device does not tell.
const DEFAULT_MTU: u16 = 1500;
/// Memory for each direction is about this much, whatever the size of packets: half of what an
/// image's sender may have under way, and a card of the host's keeps the rest.
const MEMORY: usize = 512 << 10;
/// Fewer buffers than this would stall the sender.
const FEWEST_BUFFERS: usize = 16;

/// A network card. Never waits: frames are received and sent when the card is ready.
#[derive(Debug)]
pub struct PacketPort {
    device: Wired,
    receive: Ring<QUEUE>,
    transmit: Outgoing<QUEUE>,
    header: usize,
    mac: MacAddress,
    mtu: u16,
}

impl PacketPort {
    pub(super) fn start(mut device: Wired) -> Result<PacketPort, DeviceError> {
        let features = device.negotiate(FEATURE_MTU | FEATURE_MAC);
        let header = if features & feature::VERSION_1 != 0 { HEADER } else { LEGACY_HEADER };
        let mac = read_mac(&device, features)?;
        let mtu = match features & FEATURE_MTU {
            0 => DEFAULT_MTU,
            _ => device.transport.read_config_space::<u16>(CONFIG_MTU)?,
        };
        let size = (header + ETHERNET_HEADER + usize::from(mtu)).next_multiple_of(64);
        let count = (MEMORY / size).clamp(FEWEST_BUFFERS, QUEUE);
        let buffers = || Buffers::new(count, size).ok_or(virtio_drivers::Error::DmaError);
        let (incoming, outgoing) = (buffers()?, buffers()?);
        let transport = &mut device.transport;
        let direction = Direction::FromDevice;
        let mut receive = Ring::new(transport, RECEIVE, direction, features, incoming)?;
        let transmit = Outgoing::new(&mut device, TRANSMIT, features, outgoing)?;
        receive.give_all()?;
        device.go();
        receive.notify(&mut device.transport);
        Ok(PacketPort { device, receive, transmit, header, mac, mtu })
    }

    /// The card's Ethernet address.
    pub fn mac(&self) -> MacAddress {
        self.mac
    }

    /// The largest packet the card carries, in bytes after the Ethernet header.
    pub fn mtu(&self) -> usize {
        usize::from(self.mtu)
    }

    /// Hands the next received frame, Ethernet header first, to `read`; false when there is none.
    /// Then the card is sure to interrupt for the next one.
    pub fn receive(&mut self, read: impl FnOnce(&[u8])) -> bool {
        self.device.acknowledge();
        let Some((buffer, length)) = self.receive.take() else { return false };
        let size = self.receive.buffers().size();
        read(self.receive.buffers().get(buffer)[..length].get(self.header..).unwrap_or(&[]));
        // The place the buffer just left is free, so this cannot fail.
        let given = self.receive.give(buffer, size);
        debug_assert!(given.is_ok());
        self.receive.notify(&mut self.device.transport);
        true
    }

    /// Queues a frame of `length` bytes, Ethernet header first, that `write` fills in. It is sent
    /// by the next [`announce`](PacketPort::announce) at the latest.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when the card has all buffers; `write` is not called then.
    ///
    /// # Panics
    ///
    /// When the frame is longer than the card's MTU allows: the caller sees to that.
    pub fn send(&mut self, length: usize, write: impl FnOnce(&mut [u8])) -> Result<(), QueueFull> {
        let header = self.header;
        // The packet header was zeroed at the start and is never written.
        let fill = |buffer: &mut [u8]| {
            write(&mut buffer[header..header + length]);
            header + length
        };
        if self.transmit.put(&mut self.device, fill) {
            return Ok(());
        }
        self.announce();
        Err(QueueFull)
    }

    /// Tells the card of the frames that were queued, if it wants to know. Once for many of them:
    /// where the card is emulated, telling it hands the processor over.
    pub fn announce(&mut self) {
        self.transmit.notify(&mut self.device);
    }

    /// Whether [`send`](PacketPort::send) would find a buffer. If not, the card is sure to
    /// interrupt when it would.
    pub fn can_send(&mut self) -> bool {
        self.transmit.is_ready(&mut self.device)
    }
}

fn read_mac(device: &Wired, features: u64) -> Result<MacAddress, DeviceError> {
    if features & FEATURE_MAC == 0 {
        return Ok([0; 6]);
    }
    Ok(device.transport.read_consistent(|| device.transport.read_config_space(CONFIG_MAC))?)
}
