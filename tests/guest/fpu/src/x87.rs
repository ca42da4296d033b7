//! The x87 stack and control word, which long double arithmetic uses.

use std::arch::asm;

use crate::{FLAG, SHORT, calls, expect_spoiling};

/// Values that doubles keep exactly.
const VALUES: [f64; 4] = [1.5, -2.25, 3.125, 1024.0625];

/// Pushes the four values, runs `$middle`, pops them.
macro_rules! keep {
    ($after:ident, [$($middle:literal),*], $($operands:tt)*) => {
        // SAFETY: four values fit the empty stack, are popped again, and land in `after`.
        unsafe {
            asm!(
                "fld qword ptr [{from}]", "fld qword ptr [{from} + 8]",
                "fld qword ptr [{from} + 16]", "fld qword ptr [{from} + 24]",
                $($middle,)*
                "fstp qword ptr [{to} + 24]", "fstp qword ptr [{to} + 16]",
                "fstp qword ptr [{to} + 8]", "fstp qword ptr [{to}]",
                from = in(reg) &VALUES, to = in(reg) &mut $after, $($operands)*
                out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            );
        }
    };
}

pub(crate) fn over_a_signal() {
    let mut after = [0.0; 4];
    expect_spoiling();
    keep!(
        after,
        ["2:", "cmp dword ptr [{flag}], 0", "je 2b"],
        flag = in(reg) FLAG.as_ptr(),
    );
    assert_eq!(after, VALUES);
}

pub(crate) fn over_system_calls() {
    for [number, first, second] in calls(&SHORT) {
        let mut after = [0.0; 4];
        keep!(
            after,
            ["syscall"],
            inout("rax") number => _, in("rdi") first, in("rsi") second,
            out("rcx") _, out("r11") _,
        );
        assert_eq!(after, VALUES, "call {number}");
    }
}

/// Fills the whole stack, and changes the control word, as an interrupted computation must not
/// notice.
pub(crate) fn spoil() {
    let control = 0x0f7f_u16;
    // SAFETY: the stack is a handler's own, and is left empty.
    unsafe {
        asm!(
            "fninit", "fldcw [{}]", "fldpi", "fldpi", "fldpi", "fldpi", "fldpi", "fldpi",
            "fldpi", "fldpi", "fninit", "fldcw [{}]", in(reg) &control, in(reg) &control,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
}

fn control() -> u16 {
    let mut control = 0_u16;
    // SAFETY: writes the two bytes it is given.
    unsafe { asm!("fnstcw [{}]", in(reg) &mut control) };
    control
}

pub(crate) fn control_word() {
    let usual = control();
    let single = (usual & !0x300) | 0xc00;
    // SAFETY: a valid control word; it is set back below.
    unsafe { asm!("fldcw [{}]", in(reg) &single) };
    expect_spoiling();
    while FLAG.load(std::sync::atomic::Ordering::SeqCst) == 0 {}
    std::thread::sleep(std::time::Duration::from_millis(2));
    let after = control();
    // SAFETY: the value it had.
    unsafe { asm!("fldcw [{}]", in(reg) &usual) };
    assert_eq!((after, control()), (single, usual));
}
