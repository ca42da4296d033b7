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
        asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags));
    }
}
