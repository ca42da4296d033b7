//! An exception in the kernel: say everything that is known, and end.

use crate::cpu::control;
use crate::{exit, serial};

/// The registers at the exception, as `gate_entry_from_kernel` and the processor pushed them.
#[repr(C)]
pub(super) struct KernelState {
    rax: u64,
    rbx: u64,
    rcx: u64,
    rdx: u64,
    rsi: u64,
    rdi: u64,
    rbp: u64,
    r8: u64,
    r9: u64,
    r10: u64,
    r11: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
    vector: u64,
    error_code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// Names of the exceptions (Intel SDM, volume 3, table 6-1).
const NAMES: [&str; 22] = [
    "divide error",
    "debug",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "no device",
    "double fault",
    "",
    "invalid task state",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "",
    "x87 error",
    "alignment check",
    "machine check",
    "SSE error",
    "virtualization",
    "control protection",
];

/// Prints the state on the log and ends the machine.
pub(super) extern "sysv64" fn report(s: &KernelState) -> ! {
    let name = usize::try_from(s.vector).ok().and_then(|v| NAMES.get(v)).unwrap_or(&"");
    serial::write_after_fault(format_args!(
        "\nkernel exception {} ({name}), error code {:#x}, cr2 {:#x}\n\
         rip {:04x}:{:016x} rsp {:04x}:{:016x} rflags {:x}\n\
         rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}\n\
         rsi {:016x} rdi {:016x} rbp {:016x} r8  {:016x}\n\
         r9  {:016x} r10 {:016x} r11 {:016x} r12 {:016x}\n\
         r13 {:016x} r14 {:016x} r15 {:016x}\n",
        s.vector,
        s.error_code,
        control::fault_address(),
        s.cs,
        s.rip,
        s.ss,
        s.rsp,
        s.rflags,
        s.rax,
        s.rbx,
        s.rcx,
        s.rdx,
        s.rsi,
        s.rdi,
        s.rbp,
        s.r8,
        s.r9,
        s.r10,
        s.r11,
        s.r12,
        s.r13,
        s.r14,
        s.r15,
    ));
    exit::exit(exit::EXCEPTION)
}
