//! Interrupt controllers: the processor's local one with its timer, and the one for devices.

pub(crate) mod devices;
pub(crate) mod local;

/// The vector of the timer.
pub(crate) const TIMER_VECTOR: u8 = 0x20;
/// The vector of interrupt line 0; line `n` has the `n`th after it.
pub(crate) const FIRST_LINE_VECTOR: u8 = 0x30;
/// The vector of interrupts that went away before they were taken.
pub(crate) const SPURIOUS_VECTOR: u8 = 0xff;
