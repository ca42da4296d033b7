//! Control registers and model-specific registers.

use core::arch::asm;

use super::features::cpuid;

/// Extended feature enables (Intel SDM, volume 3, 2.2.1): SYSCALL and no-execute.
const EFER: u32 = 0xc000_0080;
const EFER_SYSCALL: u64 = 1 << 0;
const EFER_NO_EXECUTE: u64 = 1 << 11;

/// Base of the FS segment.
pub(crate) const FS_BASE: u32 = 0xc000_0100;
/// Base of the GS segment.
pub(crate) const GS_BASE: u32 = 0xc000_0101;
/// Segment selectors SYSCALL and SYSRET load.
pub(crate) const STAR: u32 = 0xc000_0081;
/// Where SYSCALL jumps.
pub(crate) const LSTAR: u32 = 0xc000_0082;
/// Flags SYSCALL clears.
pub(crate) const FMASK: u32 = 0xc000_0084;
/// Base address and enables of the local interrupt controller.
pub(crate) const APIC_BASE: u32 = 0x1b;

const CR0_MONITOR: u64 = 1 << 1;
const CR0_EMULATE: u64 = 1 << 2;
const CR0_TASK_SWITCHED: u64 = 1 << 3;
const CR0_NUMERIC_ERROR: u64 = 1 << 5;
const CR0_WRITE_PROTECT: u64 = 1 << 16;

const CR4_UMIP: u64 = 1 << 11;
const CR4_OSFXSR: u64 = 1 << 9;
const CR4_OSXMMEXCPT: u64 = 1 << 10;
pub(crate) const CR4_OSXSAVE: u64 = 1 << 18;
const CR4_SMEP: u64 = 1 << 20;
const CR4_SMAP: u64 = 1 << 21;

/// Reads a model-specific register.
///
/// # Safety
///
/// The processor must have the register.
pub(crate) unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
///
/// The processor must have the register and accept the value, and the kernel must go on working.
pub(crate) unsafe fn write_msr(register: u32, value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: the caller's promise.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") low, in("edx") high,
            options(nostack, preserves_flags));
    }
}

/// Reads CR2: the address of the last page fault.
pub(crate) fn fault_address() -> u64 {
    let address;
    // SAFETY: reading CR2 in kernel mode has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Turns on SYSCALL, no-execute pages, write protection for the kernel too, native x87 errors, and
/// what CPUID offers of SMEP, SMAP and UMIP.
///
/// # Safety
///
/// The kernel must run from pages that are not user pages, and touch no user page.
pub(crate) unsafe fn protect_kernel() {
    let features = cpuid(7, 0);
    // SAFETY: all x86-64 processors QEMU offers have EFER with these bits; CR4 bits are set only
    // where announced; the caller promises that the kernel does not depend on user pages.
    unsafe {
        write_msr(EFER, read_msr(EFER) | EFER_SYSCALL | EFER_NO_EXECUTE);
        let cr0 = read_cr0() & !(CR0_EMULATE | CR0_TASK_SWITCHED);
        write_cr0(cr0 | CR0_MONITOR | CR0_NUMERIC_ERROR | CR0_WRITE_PROTECT);
        let mut bits = CR4_OSFXSR | CR4_OSXMMEXCPT;
        for (announced, bit) in [
            (features.ebx & 1 << 7 != 0, CR4_SMEP),
            (features.ebx & 1 << 20 != 0, CR4_SMAP),
            (features.ecx & 1 << 2 != 0, CR4_UMIP),
        ] {
            bits |= if announced { bit } else { 0 };
        }
        set_cr4(bits);
    }
}

/// Sets bits of CR4.
///
/// # Safety
///
/// The processor must have them and the kernel must work with them.
pub(crate) unsafe fn set_cr4(bits: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("mov {0}, cr4", "or {0}, {1}", "mov cr4, {0}", out(reg) _, in(reg) bits,
            options(nostack));
    }
}

/// Sets which state components XSAVE switches.
///
/// # Safety
///
/// CR4.OSXSAVE must be set and the value valid: Intel SDM, volume 1, 13.3.
pub(crate) unsafe fn write_xcr0(value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: the caller's promise.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") low, in("edx") high,
            options(nomem, nostack, preserves_flags));
    }
}

fn read_cr0() -> u64 {
    let value;
    // SAFETY: reading CR0 in kernel mode has no effect.
    unsafe { asm!("mov {}, cr0", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// # Safety
///
/// The kernel must work with the value.
unsafe fn write_cr0(value: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr0, {}", in(reg) value, options(nostack, preserves_flags)) };
}
