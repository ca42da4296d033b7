//! Traps: the way from user mode into `UserContext::run`'s return, and what happens to traps in the
//! kernel itself.
//!
//! Interrupts are on only in user mode and in the idle halt. So an interrupt either makes `run()`
//! return or is counted and acknowledged on the spot; an exception in the kernel is a bug, reported
//! on the log before the machine ends with status 39. Every gate has an interrupt stack of its own
//! group, because precompiled Rust code keeps data below the stack pointer (the red zone).

pub(crate) mod entry;
pub(crate) mod fault;
pub(crate) mod gates;

use core::sync::atomic::{AtomicU64, Ordering};

/// Gates in the table, hence vectors.
pub(crate) const VECTORS: usize = 256;
/// Vectors below this are exceptions.
pub(crate) const FIRST_INTERRUPT: u64 = 32;
/// What the entry code reports for SYSCALL, which has no vector.
pub(crate) const SYSCALL: u64 = 256;
/// Page fault.
pub(crate) const PAGE_FAULT: u64 = 14;
/// SSE floating-point exception.
pub(crate) const SSE_EXCEPTION: u64 = 19;
/// General protection fault.
pub(crate) const GENERAL_PROTECTION: u8 = 13;

/// How often each vector was taken.
static COUNTS: [AtomicU64; VECTORS] = [const { AtomicU64::new(0) }; VECTORS];

/// How often a vector was taken since the start.
pub(crate) fn count(vector: u8) -> u64 {
    COUNTS[usize::from(vector)].load(Ordering::Relaxed)
}

/// Counts an interrupt taken in user mode (those in idle are counted by the entry code).
pub(crate) fn note(vector: u64) {
    if let Some(count) = COUNTS.get(vector as usize) {
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// Interrupts taken since the start, the timer's included.
pub fn interrupts_taken() -> u64 {
    COUNTS[FIRST_INTERRUPT as usize..].iter().map(|count| count.load(Ordering::Relaxed)).sum()
}
