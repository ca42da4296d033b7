//! Port input and output.

use core::arch::asm;

/// Writes 32 bits to a port.
///
/// # Safety
///
/// What the device does with them must not break memory safety.
pub(crate) unsafe fn write_u32(port: u16, value: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value,
            options(nomem, nostack, preserves_flags));
    }
}

/// Writes 8 bits to a port.
///
/// # Safety
///
/// What the device does with them must not break memory safety.
pub(crate) unsafe fn write_u8(port: u16, value: u8) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags));
    }
}

/// Reads 32 bits from a port.
///
/// # Safety
///
/// What reading does to the device must not break memory safety.
pub(crate) unsafe fn read_u32(port: u16) -> u32 {
    let value;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("in eax, dx", in("dx") port, out("eax") value,
            options(nomem, nostack, preserves_flags));
    }
    value
}
