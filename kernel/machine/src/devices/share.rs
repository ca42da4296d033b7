//! A directory of the host, shared by messages of the protocol 9P (virtio 1.2, section 5.14 and
//! Linux's `trans_virtio.c`): each request is answered by one reply, in any order.

use alloc::vec::Vec;

use virtio_drivers::transport::Transport;

use super::DeviceError;
use super::dma::Buffers;
use super::exchange::Exchanges;
use super::wired::Wired;

/// The device has a name (VIRTIO_9P_F_MOUNT_TAG).
const FEATURE_TAG: u64 = 1 << 0;

/// Offsets in the configuration: the length of the name, in two bytes, and the name.
const CONFIG_TAG_LENGTH: usize = 0;
const CONFIG_TAG: usize = 2;
/// The longest name that is read.
const TAG_MAX: u16 = 64;

const REQUESTS: u16 = 0;
/// Places in the queue; QEMU has 128.
const QUEUE: usize = 16;
/// Exchanges under way at once.
const EXCHANGES: usize = QUEUE / 2;

/// A shared directory. Never waits: requests are taken as long as there is room, and replies are
/// handed out as they come.
#[derive(Debug)]
pub struct SharePort {
    device: Wired,
    exchanges: Exchanges<QUEUE>,
    tag: Vec<u8>,
}

impl SharePort {
    /// Bytes of the largest message, request or reply: 64 KiB of data and what goes before it.
    pub const MESSAGE: usize = 17 << 12;

    pub(super) fn start(mut device: Wired) -> Result<SharePort, DeviceError> {
        let features = device.negotiate(FEATURE_TAG);
        let tag = if features & FEATURE_TAG != 0 { read_tag(&device)? } else { Vec::new() };
        let buffers =
            || Buffers::new(EXCHANGES, Self::MESSAGE).ok_or(virtio_drivers::Error::DmaError);
        let (requests, replies) = (buffers()?, buffers()?);
        let transport = &mut device.transport;
        let exchanges = Exchanges::new(transport, REQUESTS, features, requests, replies)?;
        device.go();
        Ok(SharePort { device, exchanges, tag })
    }

    /// The name that the host gave to what it shares.
    pub fn tag(&self) -> &[u8] {
        &self.tag
    }

    /// Queues a request, sent by the next [`announce`](Self::announce) at the latest; false when
    /// as many as possible are under way.
    ///
    /// # Panics
    /// When it is longer than [`MESSAGE`](Self::MESSAGE).
    pub fn send(&mut self, request: &[u8]) -> bool {
        self.exchanges.begin(request)
    }

    /// Tells the host of the requests that were queued.
    pub fn announce(&mut self) {
        self.exchanges.notify(&mut self.device.transport);
    }

    /// Hands the next reply to `read`; false when there is none. Then the device is sure to
    /// interrupt for the next one.
    pub fn receive(&mut self, read: impl FnOnce(&[u8])) -> bool {
        self.exchanges.end(&mut self.device, read)
    }
}

fn read_tag(device: &Wired) -> Result<Vec<u8>, DeviceError> {
    let length = device.transport.read_config_space::<u16>(CONFIG_TAG_LENGTH)?.min(TAG_MAX);
    let bytes = (0..usize::from(length))
        .map(|index| device.transport.read_config_space::<u8>(CONFIG_TAG + index));
    Ok(bytes.collect::<Result<_, _>>()?)
}
