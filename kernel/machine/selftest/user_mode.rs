//! User mode: system calls, registers, preemption, and the state that is switched lazily.

use wayfarer_machine::{Access, Machine, Trap};

use crate::Test;
use crate::sandbox::{CODE, DATA, Sandbox, page};

pub(crate) const TESTS: &[Test] = &[
    ("a system call returns with its registers", system_call),
    ("every register survives a system call and an interrupt", registers),
    ("the timer ends an endless loop", preemption),
    ("x87, AVX and MXCSR state belong to their context", vector_state),
    ("a clone has the state of the original", cloned_state),
    ("the user's unmasked exceptions do not reach the kernel", unmasked_exceptions),
    ("the FS base is the context's, whatever selectors are loaded", bases),
    ("changes to the loaded table take effect", table_changes),
];

/// `syscall; jmp -4`
const CALL_LOOP: &[u8] = &[0x0f, 0x05, 0xeb, 0xfc];

fn system_call(machine: &Machine) {
    // mov eax, 39; syscall
    let mut sandbox = Sandbox::new(machine, &[0xb8, 39, 0, 0, 0, 0x0f, 0x05]);
    assert_eq!(sandbox.run(), Trap::Syscall);
    let registers = sandbox.context.registers;
    assert_eq!((registers.rax, registers.rip), (39, CODE + 7));
    assert_eq!((registers.rcx, registers.r11), (registers.rip, registers.rflags));
}

fn registers(machine: &Machine) {
    for code in [CALL_LOOP, &[0xeb, 0xfe]] {
        let mut sandbox = Sandbox::new(machine, code);
        let r = &mut sandbox.context.registers;
        let all = [
            &mut r.rax, &mut r.rbx, &mut r.rdx, &mut r.rsi, &mut r.rdi, &mut r.rbp, &mut r.rsp,
            &mut r.r8, &mut r.r9, &mut r.r10, &mut r.r12, &mut r.r13, &mut r.r14, &mut r.r15,
        ];
        for (index, register) in all.into_iter().enumerate() {
            *register = 0x0101_0101_0101_0101 * (index as u64 + 0x81);
        }
        // Carry, zero and direction set: to be kept, and not to confuse the kernel.
        r.rflags = 1 << 0 | 1 << 6 | 1 << 10 | 1 << 9 | 2;
        for _ in 0..3 {
            let mut before = sandbox.context.registers;
            machine.clock.set_tick(100_000);
            let trap = sandbox.context.run(&sandbox.table);
            let after = sandbox.context.registers;
            if trap == Trap::Syscall {
                (before.rip, before.rcx, before.r11) = (CODE + 2, CODE + 2, before.rflags);
            }
            assert_eq!(after, before, "after {trap:?}");
        }
    }
}

fn preemption(machine: &Machine) {
    let mut sandbox = Sandbox::new(machine, &[0xeb, 0xfe]);
    for _ in 0..10 {
        let start = machine.clock.now_ns();
        machine.clock.set_tick(1_000_000);
        while machine.clock.now_ns() < start + 1_000_000 {
            assert_eq!(sandbox.context.run(&sandbox.table), Trap::Interrupt);
        }
        assert_eq!(sandbox.context.registers.rip, CODE);
    }
}

/// ```text
/// vmovups ymm15, [rsi]; fild qword [rsi + 32]; ldmxcsr [rsi + 40]; syscall
/// vmovups [rsi + 64], ymm15; fistp qword [rsi + 96]; stmxcsr [rsi + 104]; syscall
/// ```
const LOAD_AND_STORE: &[u8] = &[
    0xc5, 0x7c, 0x10, 0x3e, 0xdf, 0x6e, 0x20, 0x0f, 0xae, 0x56, 0x28, 0x0f, 0x05, //
    0xc5, 0x7c, 0x11, 0x7e, 0x40, 0xdf, 0x7e, 0x60, 0x0f, 0xae, 0x5e, 0x68, 0x0f, 0x05,
];

/// Lets a sandbox load state made from a seed and stop at its first system call.
fn load_state(machine: &Machine, seed: u64) -> Sandbox {
    let mut sandbox = Sandbox::new(machine, LOAD_AND_STORE);
    for index in 0..5 {
        sandbox.data.write(index * 8, &(seed << 8 | index as u64).to_le_bytes());
    }
    sandbox.data.write(40, &mxcsr_of(seed).to_le_bytes());
    assert_eq!(sandbox.run(), Trap::Syscall);
    sandbox
}

/// Masked exceptions and one of the four rounding modes.
fn mxcsr_of(seed: u64) -> u32 {
    0x1f80 | (seed as u32 % 4) << 13
}

/// Lets a sandbox store the state and compares.
fn check_state(sandbox: &mut Sandbox, seed: u64) {
    assert_eq!(sandbox.run(), Trap::Syscall);
    for index in 0..5 {
        assert_eq!(sandbox.word(64 + index * 8), seed << 8 | index as u64, "word {index}");
    }
    // Without the sticky flags: float arithmetic of the kernel, of which it has none but here, sets
    // them too.
    assert_eq!(sandbox.word(104) & !0x3f, u64::from(mxcsr_of(seed)));
}

fn vector_state(machine: &Machine) {
    let mut one = load_state(machine, 1);
    let mut two = load_state(machine, 2);
    let mut three = load_state(machine, 3);
    // Float arithmetic and copies in between: the kernel's own use of registers must not show.
    let sum: f64 = (0..100).map(|value| f64::from(value) / 3.0).sum();
    assert!(sum > 1649.0);
    check_state(&mut two, 2);
    check_state(&mut one, 1);
    drop(one);
    check_state(&mut three, 3);
}

fn cloned_state(machine: &Machine) {
    let mut original = load_state(machine, 7);
    let mut copy = load_state(machine, 9);
    copy.context = original.context.clone();
    check_state(&mut copy, 7);
    let image = original.context.fpu_image();
    let mut fresh = Sandbox::new(machine, LOAD_AND_STORE);
    fresh.context.registers = original.context.registers;
    fresh.context.set_fpu_image(&image).expect("our own image");
    check_state(&mut fresh, 7);
    check_state(&mut original, 7);
    // A program's own state, replaced while the processor holds it.
    let mut replaced = load_state(machine, 11);
    replaced.context.set_fpu_image(&image).expect("our own image");
    check_state(&mut replaced, 7);
    let mut reset = load_state(machine, 11);
    reset.context.reset_fpu();
    assert_eq!(reset.run(), Trap::Syscall);
    assert_eq!((reset.word(64), reset.word(88), reset.word(104)), (0, 0, 0x1f80));
}

fn unmasked_exceptions(machine: &Machine) {
    let mut sandbox = Sandbox::new(machine, LOAD_AND_STORE);
    sandbox.data.write(40, &0_u32.to_le_bytes());
    assert_eq!(sandbox.run(), Trap::Syscall);
    let third = core::hint::black_box(1.0) / core::hint::black_box(3.0_f64);
    assert!(third < 0.5, "inexact, and not trapped");
    assert_eq!(sandbox.run(), Trap::Syscall);
    assert_eq!(sandbox.word(104) & !0x3f, 0, "and all are unmasked for the user again");
}

fn bases(machine: &Machine) {
    // mov rax, fs:[0]; syscall; mov fs, edi; syscall
    let code = &[0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0x0f, 0x05, 0x8e, 0xe7, 0x0f, 0x05];
    let mut rude = Sandbox::new(machine, code);
    let mut other = Sandbox::new(machine, code);
    for (sandbox, value) in [(&mut rude, 5_u64), (&mut other, 6)] {
        sandbox.data.write(8, &value.to_le_bytes());
        sandbox.context.registers.fs_base = DATA + 8;
        assert_eq!(sandbox.run(), Trap::Syscall);
        assert_eq!(sandbox.context.registers.rax, value);
    }
    // One program clears its base through the selector; the other must not notice.
    rude.context.registers.rdi = 0;
    assert_eq!(rude.run(), Trap::Syscall);
    other.context.registers.rip = CODE;
    assert_eq!(other.run(), Trap::Syscall);
    assert_eq!(other.context.registers.rax, 6);
}

fn table_changes(machine: &Machine) {
    // mov rax, [rsi]; mov [rsi + 8], rax; syscall; jmp to the start
    let code = &[0x48, 0x8b, 0x06, 0x48, 0x89, 0x46, 8, 0x0f, 0x05, 0xeb, 0xf5];
    let mut sandbox = Sandbox::new(machine, code);
    assert_eq!(sandbox.run(), Trap::Syscall);
    let data = page(DATA);
    let mapping = sandbox.table.lookup(data).expect("mapped");
    assert!(mapping.dirty && mapping.accessed && mapping.shared);
    assert!(sandbox.table.clean(data) && sandbox.table.age(data));
    assert_eq!(sandbox.run(), Trap::Syscall);
    assert!(sandbox.table.lookup(data).expect("mapped").dirty, "noticed after cleaning");

    assert!(sandbox.table.protect(data, Access::default()));
    let fault =
        |address, write, present| Trap::PageFault { address, write, instruction: false, present };
    assert_eq!(sandbox.run(), fault(DATA + 8, true, true));
    assert!(sandbox.table.hide(data));
    sandbox.context.registers.rip = CODE;
    assert_eq!(sandbox.run(), fault(DATA, false, true));
    sandbox.table.unmap(data);
    assert_eq!(sandbox.run(), fault(DATA, false, false));
    let fresh = machine.frames.allocate_zeroed().expect("a frame is free");
    fresh.write(0, &[0x77]);
    let writable = Access { write: true, execute: false };
    sandbox.table.map(data, fresh, writable).expect("a frame is free");
    assert_eq!(sandbox.run(), Trap::Syscall);
    assert_eq!(sandbox.context.registers.rax, 0x77);
}
