//! The byte routines everything is copied with: `memcpy`, `memmove`, `memset`, `memcmp`, `strlen`.
//!
//! Written in assembly for two reasons. A Rust loop that copies bytes is recognised by LLVM and
//! turned into a call of `memcpy`, that is, of itself. And `rep movsb` copies 40 MB/s under QEMU's
//! TCG, where the 64-byte loop of unaligned SSE moves below copies 1.4 GB/s (on hardware the two
//! are close).
//!
//! The `image!` macro gives them their C names in the final binary; nothing here is exported, so
//! that host tests keep the C library's.

use core::arch::naked_asm;

/// Copies `length` bytes from `source` to `target`; returns `target`. The C `memcpy`.
///
/// # Safety
///
/// `source` must be readable and `target` writable for `length` bytes. They may overlap only where
/// [`copy_either_way`] says so.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn copy(target: *mut u8, source: *const u8, length: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 16",
        "jb {few}",
        "cmp rdx, 64",
        "jbe 3f",
        // 64 bytes a round, as long as more than 64 remain.
        "2:",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + 32]",
        "movups xmm3, [rsi + 48]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + 32], xmm2",
        "movups [rdi + 48], xmm3",
        "add rsi, 64",
        "add rdi, 64",
        "sub rdx, 64",
        "cmp rdx, 64",
        "ja 2b",
        // 1 to 64 bytes remain. From 16 up: the first and the last ones, overlapping. All are
        // loaded before any is stored, which makes this part right for overlapping ranges too.
        "3:",
        "cmp rdx, 16",
        "jb {few}",
        "cmp rdx, 32",
        "ja 4f",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm1",
        "ret",
        "4:",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + rdx - 32]",
        "movups xmm3, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + rdx - 32], xmm2",
        "movups [rdi + rdx - 16], xmm3",
        "ret",
        few = sym copy_few,
    )
}

/// The end of [`copy`], for fewer than 16 bytes: two overlapping words of the largest size that
/// fits, both loaded before either is stored. rax holds the result already.
#[unsafe(naked)]
unsafe extern "sysv64" fn copy_few(target: *mut u8, source: *const u8, length: usize) -> *mut u8 {
    naked_asm!(
        "cmp edx, 8",
        "jb 6f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + rdx - 8]",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "6:",
        "cmp edx, 4",
        "jb 7f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "7:",
        "test edx, edx",
        "jz 8f",
        "mov r10, rdx",
        "movzx ecx, byte ptr [rsi]",
        "movzx r8d, byte ptr [rsi + rdx - 1]",
        "shr edx, 1",
        "movzx r9d, byte ptr [rsi + rdx]",
        "mov [rdi + rdx], r9b",
        "mov [rdi], cl",
        "mov [rdi + r10 - 1], r8b",
        "8:",
        "ret",
    )
}

/// Copies `length` bytes between ranges that may overlap; returns `target`. The C `memmove`.
///
/// # Safety
///
/// `source` must be readable and `target` writable for `length` bytes.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn copy_either_way(
    target: *mut u8,
    source: *const u8,
    length: usize,
) -> *mut u8 {
    naked_asm!(
        // Up to 64 bytes are all loaded before any is stored (see `copy`).
        "cmp rdx, 64",
        "jbe {copy}",
        // A target below the source, or beyond its end, can be filled upwards: the 64 bytes of a
        // round are loaded before they are stored, and later rounds only read higher addresses.
        "mov rax, rdi",
        "sub rax, rsi",
        "cmp rax, rdx",
        "jae {copy}",
        // Downwards. The first 64 bytes are fetched first and stored last.
        "mov rax, rdi",
        "movups xmm4, [rsi]",
        "movups xmm5, [rsi + 16]",
        "movups xmm6, [rsi + 32]",
        "movups xmm7, [rsi + 48]",
        "2:",
        "movups xmm0, [rsi + rdx - 16]",
        "movups xmm1, [rsi + rdx - 32]",
        "movups xmm2, [rsi + rdx - 48]",
        "movups xmm3, [rsi + rdx - 64]",
        "movups [rdi + rdx - 16], xmm0",
        "movups [rdi + rdx - 32], xmm1",
        "movups [rdi + rdx - 48], xmm2",
        "movups [rdi + rdx - 64], xmm3",
        "sub rdx, 64",
        "cmp rdx, 64",
        "ja 2b",
        "movups [rdi], xmm4",
        "movups [rdi + 16], xmm5",
        "movups [rdi + 32], xmm6",
        "movups [rdi + 48], xmm7",
        "ret",
        copy = sym copy,
    )
}

/// Sets `length` bytes to the low byte of `value`; returns `target`. The C `memset`.
///
/// # Safety
///
/// `target` must be writable for `length` bytes.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn fill(target: *mut u8, value: i32, length: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "movzx ecx, sil",
        "mov r8, 0x0101010101010101",
        "imul r8, rcx",
        "cmp rdx, 16",
        "jb 4f",
        "movq xmm0, r8",
        "punpcklqdq xmm0, xmm0",
        "cmp rdx, 64",
        "jbe 3f",
        "2:",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm0",
        "movups [rdi + 32], xmm0",
        "movups [rdi + 48], xmm0",
        "add rdi, 64",
        "sub rdx, 64",
        "cmp rdx, 64",
        "ja 2b",
        // 1 to 64 remain.
        "3:",
        "cmp rdx, 16",
        "jb 4f",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm0",
        "cmp rdx, 32",
        "jbe 7f",
        "movups [rdi + 16], xmm0",
        "movups [rdi + rdx - 32], xmm0",
        "ret",
        "4:",
        "cmp edx, 8",
        "jb 5f",
        "mov [rdi], r8",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "5:",
        "cmp edx, 4",
        "jb 6f",
        "mov [rdi], r8d",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "6:",
        "test edx, edx",
        "jz 7f",
        "mov [rdi], r8b",
        "mov [rdi + rdx - 1], r8b",
        "shr edx, 1",
        "mov [rdi + rdx], r8b",
        "7:",
        "ret",
    )
}

/// Compares `length` bytes: negative, zero or positive as the first differing byte of `left` is
/// below, absent or above that of `right`. The C `memcmp` and `bcmp`.
///
/// # Safety
///
/// Both must be readable for `length` bytes.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn compare(left: *const u8, right: *const u8, length: usize) -> i32 {
    naked_asm!(
        "2:",
        "cmp rdx, 8",
        "jb 4f",
        "mov rax, [rdi]",
        "mov rcx, [rsi]",
        "cmp rax, rcx",
        "jne 3f",
        "add rdi, 8",
        "add rsi, 8",
        "sub rdx, 8",
        "jmp 2b",
        // The words differ: the byte at the lowest address decides, so compare them big-endian.
        "3:",
        "bswap rax",
        "bswap rcx",
        "cmp rax, rcx",
        "sbb eax, eax",
        "or eax, 1",
        "ret",
        "4:",
        "test rdx, rdx",
        "jz 6f",
        "5:",
        "movzx eax, byte ptr [rdi]",
        "movzx ecx, byte ptr [rsi]",
        "sub eax, ecx",
        "jnz 7f",
        "inc rdi",
        "inc rsi",
        "dec rdx",
        "jnz 5b",
        "6:",
        "xor eax, eax",
        "7:",
        "ret",
    )
}

/// The length of a NUL-terminated string, without the NUL. The C `strlen`.
///
/// # Safety
///
/// `text` must be readable up to and including a NUL byte.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn text_length(text: *const u8) -> usize {
    naked_asm!(
        "xor eax, eax",
        "2:",
        "cmp byte ptr [rdi + rax], 0",
        "je 3f",
        "inc rax",
        "jmp 2b",
        "3:",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn copy_matches_the_slice_copy_at_every_small_length() {
        for length in 0..300 {
            let source = pattern(length + 3);
            let mut target = vec![0xee_u8; length + 2];
            // SAFETY: both vectors are longer than the ranges named.
            let end = unsafe {
                copy(target.as_mut_ptr().wrapping_add(1), source.as_ptr().wrapping_add(3), length)
            };
            assert_eq!(end, target.as_mut_ptr().wrapping_add(1));
            assert_eq!(target[0], 0xee);
            assert_eq!(&target[1..=length], &source[3..]);
            assert_eq!(target[length + 1], 0xee);
        }
    }

    #[test]
    fn copy_either_way_matches_copy_within() {
        for length in [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 129, 500] {
            for (from, to) in [(0, 1), (1, 0), (0, 17), (17, 0), (0, 64), (64, 0), (0, 70), (3, 3)]
            {
                let mut expected = pattern(length + 80);
                let mut actual = expected.clone();
                expected.copy_within(from..from + length, to);
                let base = actual.as_mut_ptr();
                // SAFETY: both ranges end within the vector (largest offset 70, 80 to spare).
                unsafe { copy_either_way(base.wrapping_add(to), base.wrapping_add(from), length) };
                assert_eq!(actual, expected, "length {length} from {from} to {to}");
            }
        }
    }

    #[test]
    fn fill_sets_exactly_the_range() {
        for length in 0..200 {
            let mut target = vec![1_u8; length + 2];
            // SAFETY: the range lies within the vector.
            unsafe { fill(target.as_mut_ptr().wrapping_add(1), 0x1a5, length) };
            assert_eq!((target[0], target[length + 1]), (1, 1));
            assert!(target[1..=length].iter().all(|&byte| byte == 0xa5), "length {length}");
        }
    }

    #[test]
    fn compare_orders_by_the_first_difference() {
        for length in 0..40 {
            let left = pattern(length);
            // SAFETY: both slices are `length` long.
            assert_eq!(unsafe { compare(left.as_ptr(), left.as_ptr(), length) }, 0);
            for position in 0..length {
                let mut right = left.clone();
                right[position] = left[position].wrapping_add(0x80);
                // SAFETY: both slices are `length` long.
                let order = unsafe { compare(left.as_ptr(), right.as_ptr(), length) };
                assert_eq!(order.signum(), left.cmp(&right) as i32);
            }
        }
    }

    #[test]
    fn text_length_counts_to_the_nul() {
        // SAFETY: the literals end in NUL.
        unsafe {
            assert_eq!(text_length(c"".as_ptr().cast()), 0);
            assert_eq!(text_length(c"wayfarer".as_ptr().cast()), 8);
        }
    }
}
