//! Interrupt controllers: the processor's local one with its timer, and the one for devices.

pub(crate) mod devices;
pub(crate) mod local;

/// The vector of the timer.
pub(crate) const TIMER_VECTOR: u8 = 0x20;
/// The vector of interrupt line 0; line `n` has the `n`th after it.
pub(crate) const FIRST_LINE_VECTOR: u8 = 0x30;
/// The vector of the first device that interrupts by message; the others have those after it.
pub(crate) const FIRST_MESSAGE_VECTOR: u8 = 0x60;
/// Where devices write to interrupt processor 0 (Intel SDM, volume 3, 11.11.1).
pub(crate) const MESSAGE_ADDRESS: u32 = 0xfee0_0000;
/// The vector of interrupts that went away before they were taken.
pub(crate) const SPURIOUS_VECTOR: u8 = 0xff;
