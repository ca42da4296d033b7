//! The segment descriptors and the task state segment with its interrupt stacks.

use core::arch::asm;
use core::cell::UnsafeCell;

use super::OneCpu;
use super::control::{self, FMASK, LSTAR, STAR};

/// Kernel code.
pub(crate) const KERNEL_CODE: u16 = 0x08;
/// Kernel data; SYSCALL demands that it follow the kernel's code.
pub(crate) const KERNEL_DATA: u16 = 0x10;
/// SYSRET takes the user's data from here plus 8, its code from here plus 16. The slot itself
/// would be 32-bit code, which we do not offer.
const SYSRET_BASE: u16 = 0x18 | 3;
/// User data, at privilege level 3.
pub(crate) const USER_DATA: u16 = 0x20 | 3;
/// User code, at privilege level 3.
pub(crate) const USER_CODE: u16 = 0x28 | 3;
const TASK_STATE: u16 = 0x30;

/// Interrupt stacks in a task state segment.
pub(crate) const STACKS: usize = 7;

/// Flags SYSCALL clears: trap, interrupt, direction, nested task, alignment check, I/O privilege.
const CLEARED_FLAGS: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 3 << 12 | 1 << 14 | 1 << 18;

/// The task state segment (Intel SDM, volume 3, figure 9-11).
#[repr(C, packed(4))]
struct TaskState {
    reserved_0: u32,
    privilege_stacks: [u64; 3],
    reserved_1: u64,
    interrupt_stacks: [u64; STACKS],
    reserved_2: u64,
    reserved_3: u16,
    /// Offset of the port permission map; beyond the end: user code may use no port.
    port_map: u16,
}

/// The descriptor table: null, kernel code and data, unused, user data and code, task state.
#[repr(C, align(16))]
struct Tables {
    descriptors: [u64; 8],
    task: TaskState,
}

static TABLES: OneCpu<UnsafeCell<Tables>> = OneCpu::new(UnsafeCell::new(Tables {
    descriptors: [
        0,
        0x00af_9b00_0000_ffff,
        0x00cf_9300_0000_ffff,
        0,
        0x00cf_f300_0000_ffff,
        0x00af_fb00_0000_ffff,
        0,
        0,
    ],
    task: TaskState {
        reserved_0: 0,
        privilege_stacks: [0; 3],
        reserved_1: 0,
        interrupt_stacks: [0; STACKS],
        reserved_2: 0,
        reserved_3: 0,
        port_map: size_of::<TaskState>() as u16,
    },
}));

/// What LGDT and LIDT read.
#[repr(C, packed)]
pub(crate) struct TablePointer {
    pub(crate) limit: u16,
    pub(crate) base: u64,
}

/// Loads the segments, with these tops of stacks as interrupt stacks 1 to 7.
///
/// # Safety
///
/// To be called once, with interrupts off; the stacks must be mapped and unused for ever.
pub(crate) unsafe fn load(stacks: [u64; STACKS]) {
    let tables = TABLES.get().get();
    // SAFETY: called once, before any trap, so nothing else accesses the tables.
    unsafe {
        (*tables).task.interrupt_stacks = stacks;
        // Traps from user mode all use interrupt stacks; a valid value here is a second net.
        (*tables).task.privilege_stacks = [stacks[0], 0, 0];
        let base = (&raw const (*tables).task) as u64;
        let limit = size_of::<TaskState>() as u64 - 1;
        (*tables).descriptors[6] =
            limit | (base & 0x00ff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
        (*tables).descriptors[7] = base >> 32;
        let pointer = TablePointer { limit: size_of::<[u64; 8]>() as u16 - 1, base: tables as u64 };
        asm!(
            "lgdt [{pointer}]",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "retfq",
            "2:",
            "mov ss, {data:x}",
            "xor {scratch:e}, {scratch:e}",
            "mov ds, {scratch:x}",
            "mov es, {scratch:x}",
            "mov fs, {scratch:x}",
            "mov gs, {scratch:x}",
            "ltr {task:x}",
            pointer = in(reg) &raw const pointer,
            code = const KERNEL_CODE,
            data = in(reg) KERNEL_DATA,
            task = in(reg) TASK_STATE,
            scratch = out(reg) _,
        );
    }
}

/// Makes SYSCALL jump to `entry`.
///
/// # Safety
///
/// `entry` must be code that expects the state SYSCALL leaves.
pub(crate) unsafe fn set_syscall_entry(entry: u64) {
    let selectors = u64::from(SYSRET_BASE) << 48 | u64::from(KERNEL_CODE) << 32;
    // SAFETY: long mode implies these registers; the selectors are those of the table above.
    unsafe {
        control::write_msr(STAR, selectors);
        control::write_msr(LSTAR, entry);
        control::write_msr(FMASK, CLEARED_FLAGS);
    }
}

/// Loads null selectors into the data segments, which user code may have changed. Clears the bases
/// of FS and GS on Intel processors: to be followed by loading both.
pub(crate) fn reset_data_segments() {
    // SAFETY: null selectors are always accepted; the kernel uses no data segment.
    unsafe {
        asm!(
            "mov ds, {0:x}", "mov es, {0:x}", "mov fs, {0:x}", "mov gs, {0:x}",
            in(reg) 0, options(nomem, nostack, preserves_flags)
        );
    }
}
