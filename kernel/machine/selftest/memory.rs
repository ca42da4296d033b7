//! Memory inside the machine: the heap grows and outlives the frames.

use alloc::vec::Vec;

use wayfarer_machine::memory::heap;
use wayfarer_machine::{Frame, Machine, println};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    ("the heap grows with what is asked of it", growth),
    ("the heap works when no frame is left", exhaustion),
];

fn growth(_: &Machine) {
    let (_, before) = heap::usage();
    let large: Vec<u8> = alloc::vec![0xa5; 16 << 20];
    let (used, after) = heap::usage();
    println!("  heap of {before} bytes, then {after}, {used} in use");
    assert!(after > before && large.iter().all(|byte| *byte == 0xa5));
    let mut impossible: Vec<u8> = Vec::new();
    assert!(impossible.try_reserve(1 << 40).is_err());
    assert_eq!(heap::usage().1, after, "what cannot be had takes nothing");
}

fn exhaustion(machine: &Machine) {
    let free = machine.frames.counts().free;
    let mut frames: Vec<Frame> = Vec::with_capacity(free);
    while let Ok(frame) = machine.frames.allocate() {
        frames.push(frame);
    }
    println!("  {} frames taken, heap {:?}", frames.len(), heap::usage());
    let kept: Vec<u8> = alloc::vec![1; 2 << 20];
    assert!(kept.iter().all(|byte| *byte == 1));
    drop(frames);
    assert!(machine.frames.counts().free > free / 2);
}
