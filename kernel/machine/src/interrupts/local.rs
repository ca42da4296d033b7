//! The local interrupt controller and its one-shot timer (Intel SDM, volume 3, chapter 11).

use core::sync::atomic::{AtomicPtr, Ordering};

use super::{SPURIOUS_VECTOR, TIMER_VECTOR};
use crate::cpu::{control, port};
use crate::memory::kernel_map::DirectMap;
use crate::trap::entry;

/// Nanoseconds in a count of the timer at divide-by-1. QEMU (TCG and KVM) runs it at 1 GHz.
pub(crate) const TIMER_NS: u64 = 1;

const ENABLED: u64 = 1 << 11;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The longest time the timer can be set for.
pub(crate) const LONGEST_NS: u64 = u32::MAX as u64 * TIMER_NS;

/// Registers, by their offset in bytes.
mod register {
    pub(super) const TASK_PRIORITY: usize = 0x80;
    pub(super) const END_OF_INTERRUPT: usize = 0xb0;
    pub(super) const SPURIOUS: usize = 0xf0;
    pub(super) const TIMER: usize = 0x320;
    pub(super) const PIN_0: usize = 0x350;
    pub(super) const PIN_1: usize = 0x360;
    pub(super) const INITIAL_COUNT: usize = 0x380;
    pub(super) const CURRENT_COUNT: usize = 0x390;
    pub(super) const DIVIDE: usize = 0x3e0;
}

const SOFTWARE_ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const DIVIDE_BY_1: u32 = 0b1011;

/// Where the registers are mapped; null before the start.
static REGISTERS: AtomicPtr<u32> = AtomicPtr::new(core::ptr::null_mut());

/// The physical address of the registers.
pub(crate) fn physical_address() -> u64 {
    // SAFETY: every x86-64 processor has this register.
    unsafe { control::read_msr(control::APIC_BASE) & ADDRESS }
}

/// Turns the controller on, its timer stopped.
///
/// # Safety
///
/// To be called once, with interrupts off, when the registers are mapped for ever: uncached, but
/// for the first moments, when the boot code maps them as it does all else (firmware keeps the
/// processor from caching them: Intel SDM volume 3, 11.4.1).
pub(crate) unsafe fn start(map: DirectMap) {
    let base: *mut u32 = map.address(physical_address()).cast();
    REGISTERS.store(base, Ordering::Relaxed);
    // SAFETY: the register exists on every x86-64 processor; the offset is the EOI register's.
    unsafe {
        let value = control::read_msr(control::APIC_BASE);
        control::write_msr(control::APIC_BASE, value | ENABLED);
        entry::set_end_of_interrupt(base.byte_add(register::END_OF_INTERRUPT));
    }
    write(register::TASK_PRIORITY, 0);
    write(register::SPURIOUS, SOFTWARE_ENABLE | u32::from(SPURIOUS_VECTOR));
    // The old interrupt controller and its pin: firmware may have left them on.
    for data_port in [0x21, 0xa1] {
        // SAFETY: masks all lines of the controller, if there is one.
        unsafe { port::write_u8(data_port, 0xff) };
    }
    write(register::PIN_0, MASKED);
    write(register::PIN_1, MASKED);
    write(register::DIVIDE, DIVIDE_BY_1);
    write(register::TIMER, u32::from(TIMER_VECTOR));
    stop_timer();
}

/// Acknowledges the interrupt being handled.
pub(crate) fn end_of_interrupt() {
    write(register::END_OF_INTERRUPT, 0);
}

/// Makes the timer interrupt once, `ns` from now or, being a 32-bit counter, earlier.
pub(crate) fn start_timer(ns: u64) {
    let counts = (ns / TIMER_NS).clamp(1, u64::from(u32::MAX));
    write(register::INITIAL_COUNT, counts as u32);
}

/// Stops the timer.
pub(crate) fn stop_timer() {
    write(register::INITIAL_COUNT, 0);
}

/// Lets the timer count down from its largest value without interrupting, to measure by.
pub(crate) fn start_counting() {
    write(register::TIMER, u32::from(TIMER_VECTOR) | MASKED);
    write(register::INITIAL_COUNT, u32::MAX);
}

/// Ends [`start_counting`].
pub(crate) fn stop_counting() {
    stop_timer();
    write(register::TIMER, u32::from(TIMER_VECTOR));
}

/// Nanoseconds since [`start_counting`].
pub(crate) fn counted_ns() -> u64 {
    u64::from(u32::MAX - read(register::CURRENT_COUNT)) * TIMER_NS
}

fn read(offset: usize) -> u32 {
    let base = REGISTERS.load(Ordering::Relaxed);
    assert!(!base.is_null(), "the machine has been started");
    // SAFETY: `start` promises the mapping; the offsets are those of registers.
    unsafe { base.byte_add(offset).read_volatile() }
}

fn write(offset: usize, value: u32) {
    let base = REGISTERS.load(Ordering::Relaxed);
    assert!(!base.is_null(), "the machine has been started");
    // SAFETY: as in `read`.
    unsafe { base.byte_add(offset).write_volatile(value) };
}
