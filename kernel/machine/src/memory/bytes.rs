//! The byte routines everything is copied with: `memcpy`, `memmove`, `memset`, `memcmp`, `strlen`.
//!
//! Written in assembly for two reasons. A Rust loop that copies bytes is recognised by LLVM and
//! turned into a call of `memcpy`, that is, of itself. And what is fast on hardware is not under
//! QEMU's TCG: `rep movsb` copies 40 MB/s there, four `movups` each way 1.0 GB/s, and the loop of
//! 256 bytes below 1.8 GB/s. A load right after a store waits for it, so as much as there are
//! registers for is loaded before anything is stored; and TCG moves 16 bytes that it loads at once
//! through memory another time, so they are loaded in halves.
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
#[unsafe(link_section = ".text.bytes")]
pub unsafe extern "sysv64" fn copy(target: *mut u8, source: *const u8, length: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 16",
        "jb {few}",
        "cmp rdx, 64",
        "jbe 3f",
        "cmp rdx, 256",
        "jb 2f",
        // 256 bytes a round, as long as there are as many.
        "22:",
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
        "movlps xmm\\n, [rsi + 16 * \\n]",
        "movhps xmm\\n, [rsi + 16 * \\n + 8]",
        ".endr",
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
        "movups [rdi + 16 * \\n], xmm\\n",
        ".endr",
        "add rsi, 256",
        "add rdi, 256",
        "sub rdx, 256",
        "cmp rdx, 256",
        "jae 22b",
        "cmp rdx, 64",
        "jbe 3f",
        // 64 bytes a round, as long as more than 64 remain.
        "2:",
        ".irp n, 0, 1, 2, 3",
        "movlps xmm\\n, [rsi + 16 * \\n]",
        "movhps xmm\\n, [rsi + 16 * \\n + 8]",
        ".endr",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + 32], xmm2",
        "movups [rdi + 48], xmm3",
        "add rsi, 64",
        "add rdi, 64",
        "sub rdx, 64",
        "cmp rdx, 64",
        "ja 2b",
        // Up to 64 bytes remain. From 16 up: the first and the last ones, overlapping. All are
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
#[unsafe(link_section = ".text.bytes")]
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
#[unsafe(link_section = ".text.bytes")]
pub unsafe extern "sysv64" fn copy_either_way(
    target: *mut u8,
    source: *const u8,
    length: usize,
) -> *mut u8 {
    naked_asm!(
        // Up to 64 bytes are all loaded before any is stored (see `copy`).
        "cmp rdx, 64",
        "jbe {copy}",
        // A target below the source, or beyond its end, can be filled upwards: all bytes of a
        // round are loaded before any is stored, and later rounds only read higher addresses.
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
#[unsafe(link_section = ".text.bytes")]
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
#[unsafe(link_section = ".text.bytes")]
pub unsafe extern "sysv64" fn compare(left: *const u8, right: *const u8, length: usize) -> i32 {
    naked_asm!(
        "cmp rdx, 8",
        "jb 5f",
        "2:",
        "mov rax, [rdi]",
        "mov rcx, [rsi]",
        "cmp rax, rcx",
        "jne 4f",
        "cmp rdx, 16",
        "jb 3f",
        "add rdi, 8",
        "add rsi, 8",
        "sub rdx, 8",
        "jmp 2b",
        // 8 to 15 bytes remain, of which 8 are equal: the last word, overlapping those.
        "3:",
        "mov rax, [rdi + rdx - 8]",
        "mov rcx, [rsi + rdx - 8]",
        "cmp rax, rcx",
        "je 9f",
        // The words differ: the byte at the lowest address decides, so compare them big-endian.
        "4:",
        "bswap rax",
        "bswap rcx",
        "cmp rax, rcx",
        "sbb eax, eax",
        "or eax, 1",
        "ret",
        // 4 to 7: two words, overlapping.
        "5:",
        "cmp edx, 4",
        "jb 7f",
        "mov eax, [rdi]",
        "mov ecx, [rsi]",
        "cmp eax, ecx",
        "jne 6f",
        "mov eax, [rdi + rdx - 4]",
        "mov ecx, [rsi + rdx - 4]",
        "cmp eax, ecx",
        "je 9f",
        "6:",
        "bswap eax",
        "bswap ecx",
        "cmp eax, ecx",
        "sbb eax, eax",
        "or eax, 1",
        "ret",
        "7:",
        "test edx, edx",
        "jz 9f",
        "8:",
        "movzx eax, byte ptr [rdi]",
        "movzx ecx, byte ptr [rsi]",
        "sub eax, ecx",
        "jnz 22f",
        "inc rdi",
        "inc rsi",
        "dec edx",
        "jnz 8b",
        "9:",
        "xor eax, eax",
        "22:",
        "ret",
    )
}

/// The length of a NUL-terminated string, without the NUL. The C `strlen`.
///
/// # Safety
///
/// `text` must be readable up to and including a NUL byte.
#[unsafe(naked)]
#[unsafe(link_section = ".text.bytes")]
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
        for length in (0..600).chain([4095, 4096, 9000]) {
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
        let short = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 129];
        for length in short.into_iter().chain([255, 256, 257, 319, 320, 500, 511, 512, 1000]) {
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
                // What comes behind the first difference does not count.
                let rest = if right[position] > 0x7f { 0 } else { 0xff };
                right[position + 1..].fill(rest);
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
