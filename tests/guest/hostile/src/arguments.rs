//! Arguments that are wrong in interesting ways.

use std::ptr;

/// Draws arguments, the same ones for the same seed and call.
pub(crate) struct Arguments {
    state: u64,
    interesting: Vec<u64>,
}

impl Arguments {
    pub(crate) fn new(seed: u64, number: i64) -> Self {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.unsigned_abs() << 32 | 1;
        Self { state, interesting: interesting() }
    }

    /// Six of them.
    pub(crate) fn next_six(&mut self) -> [u64; 6] {
        [(); 6].map(|()| self.next_one())
    }

    fn next_one(&mut self) -> u64 {
        let index = self.next_random() as usize % self.interesting.len();
        let value = self.interesting[index];
        // One in eight is off by a little, so that it is not aligned or just out of a range.
        match self.next_random() % 16 {
            0 => value.wrapping_add(1),
            1 => value.wrapping_sub(1),
            _ => value,
        }
    }

    /// The 64-bit variant of Marsaglia's xorshift.
    fn next_random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 8
    }
}

/// Small numbers, limits of types, and pointers of every bad kind.
fn interesting() -> Vec<u64> {
    let mut values: Vec<u64> = vec![0, 1, 2, 3, 7, 8, 63, 64, 255, 4095, 4096, 65_536, 1 << 20];
    values.extend([u64::MAX, i32::MAX as u64, u64::from(u32::MAX), i64::MAX as u64, 1 << 63]);
    let [read_only, edge, hidden] = pages();
    values.extend([read_only, edge, hidden, 4096, 8]);
    // The last user address, the first that is not canonical, the kernel's half.
    values.extend([0x7fff_ffff_f000, 0x7fff_ffff_ffff, 0x8000_0000_0000]);
    values.extend([0xffff_8000_0000_0000, 0xffff_ffff_8000_0000, 0xdead_beef_dead_beef]);
    values
}

/// A page that can only be read, the last eight bytes before one that cannot be used at all, and
/// that page.
fn pages() -> [u64; 3] {
    const PAGE: usize = 4096;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, of which parts are then protected.
    unsafe {
        let base = libc::mmap(ptr::null_mut(), 3 * PAGE, libc::PROT_READ, flags, -1, 0);
        let (second, third) = (base.byte_add(PAGE), base.byte_add(2 * PAGE));
        libc::mprotect(second, PAGE, libc::PROT_READ | libc::PROT_WRITE);
        libc::mprotect(third, PAGE, libc::PROT_NONE);
        [base, third.byte_sub(8), third].map(|pointer| pointer.expose_provenance() as u64)
    }
}
