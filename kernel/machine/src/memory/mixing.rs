//! A copy that hashes what it copies, in assembly for the reasons that [`bytes`](super::bytes) has.

use core::arch::naked_asm;

/// The lanes of a hash: of each 64 bytes, each lane takes in 16.
pub type Lanes = [u64; 4];

/// Copies `length` bytes, a multiple of 256, and takes them into `lanes` on the way, the next two
/// words into each lane in its turn: it becomes `((lane ^ word) * 0x9e3779b97f4a7c15) <<< 29`. That
/// takes a quarter more than the copy does, where reading them once more would take as long again.
///
/// # Safety
///
/// `source` must be readable and `target` writable for `length` bytes, and they may not overlap.
#[unsafe(naked)]
#[unsafe(link_section = ".text.bytes")]
pub unsafe extern "sysv64" fn copy_mixing(
    target: *mut u8,
    source: *const u8,
    length: usize,
    lanes: &mut Lanes,
) {
    naked_asm!(
        ".macro take lane, n",
        "movq rbx, xmm\\n",
        "movhlps xmm\\n, xmm\\n",
        "xor \\lane, rbx",
        "imul \\lane, rax",
        "rol \\lane, 29",
        "movq rbx, xmm\\n",
        "xor \\lane, rbx",
        "imul \\lane, rax",
        "rol \\lane, 29",
        ".endm",
        "push rbx",
        "mov r8, [rcx]",
        "mov r9, [rcx + 8]",
        "mov r10, [rcx + 16]",
        "mov r11, [rcx + 24]",
        "mov rax, 0x9e3779b97f4a7c15",
        "22:",
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
        "movlps xmm\\n, [rsi + 16 * \\n]",
        "movhps xmm\\n, [rsi + 16 * \\n + 8]",
        ".endr",
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
        "movups [rdi + 16 * \\n], xmm\\n",
        ".endr",
        ".irp n, 0, 4, 8, 12",
        "take r8, \\n",
        ".endr",
        ".irp n, 1, 5, 9, 13",
        "take r9, \\n",
        ".endr",
        ".irp n, 2, 6, 10, 14",
        "take r10, \\n",
        ".endr",
        ".irp n, 3, 7, 11, 15",
        "take r11, \\n",
        ".endr",
        ".purgem take",
        "add rsi, 256",
        "add rdi, 256",
        "sub rdx, 256",
        "jnz 22b",
        "mov [rcx], r8",
        "mov [rcx + 8], r9",
        "mov [rcx + 16], r10",
        "mov [rcx + 24], r11",
        "pop rbx",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn copy_mixing_copies_and_mixes_each_word() {
        let source: Vec<u8> = (0..768).map(|i| (i * 7 + i / 251) as u8).collect();
        let (mut target, mut lanes) = (vec![0xee_u8; 770], [1, 2, 3, 4]);
        // SAFETY: the source is this long, and the target longer.
        unsafe {
            copy_mixing(target.as_mut_ptr().wrapping_add(1), source.as_ptr(), 768, &mut lanes);
        }
        assert_eq!((target[0], &target[1..769], target[769]), (0xee, &source[..], 0xee));
        let mut expected = [1_u64, 2, 3, 4];
        for (index, word) in source.as_chunks::<8>().0.iter().enumerate() {
            let lane = &mut expected[index / 2 % 4];
            let mixed = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *lane = mixed.rotate_left(29);
        }
        assert_eq!(lanes, expected);
    }
}
