//! The interrupt descriptor table: 256 gates, each with an interrupt stack.

use core::arch::{asm, naked_asm};
use core::cell::UnsafeCell;

use super::VECTORS;
use super::entry::gate_entry;
use crate::cpu::OneCpu;
use crate::cpu::segments::{KERNEL_CODE, TablePointer};

/// Bytes from one gate's code to the next.
const STUB_SIZE: usize = 16;

/// Interrupt stacks, by their number in the task state segment. A trap never nests on its own
/// stack: interrupts are off, and an exception within entry code is one of another group.
mod stack {
    pub(super) const INTERRUPT: u8 = 1;
    pub(super) const PAGE_FAULT: u8 = 2;
    pub(super) const FAULT: u8 = 3;
    pub(super) const NON_MASKABLE: u8 = 4;
    pub(super) const DOUBLE_FAULT: u8 = 5;
    pub(super) const MACHINE_CHECK: u8 = 6;
    pub(super) const DEBUG: u8 = 7;
}

/// An interrupt gate: privileged unless the vector is one that user code may raise itself.
const INTERRUPT_GATE: u64 = 0x8e;
const USER_LEVEL: u64 = 3 << 5;
const BREAKPOINT: usize = 3;
const OVERFLOW: usize = 4;

type Table = [[u64; 2]; VECTORS];

static TABLE: OneCpu<UnsafeCell<Table>> = OneCpu::new(UnsafeCell::new([[0; 2]; VECTORS]));

/// Fills the table and loads it.
///
/// # Safety
///
/// To be called once, after the segments are loaded.
pub(crate) unsafe fn load() {
    let table = TABLE.get().get();
    let stubs = gate_stubs as *const () as u64;
    for vector in 0..VECTORS {
        let gate = gate(stubs + (vector * STUB_SIZE) as u64, vector);
        // SAFETY: called once, before any trap, so nothing else accesses the table.
        unsafe { (*table)[vector] = gate };
    }
    let pointer = TablePointer { limit: size_of::<Table>() as u16 - 1, base: table as u64 };
    // SAFETY: the table is complete and stays where it is.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(nostack, preserves_flags)) };
}

/// Encodes a gate: Intel SDM, volume 3, figure 6-8.
fn gate(code: u64, vector: usize) -> [u64; 2] {
    let level = if matches!(vector, BREAKPOINT | OVERFLOW) { USER_LEVEL } else { 0 };
    let low = code & 0xffff
        | u64::from(KERNEL_CODE) << 16
        | u64::from(stack_of(vector)) << 32
        | (INTERRUPT_GATE | level) << 40
        | (code >> 16 & 0xffff) << 48;
    [low, code >> 32]
}

fn stack_of(vector: usize) -> u8 {
    match vector {
        1 => stack::DEBUG,
        2 => stack::NON_MASKABLE,
        8 => stack::DOUBLE_FAULT,
        14 => stack::PAGE_FAULT,
        18 => stack::MACHINE_CHECK,
        0..32 => stack::FAULT,
        _ => stack::INTERRUPT,
    }
}

/// One piece of code for each vector, 16 bytes apart: adds an error code of 0 where the processor
/// pushes none, then the vector. Exceptions 8, 10 to 14, 17, 21, 29 and 30 push one themselves.
#[unsafe(naked)]
unsafe extern "sysv64" fn gate_stubs() {
    naked_asm!(
        ".balign 16",
        ".set vector, 0",
        ".rept 256",
        ".balign 16",
        ".if (vector == 8) | ((vector >= 10) & (vector <= 14)) | (vector == 17) | (vector == 21) \
         | (vector == 29) | (vector == 30)",
        ".else",
        "pushq $0",
        ".endif",
        "pushq $vector",
        "jmp {entry}",
        ".set vector, vector + 1",
        ".endr",
        entry = sym gate_entry,
        // In this dialect an assembler symbol is an immediate when marked so, never an address.
        options(att_syntax),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_encoded_as_the_manual_says() {
        assert_eq!(gate(0xffff_ffff_8123_4560, 14), [0x8123_8e02_0008_4560, 0xffff_ffff]);
        assert_eq!(gate(0, BREAKPOINT)[0] >> 40 & 0xff, 0xee);
        assert_eq!(gate(0, 0x80)[0] >> 40 & 0xff, 0x8e);
    }
}
