//! Clock, idle wait, and what a trap costs.

use wayfarer_machine::{Machine, Trap, interrupts_taken, println};

use crate::Test;
use crate::sandbox::Sandbox;

pub(crate) const TESTS: &[Test] = &[
    ("the idle wait ends at its deadline and not before", idle),
    ("an idle wait for a past deadline does not wait", idle_past),
    ("cost of traps", costs),
];

fn idle(machine: &Machine) {
    idle_for(machine, &[0, 1, 3, 10]);
    // A host that stops the processor until a deadline is past takes its interrupt away.
    for _ in 0..100 {
        if interrupts_taken() < 3 {
            idle_for(machine, &[3]);
        }
    }
    assert!(interrupts_taken() >= 3);
}

fn idle_for(machine: &Machine, times: &[u64]) {
    for ms in times {
        let deadline = machine.clock.now_ns() + ms * 1_000_000;
        let mut halts = 0;
        while machine.clock.now_ns() < deadline {
            machine.clock.idle_until(Some(deadline));
            halts += 1;
        }
        let late = machine.clock.now_ns() - deadline;
        println!("  {ms} ms: {late} ns late after {halts} halts");
        assert!(halts < 20);
    }
}

fn idle_past(machine: &Machine) {
    let start = machine.clock.now_ns();
    machine.clock.idle_until(Some(0));
    machine.clock.idle_until(Some(start));
    assert!(machine.clock.now_ns() - start < 60_000_000_000);
}

/// Runs a function many times; prints the smallest and the mean cost of one run.
fn measure(machine: &Machine, what: &str, mut run: impl FnMut()) {
    const BATCHES: u64 = 200;
    const BATCH: u64 = 250;
    let mut best = u64::MAX;
    let start = machine.clock.now_ns();
    for _ in 0..BATCHES {
        let begin = machine.clock.now_ns();
        (0..BATCH).for_each(|_| run());
        best = best.min(machine.clock.now_ns() - begin);
    }
    let mean = (machine.clock.now_ns() - start) / BATCHES / BATCH;
    println!("  {what}: {mean} ns on average, {} ns in the best batch", best / BATCH);
}

fn costs(machine: &Machine) {
    // syscall; jmp -4
    let call = &[0x0f, 0x05, 0xeb, 0xfc];
    let mut one = Sandbox::new(machine, call);
    measure(machine, "system call round trip", || assert_eq!(one.run(), Trap::Syscall));
    let mut two = Sandbox::new(machine, call);
    measure(machine, "two of them, switching contexts", || {
        assert_eq!(one.run(), Trap::Syscall);
        assert_eq!(two.run(), Trap::Syscall);
    });
    let mut thread = one.context.clone();
    measure(machine, "two threads of one address space", || {
        assert_eq!(one.run(), Trap::Syscall);
        assert_eq!(thread.run(&one.table), Trap::Syscall);
    });
    // mov al, [0]
    let mut fault = Sandbox::new(machine, &[0x8a, 0x04, 0x25, 0, 0, 0, 0]);
    measure(machine, "page fault round trip", || {
        assert!(matches!(fault.run(), Trap::PageFault { address: 0, .. }));
    });
    measure(machine, "reading the clock", || {
        core::hint::black_box(machine.clock.now_ns());
    });
    measure(machine, "allocating and freeing 100 bytes", || {
        core::hint::black_box(alloc::boxed::Box::new([0_u8; 100]));
    });
    let frames = &machine.frames;
    measure(machine, "allocating, zeroing and freeing a frame", || {
        core::hint::black_box(frames.allocate_zeroed().is_ok());
    });
}
