//! The break, the allocator above it, and the program's own data.

use std::hint::black_box;

/// Moves the break by `bytes` and says where it was.
fn move_break(bytes: isize) -> usize {
    // SAFETY: the C library's allocator bears a break that others move.
    let old = unsafe { libc::sbrk(bytes) };
    assert_ne!(old.addr(), usize::MAX, "sbrk({bytes})");
    old.addr()
}

pub(crate) fn break_moves() {
    let start = move_break(0);
    assert_eq!(move_break(3 * 4096 + 5), start);
    let base: *mut u8 = std::ptr::with_exposed_provenance_mut(start);
    for offset in 0..3 * 4096 + 5 {
        // SAFETY: below the break, and above what it was.
        unsafe {
            assert_eq!(base.add(offset).read_volatile(), 0, "new memory is zero");
            base.add(offset).write_volatile(1);
        }
    }
    move_break(-(3 * 4096 + 5));
    assert_eq!(move_break(0), start);
    move_break(2 * 4096);
    // SAFETY: below the break again.
    let byte = unsafe { base.add(4096).read_volatile() };
    assert_eq!(byte, 0, "memory given back comes back as zero");
    move_break(-2 * 4096);
}

pub(crate) fn large_allocations() {
    let mut blocks: Vec<Vec<u8>> =
        (1..20).map(|index| vec![index as u8; index * 100_000]).collect();
    blocks.reverse();
    for (block, index) in blocks.iter().zip((1..20_u8).rev()) {
        assert!(black_box(block).iter().all(|byte| *byte == index));
    }
    let mut growing = Vec::new();
    for number in 0..500_000_u32 {
        growing.push(number);
    }
    assert!(black_box(growing).iter().copied().eq(0..500_000));
}

pub(crate) fn fragmented_heap() {
    let mut kept = Vec::new();
    for round in 0..2000_usize {
        let block = vec![round as u8; 16 + round * 37 % 3000];
        if round % 3 == 0 {
            kept.push((round, block));
        }
    }
    assert!(kept.iter().all(|(round, block)| block.iter().all(|byte| *byte == *round as u8)));
}

/// Uninitialised data, larger than the initialised data before it.
static BSS: [std::sync::atomic::AtomicU8; 100_000] =
    [const { std::sync::atomic::AtomicU8::new(0) }; 100_000];

/// Initialised data, more than a page of it.
static DATA: [std::sync::atomic::AtomicU8; 10_000] =
    [const { std::sync::atomic::AtomicU8::new(42) }; 10_000];

pub(crate) fn bss_and_data() {
    use std::sync::atomic::Ordering::Relaxed;
    assert!(BSS.iter().all(|byte| byte.load(Relaxed) == 0));
    assert!(DATA.iter().all(|byte| byte.swap(1, Relaxed) == 42));
    BSS[99_999].store(1, Relaxed);
    assert!(DATA.iter().all(|byte| byte.load(Relaxed) == 1));
    assert_eq!(BSS.iter().filter(|byte| byte.load(Relaxed) == 1).count(), 1);
}
