//! The general registers and the flags.

use std::arch::asm;

use crate::{FLAG, SHORT, calls, expect_spoiling};

/// What each register holds, and is found to hold afterwards. The frame and stack pointers, and
/// `rbx`, which the compiler keeps, hold what they must.
const PATTERN: [u64; 11] = [
    0x0101_0101_0101_0101,
    0x0202_0202_0202_0202,
    0x0303_0303_0303_0303,
    0x0404_0404_0404_0404,
    0x0505_0505_0505_0505,
    0x0606_0606_0606_0606,
    0x0707_0707_0707_0707,
    0x0808_0808_0808_0808,
    0x0909_0909_0909_0909,
    0x0a0a_0a0a_0a0a_0a0a,
    0xffff_8000_0000_0001,
];

pub(crate) fn over_a_signal() {
    let p = PATTERN;
    let mut after = [0_u64; 11];
    let [rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14] = &mut after;
    expect_spoiling();
    // SAFETY: waits for a handler that will run.
    unsafe {
        asm!(
            "2:", "cmp dword ptr [rax], 0", "je 2b",
            in("rax") FLAG.as_ptr(),
            inout("rcx") p[0] => *rcx, inout("rdx") p[1] => *rdx, inout("rsi") p[2] => *rsi,
            inout("rdi") p[3] => *rdi, inout("r8") p[4] => *r8, inout("r9") p[5] => *r9,
            inout("r10") p[6] => *r10, inout("r11") p[7] => *r11, inout("r12") p[8] => *r12,
            inout("r13") p[9] => *r13, inout("r14") p[10] => *r14,
        );
    }
    assert_eq!(after, PATTERN);
}

/// A system call changes rax, rcx and r11 only.
pub(crate) fn over_system_calls() {
    for [number, first, second] in calls(&SHORT) {
        let p = PATTERN;
        let mut after = [0_u64; 9];
        let [rdx, rsi, rdi, r8, r9, r10, r12, r13, r14] = &mut after;
        // SAFETY: the calls touch no memory but the time they are given.
        unsafe {
            asm!(
                "syscall",
                inout("rax") number => _, out("rcx") _, out("r11") _,
                inout("rdi") first => *rdi, inout("rsi") second => *rsi,
                inout("rdx") p[0] => *rdx, inout("r8") p[1] => *r8, inout("r9") p[2] => *r9,
                inout("r10") p[3] => *r10, inout("r12") p[4] => *r12, inout("r13") p[5] => *r13,
                inout("r14") p[6] => *r14,
            );
        }
        let expected = [p[0], second, first, p[1], p[2], p[3], p[4], p[5], p[6]];
        assert_eq!(after, expected, "call {number}");
    }
}

/// Carry and direction: a handler starts with the direction cleared, and ends with both as before.
pub(crate) fn flags_over_a_signal() {
    let (carry, flags): (u64, u64);
    expect_spoiling();
    // SAFETY: waits for a handler that will run; `test` would change carry, so `jrcxz` decides;
    // the direction flag is cleared at the end, as the ABI demands.
    unsafe {
        asm!(
            "stc", "std", "2:", "mov ecx, dword ptr [{flag}]", "jrcxz 2b",
            "pushfq", "cld", "pop {flags}",
            flag = in(reg) FLAG.as_ptr(), flags = out(reg) flags, out("rcx") carry,
        );
    }
    assert_eq!(carry, 1);
    assert_eq!(flags & 0x401, 0x401, "direction and carry");
}
