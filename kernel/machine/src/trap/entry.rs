//! The assembly between user mode and [`enter_user`]'s return.
//!
//! `enter_user` pushes the registers a function must preserve, notes where the context is, loads
//! the user's registers and leaves. Whatever brings the processor back stores the user's registers
//! in that context, takes the noted stack pointer and returns from `enter_user` with the reason.

use core::arch::{asm, naked_asm};
use core::cell::UnsafeCell;
use core::mem::offset_of;

use super::{COUNTS, FIRST_INTERRUPT, SSE_EXCEPTION, SYSCALL, fault};
use crate::cpu::OneCpu;
use crate::cpu::segments::{USER_CODE, USER_DATA};
use crate::fpu;
use crate::user::UserContext;

/// What the entry code needs at fixed places.
#[repr(C)]
pub(crate) struct Anchor {
    /// The kernel's stack pointer inside `enter_user`.
    kernel_stack: u64,
    /// The context that is in user mode.
    context: *mut UserContext,
    /// The user's stack pointer, for the two instructions in which it has no other place.
    user_stack: u64,
    /// The error code of the last exception from user mode.
    error_code: u64,
    /// The end-of-interrupt register of the local interrupt controller.
    end_of_interrupt: *mut u32,
    /// The user's MXCSR, if an exception it unmasked struck the kernel; else [`NOT_ASIDE`].
    mxcsr_aside: u32,
    /// What the kernel then computes with: all exceptions masked.
    mxcsr_of_kernel: u32,
}

/// No value of MXCSR.
const NOT_ASIDE: u32 = u32::MAX;

static ANCHOR: OneCpu<UnsafeCell<Anchor>> = OneCpu::new(UnsafeCell::new(Anchor {
    kernel_stack: 0,
    context: core::ptr::null_mut(),
    user_stack: 0,
    error_code: 0,
    end_of_interrupt: core::ptr::null_mut(),
    mxcsr_aside: NOT_ASIDE,
    mxcsr_of_kernel: fpu::DEFAULT_MXCSR,
}));

const KERNEL_STACK: usize = offset_of!(Anchor, kernel_stack);
const CONTEXT: usize = offset_of!(Anchor, context);
const USER_STACK: usize = offset_of!(Anchor, user_stack);
const ERROR_CODE: usize = offset_of!(Anchor, error_code);
const END_OF_INTERRUPT: usize = offset_of!(Anchor, end_of_interrupt);
const MXCSR_ASIDE: usize = offset_of!(Anchor, mxcsr_aside);
const MXCSR_OF_KERNEL: usize = offset_of!(Anchor, mxcsr_of_kernel);

/// 0 if the user's MXCSR is in the processor.
#[inline]
pub(crate) fn mxcsr_difference() -> u32 {
    // SAFETY: as in `give_back_mxcsr`.
    unsafe { (*ANCHOR.get().get()).mxcsr_aside ^ NOT_ASIDE }
}

/// Puts the user's MXCSR back into the processor if it is not there.
pub(crate) fn give_back_mxcsr() {
    let aside = ANCHOR.get().get();
    // SAFETY: the entry code writes the field when the kernel itself raises an SSE exception,
    // which integer code does not. The value was MXCSR's, so the processor accepts it.
    unsafe {
        if (*aside).mxcsr_aside != NOT_ASIDE {
            asm!("ldmxcsr [{}]", in(reg) &raw const (*aside).mxcsr_aside, options(nostack));
            (*aside).mxcsr_aside = NOT_ASIDE;
        }
    }
}

/// The error code of the last exception from user mode.
pub(crate) fn error_code() -> u64 {
    // SAFETY: the entry code writes it only while user code runs, that is, not now.
    unsafe { (*ANCHOR.get().get()).error_code }
}

/// Tells the entry code where interrupts are acknowledged.
///
/// # Safety
///
/// Must be the end-of-interrupt register, mapped for ever, and interrupts off.
pub(crate) unsafe fn set_end_of_interrupt(register: *mut u32) {
    // SAFETY: with interrupts off no entry code runs.
    unsafe { (*ANCHOR.get().get()).end_of_interrupt = register };
}

/// Offset of a general register in a context.
macro_rules! register {
    ($name:ident) => {
        offset_of!(UserContext, registers.$name)
    };
}

/// Assembly in which `{anchor}` is the [`Anchor`] and each register's name in braces is its offset
/// in a context.
macro_rules! context_asm {
    ($($line:tt)*) => {
        naked_asm!(
            $($line)*
            anchor = sym ANCHOR,
            rax = const register!(rax), rbx = const register!(rbx), rcx = const register!(rcx),
            rdx = const register!(rdx), rsi = const register!(rsi), rdi = const register!(rdi),
            rbp = const register!(rbp), rsp = const register!(rsp), r8 = const register!(r8),
            r9 = const register!(r9), r10 = const register!(r10), r11 = const register!(r11),
            r12 = const register!(r12), r13 = const register!(r13), r14 = const register!(r14),
            r15 = const register!(r15), rip = const register!(rip),
            rflags = const register!(rflags),
        )
    };
}

/// Runs user code until a trap; returns its vector, or [`SYSCALL`].
///
/// With `by_sysret` the fast return is used, which clobbers rcx and r11: right only when these
/// hold rip and rflags anyway, as after a system call.
///
/// # Safety
///
/// The page table to use must be loaded, rip canonical, rflags without privileged bits and with
/// interrupts on, and the context's extended state in the processor.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn enter_user(context: *mut UserContext, by_sysret: u64) -> u64 {
    context_asm!(
        "push rbp", "push rbx", "push r12", "push r13", "push r14", "push r15",
        "mov [rip + {anchor} + {kernel_stack}], rsp",
        "mov [rip + {anchor} + {context}], rdi",
        "movups xmm0, [rdi + {xmm} + 0x00]", "movups xmm1, [rdi + {xmm} + 0x10]",
        "movups xmm2, [rdi + {xmm} + 0x20]", "movups xmm3, [rdi + {xmm} + 0x30]",
        "movups xmm4, [rdi + {xmm} + 0x40]", "movups xmm5, [rdi + {xmm} + 0x50]",
        "movups xmm6, [rdi + {xmm} + 0x60]", "movups xmm7, [rdi + {xmm} + 0x70]",
        "movups xmm8, [rdi + {xmm} + 0x80]", "movups xmm9, [rdi + {xmm} + 0x90]",
        "movups xmm10, [rdi + {xmm} + 0xa0]", "movups xmm11, [rdi + {xmm} + 0xb0]",
        "movups xmm12, [rdi + {xmm} + 0xc0]", "movups xmm13, [rdi + {xmm} + 0xd0]",
        "movups xmm14, [rdi + {xmm} + 0xe0]", "movups xmm15, [rdi + {xmm} + 0xf0]",
        "mov rax, [rdi + {rax}]", "mov rbx, [rdi + {rbx}]", "mov rdx, [rdi + {rdx}]",
        "mov rbp, [rdi + {rbp}]", "mov r8, [rdi + {r8}]", "mov r9, [rdi + {r9}]",
        "mov r10, [rdi + {r10}]", "mov r12, [rdi + {r12}]", "mov r13, [rdi + {r13}]",
        "mov r14, [rdi + {r14}]", "mov r15, [rdi + {r15}]",
        "test rsi, rsi",
        "mov rsi, [rdi + {rsi}]",
        "jz 2f",
        "mov rcx, [rdi + {rip}]", "mov r11, [rdi + {rflags}]",
        "mov rsp, [rdi + {rsp}]", "mov rdi, [rdi + {rdi}]",
        "sysretq",
        "2:",
        "push {user_data}", "push [rdi + {rsp}]", "push [rdi + {rflags}]",
        "push {user_code}", "push [rdi + {rip}]",
        "mov rcx, [rdi + {rcx}]", "mov r11, [rdi + {r11}]", "mov rdi, [rdi + {rdi}]",
        "iretq",
        kernel_stack = const KERNEL_STACK, context = const CONTEXT,
        user_data = const USER_DATA, user_code = const USER_CODE,
        xmm = const offset_of!(UserContext, xmm),
    )
}

/// Where SYSCALL jumps: interrupts are off, rcx holds rip, r11 rflags, and the stack is the user's.
///
/// The context serves as base through rsp itself, so no register needs a second place.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn syscall_entry() {
    context_asm!(
        "mov [rip + {anchor} + {user_stack}], rsp",
        "mov rsp, [rip + {anchor} + {context}]",
        "mov [rsp + {rax}], rax", "mov [rsp + {rbx}], rbx", "mov [rsp + {rcx}], rcx",
        "mov [rsp + {rdx}], rdx", "mov [rsp + {rsi}], rsi", "mov [rsp + {rdi}], rdi",
        "mov [rsp + {rbp}], rbp", "mov [rsp + {r8}], r8", "mov [rsp + {r9}], r9",
        "mov [rsp + {r10}], r10", "mov [rsp + {r11}], r11", "mov [rsp + {r12}], r12",
        "mov [rsp + {r13}], r13", "mov [rsp + {r14}], r14", "mov [rsp + {r15}], r15",
        "mov [rsp + {rip}], rcx", "mov [rsp + {rflags}], r11",
        "mov rcx, [rip + {anchor} + {user_stack}]",
        "mov [rsp + {rsp}], rcx",
        "mov rdi, rsp",
        "mov eax, {syscall}",
        "jmp {leave}",
        user_stack = const USER_STACK, context = const CONTEXT,
        syscall = const SYSCALL, leave = sym leave_user,
    )
}

/// Where every gate leads, with the vector and an error code (real or 0) on the interrupt stack,
/// below what the processor pushed: rip, cs, rflags, rsp, ss.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn gate_entry() {
    context_asm!(
        "cld",
        "test byte ptr [rsp + 24], 3",
        "jz {kernel}",
        "push rdi",
        "mov rdi, [rip + {anchor} + {context}]",
        "mov [rdi + {rax}], rax", "mov [rdi + {rbx}], rbx", "mov [rdi + {rcx}], rcx",
        "mov [rdi + {rdx}], rdx", "mov [rdi + {rsi}], rsi", "pop [rdi + {rdi}]",
        "mov [rdi + {rbp}], rbp", "mov [rdi + {r8}], r8", "mov [rdi + {r9}], r9",
        "mov [rdi + {r10}], r10", "mov [rdi + {r11}], r11", "mov [rdi + {r12}], r12",
        "mov [rdi + {r13}], r13", "mov [rdi + {r14}], r14", "mov [rdi + {r15}], r15",
        "pop rax",
        "pop [rip + {anchor} + {error_code}]",
        "pop [rdi + {rip}]",
        "pop rcx",
        "pop [rdi + {rflags}]",
        "pop [rdi + {rsp}]",
        "jmp {leave}",
        context = const CONTEXT, error_code = const ERROR_CODE,
        kernel = sym gate_entry_from_kernel, leave = sym leave_user,
    )
}

/// The common end: rdi is the context with the general registers stored, rax the result. Stores
/// the SSE registers, which Rust code is about to use, and returns from `enter_user`.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave_user() {
    naked_asm!(
        "movups [rdi + {xmm} + 0x00], xmm0", "movups [rdi + {xmm} + 0x10], xmm1",
        "movups [rdi + {xmm} + 0x20], xmm2", "movups [rdi + {xmm} + 0x30], xmm3",
        "movups [rdi + {xmm} + 0x40], xmm4", "movups [rdi + {xmm} + 0x50], xmm5",
        "movups [rdi + {xmm} + 0x60], xmm6", "movups [rdi + {xmm} + 0x70], xmm7",
        "movups [rdi + {xmm} + 0x80], xmm8", "movups [rdi + {xmm} + 0x90], xmm9",
        "movups [rdi + {xmm} + 0xa0], xmm10", "movups [rdi + {xmm} + 0xb0], xmm11",
        "movups [rdi + {xmm} + 0xc0], xmm12", "movups [rdi + {xmm} + 0xd0], xmm13",
        "movups [rdi + {xmm} + 0xe0], xmm14", "movups [rdi + {xmm} + 0xf0], xmm15",
        "mov rsp, [rip + {anchor} + {kernel_stack}]",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp",
        "ret",
        anchor = sym ANCHOR, kernel_stack = const KERNEL_STACK,
        xmm = const offset_of!(UserContext, xmm),
    )
}

/// A gate taken in the kernel: an interrupt in the idle halt is counted, acknowledged and returned
/// from; an SSE exception happens because user code unmasked it, and is masked before the
/// instruction is tried again; anything else is a bug and goes to [`fault::report`] with all
/// registers on the stack, in the order of [`fault::KernelState`].
#[unsafe(naked)]
unsafe extern "sysv64" fn gate_entry_from_kernel() {
    naked_asm!(
        "cmp qword ptr [rsp], {first_interrupt}",
        "jb 2f",
        "push rax",
        "push rcx",
        "mov rax, [rsp + 16]",
        "lea rcx, [rip + {counts}]",
        "inc qword ptr [rcx + rax * 8]",
        "mov rcx, [rip + {anchor} + {end_of_interrupt}]",
        "mov dword ptr [rcx], 0",
        "pop rcx",
        "pop rax",
        "add rsp, 16",
        "iretq",
        "2:",
        "cmp qword ptr [rsp], {sse_exception}",
        "jne 3f",
        "stmxcsr [rip + {anchor} + {mxcsr_aside}]",
        "ldmxcsr [rip + {anchor} + {mxcsr_of_kernel}]",
        "add rsp, 16",
        "iretq",
        "3:",
        "push r15", "push r14", "push r13", "push r12", "push r11", "push r10", "push r9",
        "push r8", "push rbp", "push rdi", "push rsi", "push rdx", "push rcx", "push rbx",
        "push rax",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {report}",
        "ud2",
        first_interrupt = const FIRST_INTERRUPT, counts = sym COUNTS, anchor = sym ANCHOR,
        end_of_interrupt = const END_OF_INTERRUPT, sse_exception = const SSE_EXCEPTION,
        mxcsr_aside = const MXCSR_ASIDE, mxcsr_of_kernel = const MXCSR_OF_KERNEL,
        report = sym fault::report,
    )
}
