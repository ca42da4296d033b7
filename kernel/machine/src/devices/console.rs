//! The console (virtio 1.2, section 5.3): a stream of bytes each way, in whole buffers.
//!
//! A device with several ports (VIRTIO_CONSOLE_F_MULTIPORT) is used through port 1, which under
//! QEMU is the first `virtserialport`. That is the port to use: QEMU's `virtconsole`, always port 0
//! here, drops what its other end does not take at once.

use virtio_drivers::Error;

use super::DeviceError;
use super::dma::Buffers;
use super::outgoing::Outgoing;
use super::ring::{Direction, Ring};
use super::wired::Wired;

/// The device has several ports, and queues to talk about them.
const FEATURE_MULTIPORT: u64 = 1 << 1;

/// The receiving queue of port 0; the sending queue follows.
const PORT_0: u16 = 0;
/// The queue for messages about ports from us; the one before is for those to us, of which we need
/// none.
const CONTROL: u16 = 3;
/// The receiving queue of port 1; the sending queue follows.
const PORT_1: u16 = 4;

/// Messages about ports under way, and bytes of one. Their queue has as many places as the others,
/// so that all are the same code.
const CONTROL_MESSAGES: usize = 4;
const CONTROL_SIZE: usize = 8;
/// Places in each queue; QEMU has 128, and each has its buffer.
const QUEUE: usize = 16;

/// QEMU passes at most this much at once to the guest.
const RECEIVE_SIZE: usize = 4096;
/// What we pass at once to QEMU.
const TRANSMIT_SIZE: usize = 16 * 1024;

/// A console. Never waits: bytes are taken and delivered as far as there is room.
#[derive(Debug)]
pub struct ConsolePort {
    device: Wired,
    receive: Ring<QUEUE>,
    transmit: Outgoing<QUEUE>,
    /// For messages about ports, if there are several. Never used again after the start.
    #[expect(dead_code, reason = "the device may still read what is in it")]
    control: Option<Outgoing<QUEUE>>,
    /// A received buffer that is partly read: its number, what was read, how much it holds.
    partial: Option<(usize, usize, usize)>,
}

impl ConsolePort {
    pub(super) fn start(mut device: Wired) -> Result<ConsolePort, DeviceError> {
        let features = device.negotiate(FEATURE_MULTIPORT);
        let has_ports = features & FEATURE_MULTIPORT != 0;
        let first = if has_ports { PORT_1 } else { PORT_0 };
        let buffers = |count, size| Buffers::new(count, size).ok_or(Error::DmaError);
        let (incoming, outgoing) = (buffers(QUEUE, RECEIVE_SIZE)?, buffers(QUEUE, TRANSMIT_SIZE)?);
        let transport = &mut device.transport;
        let mut receive = Ring::new(transport, first, Direction::FromDevice, features, incoming)?;
        let transmit = Outgoing::new(&mut device, first + 1, features, outgoing)?;
        let mut control = None;
        if has_ports {
            let messages = buffers(CONTROL_MESSAGES, CONTROL_SIZE)?;
            control = Some(Outgoing::new(&mut device, CONTROL, features, messages)?);
        }
        receive.give_all()?;
        device.go();
        if let Some(control) = &mut control {
            open_port(control, &mut device);
        }
        // After opening the port: QEMU then looks at once whether its other end has sent something.
        receive.notify(&mut device.transport);
        Ok(ConsolePort { device, receive, transmit, control, partial: None })
    }

    /// Takes received bytes; returns how many. When that is fewer than there is room for, the
    /// console is sure to interrupt for the next ones.
    pub fn receive(&mut self, target: &mut [u8]) -> usize {
        self.device.acknowledge();
        let mut filled = 0;
        while filled < target.len() {
            let next = self.partial.take().or_else(|| self.next_received());
            let Some((buffer, read, length)) = next else { break };
            let count = (length - read).min(target.len() - filled);
            let bytes = &self.receive.buffers().get(buffer)[read..read + count];
            target[filled..filled + count].copy_from_slice(bytes);
            filled += count;
            if read + count < length {
                self.partial = Some((buffer, read + count, length));
            } else {
                // The place the buffer left is free, so this cannot fail.
                let given = self.receive.give(buffer, RECEIVE_SIZE);
                debug_assert!(given.is_ok());
            }
        }
        self.receive.notify(&mut self.device.transport);
        filled
    }

    /// Sends bytes; returns how many were taken. When that is not all, the console is sure to
    /// interrupt when it has room again.
    pub fn send(&mut self, source: &[u8]) -> usize {
        let mut taken = 0;
        while taken < source.len() {
            let rest = &source[taken..];
            let count = rest.len().min(TRANSMIT_SIZE);
            let fill = |buffer: &mut [u8]| {
                buffer[..count].copy_from_slice(&rest[..count]);
                count
            };
            if !self.transmit.put(&mut self.device, fill) {
                break;
            }
            taken += count;
        }
        self.transmit.notify(&mut self.device);
        taken
    }

    /// Whether the host has taken everything that was sent: to be waited for before the machine
    /// ends. If not, the console is sure to interrupt when it takes more.
    pub fn is_flushed(&mut self) -> bool {
        self.transmit.is_flushed(&mut self.device)
    }

    fn next_received(&mut self) -> Option<(usize, usize, usize)> {
        self.receive.take().map(|(buffer, length)| (buffer, 0, length))
    }
}

/// Says that we are ready, that port 1 is, and that it is open on our side.
fn open_port(control: &mut Outgoing<QUEUE>, device: &mut Wired) {
    const PORT: u32 = 1;
    const DEVICE_READY: u16 = 0;
    const PORT_READY: u16 = 3;
    const PORT_OPEN: u16 = 6;
    const YES: u16 = 1;
    for event in [DEVICE_READY, PORT_READY, PORT_OPEN] {
        let write = |buffer: &mut [u8]| {
            buffer[..4].copy_from_slice(&PORT.to_le_bytes());
            buffer[4..6].copy_from_slice(&event.to_le_bytes());
            buffer[6..8].copy_from_slice(&YES.to_le_bytes());
            CONTROL_SIZE
        };
        let put = control.put(device, write);
        debug_assert!(put, "there are more buffers than messages");
    }
    control.notify(device);
}
