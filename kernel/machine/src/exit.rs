//! Leaving the machine.

use core::arch::asm;

use crate::cpu::port;

/// The port of QEMU's `isa-debug-exit` device: writing `n` ends QEMU with status `2 * n + 1`.
const DEBUG_EXIT: u16 = 0xf4;

/// All went well. QEMU ends with status 33.
pub const SUCCESS: u8 = 0x10;
/// A check of the image's own failed. QEMU ends with status 35.
pub const FAILURE: u8 = 0x11;
/// The kernel panicked. QEMU ends with status 37.
pub const PANIC: u8 = 0x12;
/// The processor raised an exception in the kernel. QEMU ends with status 39.
pub const EXCEPTION: u8 = 0x13;

/// Ends the virtual machine; QEMU's exit status is `2 * code + 1`. Without the debug-exit device
/// the processor stops for ever.
pub fn exit(code: u8) -> ! {
    // SAFETY: the device ends the emulator or, when absent, ignores the write.
    unsafe { port::write_u32(DEBUG_EXIT, u32::from(code)) };
    loop {
        // SAFETY: with interrupts off, HLT just stops.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
