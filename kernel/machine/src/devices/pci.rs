//! Virtio devices on a PCI bus, for machines like QEMU's q35, which announce none on the command
//! line. The firmware has given them addresses.
//!
//! They interrupt by MSI-X, which the crate leaves to us: one vector for each device, and nothing
//! to acknowledge. (The old interrupt lines of a PCI bus are shared and triggered by level.)

use core::ptr::NonNull;

use virtio_drivers::transport::SomeTransport;
use virtio_drivers::transport::pci::bus::{
    BarInfo, Command, ConfigurationAccess, DeviceFunction, PciRoot,
};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};

use super::DeviceError;
use super::dma::DeviceMemory;
use super::wired::Wired;
use crate::cpu::port;
use crate::interrupts::{FIRST_MESSAGE_VECTOR, MESSAGE_ADDRESS};
use crate::memory::kernel_map::{DEVICES_END, DEVICES_START, DirectMap};

/// The ports of configuration mechanism 1 (PCI 3.0, section 3.2.2.3.2): address and data.
const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;

/// What reading the configuration of nothing yields.
const NOTHING: u32 = u32::MAX;

/// Capability numbers: the vendor's own, and message-signalled interrupts.
const VENDOR: u8 = 0x09;
const MSIX: u8 = 0x11;
/// The kind of a virtio capability that locates the common configuration.
const COMMON_CONFIGURATION: u16 = 1;
/// MSI-X is on; in the upper half of the capability's first word.
const MSIX_ENABLE: u32 = 1 << 31;

/// The devices on the first bus. None when there is no PCI bus.
pub(super) fn devices(map: DirectMap) -> impl Iterator<Item = Result<Wired, DeviceError>> {
    let bus = PciRoot::new(Ports);
    let exists = Ports.read_word(DeviceFunction { bus: 0, device: 0, function: 0 }, 0) != NOTHING;
    let found = exists.then(|| bus.enumerate_bus(0)).into_iter().flatten();
    found
        .filter(|(_, info)| virtio_device_type(info).is_some())
        .zip(FIRST_MESSAGE_VECTOR..)
        .map(move |((place, _), vector)| start(place, vector, map))
}

/// Turns a device and its interrupts on.
fn start(place: DeviceFunction, vector: u8, map: DirectMap) -> Result<Wired, DeviceError> {
    let mut bus = PciRoot::new(Ports);
    bus.set_command(place, Command::MEMORY_SPACE | Command::BUS_MASTER);
    let common = common_configuration(&mut bus, place, map)?;
    route_interrupts(&mut bus, place, vector, map)?;
    let transport = PciTransport::new::<DeviceMemory, _>(&mut bus, place);
    let transport = SomeTransport::from(transport.map_err(|_| DeviceError::NoDevice)?);
    Ok(Wired::with_messages(transport, vector, Messages { common }))
}

/// Locates the common configuration (virtio 1.2, section 4.1.4.3).
fn common_configuration(
    bus: &mut PciRoot<Ports>,
    place: DeviceFunction,
    map: DirectMap,
) -> Result<NonNull<u8>, DeviceError> {
    let capability = bus
        .capabilities(place)
        .find(|c| c.id == VENDOR && c.private_header >> 8 == COMMON_CONFIGURATION)
        .ok_or(DeviceError::NoDevice)?;
    let bar = Ports.read_word(place, capability.offset + 4) as u8;
    let offset = Ports.read_word(place, capability.offset + 8);
    registers(bus, place, bar, offset, size_of::<[u64; 7]>(), map)
}

/// Sends the device's interrupts to the processor as a vector: its table's first entry.
fn route_interrupts(
    bus: &mut PciRoot<Ports>,
    place: DeviceFunction,
    vector: u8,
    map: DirectMap,
) -> Result<(), DeviceError> {
    let capability = bus.capabilities(place).find(|c| c.id == MSIX);
    let capability = capability.ok_or(DeviceError::NoInterrupts)?;
    let table = Ports.read_word(place, capability.offset + 4);
    let (bar, offset) = (table as u8 & 7, table & !7);
    let entry: NonNull<u32> = registers(bus, place, bar, offset, 16, map)?.cast();
    // Address, its upper half, data, and 0 for "not masked" (PCI 3.0, section 6.8.2).
    for (index, value) in [MESSAGE_ADDRESS, 0, u32::from(vector), 0].into_iter().enumerate() {
        // SAFETY: the entry lies within the device's registers, which are mapped.
        unsafe { entry.add(index).write_volatile(value) };
    }
    let control = Ports.read_word(place, capability.offset);
    Ports.write_word(place, capability.offset, control | MSIX_ENABLE);
    Ok(())
}

/// Where a part of a device's registers is mapped.
fn registers(
    bus: &mut PciRoot<Ports>,
    place: DeviceFunction,
    bar: u8,
    offset: u32,
    size: usize,
    map: DirectMap,
) -> Result<NonNull<u8>, DeviceError> {
    let info = bus.bar_info(place, bar).map_err(|_| DeviceError::NoDevice)?;
    let Some(BarInfo::Memory { address, size: bar_size, .. }) = info else {
        return Err(DeviceError::NoDevice);
    };
    let end = u64::from(offset) + size as u64;
    let mapped = address >= DEVICES_START && address.saturating_add(bar_size) <= DEVICES_END;
    if !mapped || end > bar_size {
        return Err(DeviceError::NotDeviceRegisters);
    }
    NonNull::new(map.address(address + u64::from(offset))).ok_or(DeviceError::NotDeviceRegisters)
}

/// Makes a device's queues interrupt by message 0.
pub(super) struct Messages {
    common: NonNull<u8>,
}

/// Offsets in the common configuration.
const CONFIG_VECTOR: usize = 0x10;
const QUEUE_COUNT: usize = 0x12;
const QUEUE_SELECT: usize = 0x16;
const QUEUE_VECTOR: usize = 0x1a;
/// No interrupt.
const NO_VECTOR: u16 = 0xffff;

impl Messages {
    /// Tells the device, which forgets it when it is reset.
    pub(super) fn enable(&mut self) {
        let register = |offset| self.common.cast::<u16>().as_ptr().wrapping_byte_add(offset);
        // SAFETY: `common_configuration` has checked that these registers are mapped, and nothing
        // else accesses them now.
        unsafe {
            register(CONFIG_VECTOR).write_volatile(NO_VECTOR);
            for queue in 0..register(QUEUE_COUNT).read_volatile() {
                register(QUEUE_SELECT).write_volatile(queue);
                register(QUEUE_VECTOR).write_volatile(0);
            }
        }
    }
}

/// Access to the configuration through the two ports.
struct Ports;

impl Ports {
    fn select(place: DeviceFunction, offset: u8) {
        const ENABLE: u32 = 1 << 31;
        let (bus, device) = (u32::from(place.bus), u32::from(place.device));
        let address = bus << 16 | device << 11 | u32::from(place.function) << 8;
        // SAFETY: selects what the data port accesses; nothing else uses these ports.
        unsafe { port::write_u32(ADDRESS_PORT, ENABLE | address | u32::from(offset & !3)) };
    }
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, place: DeviceFunction, offset: u8) -> u32 {
        Ports::select(place, offset);
        // SAFETY: reading configuration has no effect.
        unsafe { port::read_u32(DATA_PORT) }
    }

    fn write_word(&mut self, place: DeviceFunction, offset: u8, value: u32) {
        Ports::select(place, offset);
        // SAFETY: this module and the crate write command, address and MSI-X words only, with the
        // values the firmware chose or that lead to registers and vectors of ours.
        unsafe { port::write_u32(DATA_PORT, value) };
    }

    unsafe fn unsafe_clone(&self) -> Ports {
        Ports
    }
}
