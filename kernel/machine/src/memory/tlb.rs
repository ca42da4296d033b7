//! Which page table the processor uses, and what it may remember of it (its TLB).
//!
//! The kernel never touches memory through user addresses, so a stale translation can only hurt
//! when user code runs again. Changes to the loaded table are therefore collected and applied at
//! once, on the way to user mode: a few by page, many by a full flush.

use core::arch::asm;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

/// Stands for "no table of ours" (before start, and always on a host).
const NONE: u64 = u64::MAX;

/// The physical address of the table in CR3.
static LOADED: AtomicU64 = AtomicU64::new(NONE);

/// The physical address of the kernel's own table, which has an empty user half.
static KERNEL: AtomicU64 = AtomicU64::new(NONE);

/// Page flushes worth more than a full one; beyond this many, everything is flushed.
const PAGE_FLUSHES: usize = 16;

/// Pages of a table of which the processor may have stale translations.
#[derive(Default)]
pub(super) struct Stale {
    numbers: [Cell<u64>; PAGE_FLUSHES],
    /// How many there are; more than fit stands for all pages.
    count: Cell<usize>,
}

impl Stale {
    /// Notes that the entry of a page changed in the table with this root frame.
    pub(super) fn add(&self, root: u32, page: u64) {
        if LOADED.load(Ordering::Relaxed) != address(root) {
            return; // Loading the table later flushes everything.
        }
        let count = self.count.get();
        if let Some(number) = self.numbers.get(count) {
            number.set(page);
        }
        self.count.set((count + 1).min(PAGE_FLUSHES + 1));
    }
}

fn address(root: u32) -> u64 {
    u64::from(root) << 12
}

/// 0 if a table is in use, and nothing of it is stale.
#[inline]
pub(super) fn difference(root: u32, stale: &Stale) -> u64 {
    (LOADED.load(Ordering::Relaxed) ^ address(root)) | stale.count.get() as u64
}

/// Puts a table in use, and flushes what is stale of it.
///
/// # Safety
///
/// The frame must hold a top table whose upper half is the kernel's.
pub(super) unsafe fn load(root: u32, stale: &Stale) {
    let count = stale.count.take();
    if LOADED.load(Ordering::Relaxed) != address(root) || count > PAGE_FLUSHES {
        // SAFETY: the caller's promise.
        unsafe { write_cr3(address(root)) };
    } else {
        for page in &stale.numbers[..count] {
            let address = page.get() << 12;
            // SAFETY: forgetting a translation is always allowed.
            unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
        }
    }
}

/// Puts the kernel's own table in use if this one was: it is about to be freed.
pub(super) fn leave(root: u32) {
    if LOADED.load(Ordering::Relaxed) == address(root) {
        // SAFETY: `adopt` has stored a table that stays for ever; without it nothing is loaded.
        unsafe { write_cr3(KERNEL.load(Ordering::Relaxed)) };
    }
}

/// Puts the kernel's own table in use for the first time.
///
/// # Safety
///
/// The table at this physical address must map the kernel as it is running, for ever.
pub(crate) unsafe fn adopt(kernel_root: u64) {
    KERNEL.store(kernel_root, Ordering::Relaxed);
    // SAFETY: the caller's promise.
    unsafe { write_cr3(kernel_root) };
}

/// # Safety
///
/// The table must map the kernel as it is running.
unsafe fn write_cr3(root: u64) {
    LOADED.store(root, Ordering::Relaxed);
    // SAFETY: the caller's promise. No `nomem`: memory must not be accessed across this.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}
