//! Signal frames: what a handler finds on its stack, and the way back (sigreturn(2)).
//!
//! The layout is the kernel's `struct rt_sigframe` of x86-64 (`asm/sigframe.h`, `asm/ucontext.h`):
//! return address, `ucontext_t` with `sigcontext` and the signal mask, `siginfo_t`, and
//! below-aligned above them the floating-point image in the format of `xsave`.

use alloc::vec::Vec;

use wayfarer_machine::{Registers, UserContext};
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::signal::{
    SA_ONSTACK, SEGV_MAPERR, SS_DISABLE, SS_ONSTACK, SigAction, SigAltStack, SigDetail, SigInfo,
    Signal, SignalSet,
};

use crate::process::Running;

/// The part of the stack below `rsp` that code may use without moving `rsp` (System V ABI).
const RED_ZONE: u64 = 128;
/// Offset of `uc_mcontext` in `ucontext_t`.
const MCONTEXT: usize = 40;
/// Offset of `uc_sigmask` in `ucontext_t`.
const SIGMASK: usize = 296;
/// Bytes of the kernel's `ucontext_t`.
const UCONTEXT_SIZE: usize = 304;
/// Bytes of `struct rt_sigframe`: return address, `ucontext_t`, `siginfo_t`.
const FRAME_SIZE: usize = 8 + UCONTEXT_SIZE + SigInfo::SIZE;
/// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`.
const UC_FLAGS: u64 = 1 | 2 | 4;
/// User code and stack segment selectors, as programs see them.
const SEGMENTS: u64 = 0x33 | 0x2b << 48;

/// Builds the frame and makes the thread continue in the handler.
///
/// # Errors
/// The SIGSEGV that the thread gets instead when its stack has no room.
pub async fn push_frame(
    running: &Running,
    info: &SigInfo,
    action: &SigAction,
    mask: SignalSet,
) -> Result<(), SigInfo> {
    let (registers, fpu) = {
        let context = running.thread.context.borrow_mut();
        (context.registers, context.fpu_image())
    };
    let stack = running.thread.alt_stack.get();
    let top = handler_stack(&registers, action, &stack);
    // xsave areas are aligned to 64; the frame itself as if a call had just pushed rip.
    let fpu_at = (top.wrapping_sub(fpu.len() as u64)) & !63;
    let frame_at = (fpu_at.wrapping_sub(FRAME_SIZE as u64) & !15).wrapping_sub(8);
    let frame = frame_bytes(&registers, info, action, mask, &stack, fpu_at);

    let memory = running.local_memory();
    let written = async {
        memory.write(UserAddr(fpu_at), &fpu).await?;
        memory.write(UserAddr(frame_at), &frame).await
    };
    if written.await.is_err() {
        return Err(SigInfo {
            signal: Signal::SIGSEGV,
            code: SEGV_MAPERR,
            detail: SigDetail::Fault { address: frame_at },
        });
    }
    enter_handler(&mut running.thread.context.borrow_mut(), info, action, frame_at);
    Ok(())
}

/// Where the frame goes: the alternate stack if the handler wants it and is not on it already.
fn handler_stack(registers: &Registers, action: &SigAction, stack: &SigAltStack) -> u64 {
    let usable = stack.flags & SS_DISABLE == 0 && !on_stack(registers.rsp, stack);
    if action.flags & SA_ONSTACK != 0 && usable {
        stack.base.wrapping_add(stack.size)
    } else {
        registers.rsp.wrapping_sub(RED_ZONE)
    }
}

/// Whether `rsp` is inside the alternate stack.
pub fn on_stack(rsp: u64, stack: &SigAltStack) -> bool {
    stack.flags & SS_DISABLE == 0 && rsp > stack.base && rsp - stack.base <= stack.size
}

fn enter_handler(context: &mut UserContext, info: &SigInfo, action: &SigAction, frame_at: u64) {
    context.reset_fpu();
    let registers = &mut context.registers;
    registers.rip = action.handler;
    registers.rsp = frame_at;
    registers.rax = 0;
    registers.rdi = u64::from(info.signal.number());
    registers.rsi = frame_at + 8 + UCONTEXT_SIZE as u64;
    registers.rdx = frame_at + 8;
    // Direction and trap flag are clear in a handler.
    registers.rflags &= !(1 << 10 | 1 << 8);
}

fn frame_bytes(
    registers: &Registers,
    info: &SigInfo,
    action: &SigAction,
    mask: SignalSet,
    stack: &SigAltStack,
    fpu_at: u64,
) -> Vec<u8> {
    let mut frame = alloc::vec![0; FRAME_SIZE];
    let mut put = |at: usize, bytes: &[u8]| frame[at..at + bytes.len()].copy_from_slice(bytes);
    let context = 8;
    put(0, &action.restorer.to_le_bytes());
    put(context, &UC_FLAGS.to_le_bytes());
    let flags = if on_stack(registers.rsp, stack) { SS_ONSTACK } else { stack.flags };
    put(context + 16, &SigAltStack { flags, ..*stack }.to_bytes());
    for (index, register) in saved(registers).into_iter().enumerate() {
        put(context + MCONTEXT + 8 * index, &register.to_le_bytes());
    }
    put(context + MCONTEXT + 8 * 18, &SEGMENTS.to_le_bytes());
    put(context + MCONTEXT + 8 * 21, &mask.0.to_le_bytes());
    if let SigDetail::Fault { address } = info.detail {
        put(context + MCONTEXT + 8 * 22, &address.to_le_bytes());
    }
    put(context + MCONTEXT + 8 * 23, &fpu_at.to_le_bytes());
    put(context + SIGMASK, &mask.0.to_le_bytes());
    put(context + UCONTEXT_SIZE, &info.to_bytes());
    frame
}

/// The registers in the order of `struct sigcontext`.
fn saved(r: &Registers) -> [u64; 18] {
    [
        r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx,
        r.rax, r.rcx, r.rsp, r.rip, r.rflags,
    ]
}

/// Restores what the frame at `rsp` holds and gives the signal mask in it (rt_sigreturn(2)).
///
/// # Errors
/// The SIGSEGV for a frame that cannot be read or a floating-point image that is not one.
pub async fn pop_frame(running: &Running) -> Result<SignalSet, SigInfo> {
    // The handler's `ret` has taken the return address off already.
    let context_at = running.thread.context.borrow().registers.rsp;
    let bad = SigInfo {
        signal: Signal::SIGSEGV,
        code: SEGV_MAPERR,
        detail: SigDetail::Fault { address: context_at },
    };
    let memory = running.local_memory();
    let mut context = [0; UCONTEXT_SIZE];
    memory.read(UserAddr(context_at), &mut context).await.map_err(|_| bad)?;
    let word = |at: usize| u64::from_le_bytes(context[at..at + 8].try_into().unwrap_or([0; 8]));

    let fpu_at = word(MCONTEXT + 8 * 23);
    let mut fpu = running.thread.context.borrow_mut().fpu_image();
    if fpu_at != 0 {
        memory.read(UserAddr(fpu_at), &mut fpu).await.map_err(|_| bad)?;
    }
    let mut saved = [0; 18];
    for (index, register) in saved.iter_mut().enumerate() {
        *register = word(MCONTEXT + 8 * index);
    }
    let mut target = running.thread.context.borrow_mut();
    if fpu_at == 0 {
        target.reset_fpu();
    } else {
        target.set_fpu_image(&fpu).map_err(|_| bad)?;
    }
    restore(&mut target.registers, &saved);
    running.thread.alt_stack.set(SigAltStack {
        flags: running.thread.alt_stack.get().flags,
        ..SigAltStack::from_bytes(&context[16..])
    });
    Ok(SignalSet(word(SIGMASK)))
}

fn restore(r: &mut Registers, saved: &[u64; 18]) {
    [
        r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx,
        r.rax, r.rcx, r.rsp, r.rip, r.rflags,
    ] = *saved;
}
