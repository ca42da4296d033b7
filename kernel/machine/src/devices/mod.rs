//! Virtio devices: network cards, the console, the source of entropy, directories of the host.
//!
//! Rings and buffers are owned here and live in memory nothing else uses. The kernel sees ports:
//! they never wait, and copy what passes in or out exactly once.
//!
//! An interrupt is only a hint to look: handlers count them, and a port acknowledges its device
//! when the count of its vector has changed, before it looks at its rings.

mod announced;
mod console;
mod dma;
mod entropy;
mod exchange;
mod net;
mod outgoing;
mod pci;
mod recorder;
mod ring;
mod share;
mod wired;

pub use console::ConsolePort;
pub use entropy::EntropyPort;
pub use net::{MacAddress, PacketPort, QueueFull};
pub use share::SharePort;

use alloc::vec::Vec;
use core::ptr::NonNull;

use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, SomeTransport, Transport};

use crate::interrupts::devices::IoApic;
use crate::memory::kernel_map::DirectMap;
use crate::memory::pool::FramePool;
use announced::Announced;
use wired::Wired;

/// The devices found at the start.
#[derive(Debug, Default)]
pub struct Devices {
    /// Network cards, in the order they were announced. Tell them apart by their MAC addresses.
    pub packets: Vec<PacketPort>,
    /// The first console.
    pub console: Option<ConsolePort>,
    /// The first source of entropy.
    pub entropy: Option<EntropyPort>,
    /// Directories that the host shares. Tell them apart by their tags.
    pub shares: Vec<SharePort>,
}

impl Devices {
    /// Finds what the words `virtio_mmio.device=SIZE@ADDRESS:LINE` of a command line announce, and
    /// what is on a PCI bus, and starts each device. One that is not needed or does not work is
    /// left out, with a line on the log.
    pub(crate) fn discover(
        command_line: &str,
        interrupts: &mut IoApic,
        map: DirectMap,
        frames: &FramePool,
    ) -> Devices {
        dma::start(map, frames.clone());
        let mut devices = Devices::default();
        let announced = announced::devices(command_line);
        let announced = announced.map(|device| connect(device, interrupts, map));
        for device in announced.chain(pci::devices(map)) {
            if let Err(error) = device.and_then(|device| devices.add(device)) {
                crate::println!("a device is left out: {error:?}");
            }
        }
        devices
    }

    fn add(&mut self, device: Wired) -> Result<(), DeviceError> {
        match device.transport.device_type() {
            DeviceType::Network => self.packets.push(PacketPort::start(device)?),
            DeviceType::Console if self.console.is_none() => {
                self.console = Some(ConsolePort::start(device)?);
            }
            DeviceType::EntropySource if self.entropy.is_none() => {
                self.entropy = Some(EntropyPort::new(device));
            }
            DeviceType::_9P => self.shares.push(SharePort::start(device)?),
            kind => return Err(DeviceError::NotNeeded(kind)),
        }
        Ok(())
    }
}

/// Reaches an announced device, and lets it interrupt.
fn connect(
    announced: Announced,
    interrupts: &mut IoApic,
    map: DirectMap,
) -> Result<Wired, DeviceError> {
    if !announced.is_among_device_registers() {
        return Err(DeviceError::NotDeviceRegisters);
    }
    let header = NonNull::new(map.address(announced.address).cast::<VirtIOHeader>());
    let header = header.ok_or(DeviceError::NotDeviceRegisters)?;
    // SAFETY: the address is among the device registers that are mapped for ever, where reading
    // what is not there yields no device; each is announced to one owner.
    let transport = unsafe { MmioTransport::new(header, announced.size) };
    let transport = SomeTransport::from(transport.map_err(|_| DeviceError::NoDevice)?);
    let vector = interrupts.enable_edge(announced.line).ok_or(DeviceError::NoSuchLine)?;
    Ok(Wired::new(transport, vector))
}

/// Why a device is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeviceError {
    /// Its address is not where devices are.
    NotDeviceRegisters,
    /// There is nothing at its address.
    NoDevice,
    /// Its interrupt line does not exist.
    NoSuchLine,
    /// It cannot interrupt by message.
    NoInterrupts,
    /// There is no use for such a device, or for a second one.
    NotNeeded(DeviceType),
    /// It refuses to be set up.
    Setup(virtio_drivers::Error),
}

impl From<virtio_drivers::Error> for DeviceError {
    fn from(error: virtio_drivers::Error) -> DeviceError {
        DeviceError::Setup(error)
    }
}
