//! Exceptions: each is reported with its vector, whatever state user code is in.

use wayfarer_machine::{Machine, Trap};

use crate::Test;
use crate::sandbox::{CODE, DATA, Sandbox};

pub(crate) const TESTS: &[Test] = &[
    ("page faults say what was attempted where", page_faults),
    ("exceptions are reported by vector", exceptions),
    ("no stack pointer of the user's can hurt", wild_stacks),
    ("random instructions do not hurt the kernel", random_code),
];

fn page_faults(machine: &Machine) {
    let cases: [(&[u8], u64, bool, bool, bool); 6] = [
        // mov byte [0xdead000], 1: a store to nothing.
        (&[0xc6, 0x04, 0x25, 0x00, 0xd0, 0xea, 0x0d, 1], 0xdead000, true, false, false),
        // mov al, [0xdead123]: a load from nothing.
        (&[0x8a, 0x04, 0x25, 0x23, 0xd1, 0xea, 0x0d], 0xdead123, false, false, false),
        // mov [0x400000], al: a store to code.
        (&[0x88, 0x04, 0x25, 0, 0, 0x40, 0], CODE, true, false, true),
        // jmp rsi: execution of data.
        (&[0xff, 0xe6], DATA, false, true, true),
        // mov al, [0xffffffff80200000]: the kernel's text.
        (&[0x8a, 0x04, 0x25, 0, 0, 0x20, 0x80], 0xffff_ffff_8020_0000, false, false, true),
        // call [0xffffffffc0000000]: nothing, in the kernel's half.
        (&[0xff, 0x14, 0x25, 0, 0, 0, 0xc0], 0xffff_ffff_c000_0000, false, false, false),
    ];
    for (code, address, write, instruction, present) in cases {
        let mut sandbox = Sandbox::new(machine, code);
        let expected = Trap::PageFault { address, write, instruction, present };
        assert_eq!(sandbox.run(), expected);
        let at = if instruction { DATA } else { CODE };
        assert_eq!(sandbox.context.registers.rip, at, "the instruction can be repeated");
    }
}

fn exceptions(machine: &Machine) {
    let cases: [(&[u8], u8); 11] = [
        (&[0x31, 0xc9, 0xf7, 0xf1], 0),           // xor ecx, ecx; div ecx
        (&[0xcc], 3),                             // int3
        (&[0x0f, 0x0b], 6),                       // ud2
        (&[0xf4], 13),                            // hlt
        (&[0xfa], 13),                            // cli
        (&[0xe4, 0x80], 13),                      // in al, 0x80
        (&[0xcd, 0x80], 13),                      // int 0x80: no gate for user code
        (&[0xcd, 0x20], 13),                      // int 0x20: the timer's gate
        (&[0xb8, 0x30, 0, 0, 0, 0x8e, 0xe0], 13), // mov fs, the task state
        (&[0x0f, 0x20, 0xc0], 13),                // mov rax, cr0
        (&[0x0f, 0x00, 0xc8], 13),                // str eax: refused by UMIP
    ];
    for (code, vector) in cases {
        let mut sandbox = Sandbox::new(machine, code);
        let trap = sandbox.run();
        assert!(matches!(trap, Trap::Exception { vector: v, .. } if v == vector), "{trap:?}");
    }
    // pushf; or dword [rsp], 1 << 8; popf; nop: single step.
    let mut stepping = Sandbox::new(machine, &[0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x90]);
    assert_eq!(stepping.run(), Trap::Exception { vector: 1, error_code: 0 });
    assert_eq!(stepping.context.registers.rip, CODE + 10);
    // mov rax, non-canonical; mov al, [rax]
    let mut sandbox = Sandbox::new(machine, &[0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x8a, 0]);
    assert_eq!(sandbox.run(), Trap::Exception { vector: 13, error_code: 0 });
}

fn wild_stacks(machine: &Machine) {
    for stack in [0, 8, 0x8000_0000_0000, 0xffff_ffff_8020_0000, 0xffff_d000_0000_0008, u64::MAX] {
        for (code, expected) in [
            (&[0x0f_u8, 0x05][..], Trap::Syscall),
            (&[0xcc], Trap::Exception { vector: 3, error_code: 0 }),
            (&[0xeb, 0xfe], Trap::Interrupt),
        ] {
            let mut sandbox = Sandbox::new(machine, code);
            sandbox.context.registers.rsp = stack;
            machine.clock.set_tick(50_000);
            let mut trap = sandbox.context.run(&sandbox.table);
            if trap == Trap::Interrupt && expected != trap {
                trap = sandbox.run(); // A tick left over from the case before.
            }
            assert_eq!((trap, sandbox.context.registers.rsp), (expected, stack));
        }
    }
}

/// A generator good enough to make up code (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A byte of code, but none that begins an AVX instruction: QEMU 7.2 itself fails an assertion
    /// on some invalid ones (VPINSR with a length of 256 bits).
    fn code_byte(&mut self) -> u8 {
        match self.next() as u8 {
            0xc4 | 0xc5 => 0x90,
            byte => byte,
        }
    }
}

fn random_code(machine: &Machine) {
    const ROUNDS: usize = 3000;
    // Always the same: some sequences end QEMU 7.2 itself ("tcg fatal error").
    let mut random = Random(0x5eed);
    let mut sandbox = Sandbox::new(machine, &[]);
    let mut calls = 0;
    for _ in 0..ROUNDS {
        let code: [u8; 64] = core::array::from_fn(|_| random.code_byte());
        let mut fresh = Sandbox::new(machine, &code);
        core::mem::swap(&mut sandbox.context, &mut fresh.context);
        let r = &mut fresh.context.registers;
        *r = sandbox.context.registers;
        (r.rip, r.rax, r.rcx, r.rdi) = (CODE, random.next(), random.next(), DATA + 64);
        (r.rflags, r.r11) = (random.next(), random.next());
        for _ in 0..4 {
            machine.clock.set_tick(20_000);
            calls += usize::from(fresh.context.run(&fresh.table) == Trap::Syscall);
            fresh.context.registers.rip = CODE + random.next() % 64;
        }
    }
    assert!(calls < 4 * ROUNDS);
    let image = sandbox.context.fpu_image();
    sandbox.context.set_fpu_image(&image).expect("whatever code did, its state is valid");
}
