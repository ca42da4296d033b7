//! A device with its interrupt.

use core::fmt;

use virtio_drivers::transport::{DeviceStatus, SomeTransport, Transport};

use super::pci::Messages;
use crate::trap;

/// The features every driver here may use, by the bits of the virtio specification, section 6.
pub(super) mod feature {
    /// Interrupts and notifications are asked for by index (VIRTIO_F_EVENT_IDX).
    pub(in crate::devices) const EVENT_INDEX: u64 = 1 << 29;
    /// The device follows version 1 of the specification (VIRTIO_F_VERSION_1).
    pub(in crate::devices) const VERSION_1: u64 = 1 << 32;
}

bitflags::bitflags! {
    /// Feature bits, all of them known to the one who asks: the crate negotiates in such a type.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct FeatureBits: u64 {
        const ALL = !0;
    }
}

/// A device and the vector it interrupts with. Dropping it resets the device.
pub(super) struct Wired {
    pub(super) transport: SomeTransport<'static>,
    vector: u8,
    wiring: Wiring,
}

/// How a device interrupts.
enum Wiring {
    /// By an edge on a line, which rises again only after an acknowledgement. Holds how often the
    /// vector had been taken at the last one.
    Line { acknowledged: u64 },
    /// By messages; nothing to acknowledge.
    Messages(Messages),
}

impl Wired {
    /// A device on an interrupt line of its own.
    pub(super) fn new(transport: SomeTransport<'static>, vector: u8) -> Wired {
        Wired { transport, vector, wiring: Wiring::Line { acknowledged: 0 } }
    }

    /// A device that interrupts by messages.
    pub(super) fn with_messages(
        transport: SomeTransport<'static>,
        vector: u8,
        messages: Messages,
    ) -> Wired {
        Wired { transport, vector, wiring: Wiring::Messages(messages) }
    }

    /// Resets the device and agrees on features: those of `wanted` it has, and version 1.
    pub(super) fn negotiate(&mut self, wanted: u64) -> u64 {
        let wanted = wanted | feature::EVENT_INDEX | feature::VERSION_1;
        self.transport.begin_init(FeatureBits::from_bits_retain(wanted)).bits()
    }

    /// Tells the device that its rings are in place.
    pub(super) fn go(&mut self) {
        if let Wiring::Messages(messages) = &mut self.wiring {
            messages.enable();
        }
        self.transport.finish_init();
    }

    /// Acknowledges the device if it has interrupted since the last time. To be called before
    /// looking at rings: lines are edge-triggered, so an interrupt comes only after this.
    pub(super) fn acknowledge(&mut self) {
        let Wiring::Line { acknowledged } = &mut self.wiring else { return };
        let taken = trap::count(self.vector);
        if taken != *acknowledged {
            *acknowledged = taken;
            self.transport.ack_interrupt();
        }
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        self.transport.set_status(DeviceStatus::empty());
    }
}

impl fmt::Debug for Wired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} on vector {:#x}", self.transport.device_type(), self.vector)
    }
}
