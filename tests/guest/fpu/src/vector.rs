//! xmm, ymm and MXCSR.

use std::arch::asm;

use guest_common::child::{self, End};

use crate::{FLAG, SHORT, calls, expect_spoiling};

/// Sixteen registers of 32 bytes (of which xmm uses the lower half).
#[repr(C, align(32))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bank([[u8; 32]; 16]);

impl Bank {
    const ZERO: Self = Self([[0; 32]; 16]);

    fn pattern() -> Self {
        let mut bank = Self::ZERO;
        for (index, byte) in bank.0.as_flattened_mut().iter_mut().enumerate() {
            *byte = (index * 37 + 11) as u8;
        }
        bank
    }

    /// What is left of it in registers of 16 bytes.
    fn lower(mut self) -> Self {
        self.0.iter_mut().for_each(|register| register[16..].fill(0));
        self
    }
}

/// Assembly that moves all sixteen registers from the bank at `from`.
macro_rules! load {
    ($move:literal, $register:literal) => {
        concat!(
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n",
            $move,
            " ",
            $register,
            "\\n, [{from} + \\n * 32]\n.endr"
        )
    };
}

/// Assembly that moves all sixteen registers to the bank at `to`.
macro_rules! store {
    ($move:literal, $register:literal) => {
        concat!(
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n",
            $move,
            " [{to} + \\n * 32], ",
            $register,
            "\\n\n.endr"
        )
    };
}

/// Loads all registers, spins until a handler has run, stores them.
macro_rules! over_a_signal {
    ($move:literal, $register:literal, $before:expr, $after:expr) => {
        // SAFETY: reads and writes the two banks; waits for a handler that will run.
        unsafe {
            asm!(
                load!($move, $register), "2:", "cmp dword ptr [{flag}], 0", "je 2b",
                store!($move, $register),
                from = in(reg) $before, to = in(reg) $after, flag = in(reg) FLAG.as_ptr(),
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _,
                out("xmm5") _, out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _,
                out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _,
                out("xmm15") _,
            );
        }
    };
}

/// Loads all registers, makes a system call, stores them; gives the call's result.
macro_rules! over_a_call {
    ($move:literal, $register:literal, $call:expr, $before:expr, $after:expr) => {{
        let [number, first, second] = $call;
        let result: i64;
        // SAFETY: reads and writes the two banks; the call touches no other memory of ours.
        unsafe {
            asm!(
                load!($move, $register), "syscall", store!($move, $register),
                from = in(reg) $before, to = in(reg) $after,
                inout("rax") number => result, in("rdi") first, in("rsi") second,
                out("rcx") _, out("r11") _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _,
                out("xmm5") _, out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _,
                out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _,
                out("xmm15") _,
            );
        }
        result
    }};
}

/// Fills all registers with something else.
pub(crate) fn spoil() {
    let ones = Bank([[0xff; 32]; 16]);
    let mut sink = Bank::ZERO;
    let getpid = [libc::SYS_getpid as u64, 0, 0];
    if is_x86_feature_detected!("avx") {
        over_a_call!("vmovups", "ymm", getpid, &ones, &mut sink);
    } else {
        over_a_call!("movups", "xmm", getpid, &ones, &mut sink);
    }
    std::hint::black_box(sink);
}

pub(crate) fn xmm_over_a_signal() {
    let (before, mut after) = (Bank::pattern().lower(), Bank::ZERO);
    expect_spoiling();
    over_a_signal!("movups", "xmm", &before, &mut after);
    assert_eq!(after, before);
}

pub(crate) fn ymm_over_a_signal() {
    if !is_x86_feature_detected!("avx") {
        return;
    }
    let (before, mut after) = (Bank::pattern(), Bank::ZERO);
    expect_spoiling();
    over_a_signal!("vmovups", "ymm", &before, &mut after);
    assert_eq!(after, before);
}

pub(crate) fn xmm_over_system_calls() {
    for call in calls(&SHORT) {
        let (before, mut after) = (Bank::pattern().lower(), Bank::ZERO);
        over_a_call!("movups", "xmm", call, &before, &mut after);
        assert_eq!(after, before, "{call:?}");
    }
}

pub(crate) fn ymm_over_system_calls() {
    if !is_x86_feature_detected!("avx") {
        return;
    }
    for call in calls(&SHORT) {
        let (before, mut after) = (Bank::pattern(), Bank::ZERO);
        over_a_call!("vmovups", "ymm", call, &before, &mut after);
        assert_eq!(after, before, "{call:?}");
    }
}

pub(crate) fn xmm_is_copied_by_fork() {
    let (before, mut after) = (Bank::pattern().lower(), Bank::ZERO);
    let fork = [libc::SYS_fork as u64, 0, 0];
    let pid = over_a_call!("movups", "xmm", fork, &before, &mut after);
    let same = after == before;
    if pid == 0 {
        child::exit_now(if same { 17 } else { 1 });
    }
    let pid = i32::try_from(pid).ok().and_then(rustix_pid).expect("fork gives a pid");
    assert_eq!(child::wait(pid), End::Exited(17));
    assert!(same);
}

fn rustix_pid(pid: i32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(pid)
}

/// Every exception masked, round towards zero (Intel SDM volume 1, figure 10-3).
const TOWARDS_ZERO: u32 = 0x7f80;

fn set_mxcsr(value: u32) {
    // SAFETY: a valid value, and this thread's arithmetic meanwhile is ours.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &value) };
}

fn mxcsr() -> u32 {
    let mut value = 0_u32;
    // SAFETY: writes the four bytes it is given.
    unsafe { asm!("stmxcsr [{}]", in(reg) &mut value) };
    value & !0x3f
}

/// Does `work` while rounding towards zero; says how numbers were rounded at its end.
fn rounding_after(work: impl FnOnce()) -> u32 {
    let usual = mxcsr();
    set_mxcsr(TOWARDS_ZERO);
    work();
    let after = mxcsr();
    set_mxcsr(usual);
    after
}

pub(crate) fn rounding_over_a_signal() {
    let after = rounding_after(|| {
        expect_spoiling();
        while FLAG.load(std::sync::atomic::Ordering::SeqCst) == 0 {}
    });
    assert_eq!(after, TOWARDS_ZERO);
}

pub(crate) fn rounding_over_system_calls() {
    for [number, first, second] in calls(&SHORT) {
        let number = i64::try_from(number).expect("small");
        // SAFETY: the calls touch no memory but the time they are given.
        let after = rounding_after(|| _ = unsafe { libc::syscall(number, first, second) });
        assert_eq!(after, TOWARDS_ZERO, "call {number}");
    }
}
