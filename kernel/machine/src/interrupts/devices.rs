//! The controller that turns device interrupt lines into vectors (82093AA I/O APIC).

use core::ptr::NonNull;

use super::FIRST_LINE_VECTOR;
use crate::memory::kernel_map::DirectMap;

/// Where every PC has it.
pub(crate) const PHYSICAL_ADDRESS: u64 = 0xfec0_0000;

/// Lines of the first controller.
pub(crate) const LINES: u32 = 24;

/// Offset of the window onto the register selected by the first word.
const WINDOW: usize = 0x10;
/// The first of two registers for each line.
const FIRST_ENTRY: u32 = 0x10;

/// The controller's registers.
pub(crate) struct IoApic(NonNull<u32>);

impl IoApic {
    /// The controller at its usual place.
    ///
    /// # Safety
    ///
    /// To be called once; the registers must be mapped uncached for ever.
    pub(crate) unsafe fn new(map: DirectMap) -> IoApic {
        let registers = NonNull::new(map.address(PHYSICAL_ADDRESS).cast());
        IoApic(registers.expect("the map of physical memory does not begin at 0"))
    }

    /// Delivers a line's interrupts, edge-triggered, to the processor; returns their vector, or
    /// `None` when there is no such line.
    ///
    /// The device must be acknowledged before its rings are looked at, or an edge is missed.
    pub(crate) fn enable_edge(&mut self, line: u32) -> Option<u8> {
        if line >= LINES {
            return None;
        }
        let vector = FIRST_LINE_VECTOR + u8::try_from(line).ok()?;
        // High word first: the destination (processor 0), before the low word unmasks.
        self.write(FIRST_ENTRY + 2 * line + 1, 0);
        self.write(FIRST_ENTRY + 2 * line, u32::from(vector));
        Some(vector)
    }

    fn write(&mut self, register: u32, value: u32) {
        // SAFETY: `new` promises the mapping, and the selection and the window are not used by
        // anybody else, as there is one value of this type.
        unsafe {
            self.0.write_volatile(register);
            self.0.byte_add(WINDOW).write_volatile(value);
        }
    }
}
