//! The memory image of the floating-point and vector state: what FXSAVE and XSAVE (in its standard,
//! not compacted, format) write (Intel SDM, volume 1, 10.5.1 and 13.4). Linux puts it into signal
//! frames, and we send it along when a program moves.
//!
//! An image comes from a program or another node, so it is checked before the processor sees it:
//! XRSTOR faults on reserved bits, in kernel mode.

use alloc::vec::Vec;

/// Bytes of the FXSAVE image, the first part of every image.
pub const LEGACY_SIZE: usize = 512;
/// Bytes of the XSAVE header that follows it.
const HEADER_SIZE: usize = 64;
/// Where MXCSR lies.
pub(crate) const MXCSR_OFFSET: usize = 24;
/// Where xmm0 to xmm15 lie, 16 bytes each.
pub(crate) const XMM_OFFSET: usize = 160;
/// Bytes of xmm0 to xmm15.
pub(crate) const XMM_SIZE: usize = 256;
/// The x87 control word at program start: exceptions masked, extended precision.
pub(crate) const INITIAL_CONTROL_WORD: u16 = 0x37f;
/// The bits MXCSR has on every x86-64 processor: 0 to 15. (Bit 6, denormals are zeroes, was the
/// last to come, before 64-bit mode did.)
pub(crate) const MXCSR_MASK: u32 = 0xffff;

/// The component bit of the SSE registers.
pub(crate) const SSE: u64 = 1 << 1;
/// Component bits of the x87 and the SSE state.
const LEGACY_COMPONENTS: u64 = 1 << 0 | SSE;

/// Why an image was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFpuImage {
    /// Shorter than the components it says it holds, or than the legacy part.
    Truncated,
    /// It holds components this processor does not switch.
    UnknownComponents,
    /// A field that must be zero is not, or the image is in the compacted format.
    ReservedBits,
    /// MXCSR has bits that do not exist.
    BadMxcsr,
}

/// What images look like on this processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    components: u64,
    size: usize,
}

impl Format {
    /// Images with these components (XCR0; 0 stands for FXSAVE only) and this size.
    pub(crate) fn new(components: u64, size: usize) -> Format {
        Format { components, size }
    }

    pub(crate) fn components(self) -> u64 {
        self.components
    }

    pub(crate) fn size(self) -> usize {
        self.size
    }

    /// Turns an image from outside into one that XRSTOR accepts and that has exactly our size.
    ///
    /// An image that is just the legacy part stands for one with x87 and SSE state.
    ///
    /// # Errors
    ///
    /// See [`BadFpuImage`]. Nothing is repaired silently, except that what lies beyond our size,
    /// or in the part reserved for software, is left out.
    pub(crate) fn accept(self, image: &[u8]) -> Result<Vec<u8>, BadFpuImage> {
        let legacy = image.get(..LEGACY_SIZE).ok_or(BadFpuImage::Truncated)?;
        if read_u32(legacy, MXCSR_OFFSET) & !MXCSR_MASK != 0 {
            return Err(BadFpuImage::BadMxcsr);
        }
        let header = self.check_header(image)?;
        let mut accepted = alloc::vec![0; self.size];
        let kept = image.len().min(self.size);
        accepted[..kept].copy_from_slice(&image[..kept]);
        // The last 48 bytes of the legacy part are software's: the processor ignores them.
        accepted[LEGACY_SIZE - 48..LEGACY_SIZE].fill(0);
        if let Some(words) = accepted.get_mut(LEGACY_SIZE..LEGACY_SIZE + HEADER_SIZE) {
            words.fill(0);
            words[..8].copy_from_slice(&header.to_le_bytes());
        }
        Ok(accepted)
    }

    /// Checks the XSAVE header; returns which components the image holds.
    fn check_header(self, image: &[u8]) -> Result<u64, BadFpuImage> {
        let Some(header) = image.get(LEGACY_SIZE..).filter(|rest| !rest.is_empty()) else {
            return Ok(LEGACY_COMPONENTS);
        };
        let header = header.get(..HEADER_SIZE).ok_or(BadFpuImage::Truncated)?;
        let present = read_u64(header, 0);
        if header[8..].iter().any(|byte| *byte != 0) {
            return Err(BadFpuImage::ReservedBits);
        }
        if present & !(self.components | LEGACY_COMPONENTS) != 0 {
            return Err(BadFpuImage::UnknownComponents);
        }
        if present & !LEGACY_COMPONENTS != 0 && image.len() < self.size {
            return Err(BadFpuImage::Truncated);
        }
        Ok(present)
    }

    /// Puts the separately kept SSE registers into an image of ours.
    pub(crate) fn insert_sse(self, image: &mut [u8], xmm: &[u8; XMM_SIZE]) {
        image[XMM_OFFSET..XMM_OFFSET + XMM_SIZE].copy_from_slice(xmm);
        if let Some(present) = image.get_mut(LEGACY_SIZE) {
            // Not marked present, they would be taken for their initial values.
            *present |= SSE as u8;
        }
    }

    /// The SSE registers of an accepted image.
    pub(crate) fn extract_sse(self, image: &[u8]) -> [u8; XMM_SIZE] {
        let mut xmm = [0; XMM_SIZE];
        // Not marked present, they have their initial values, whatever the bytes are.
        if image.get(LEGACY_SIZE).is_none_or(|present| present & SSE as u8 != 0) {
            xmm.copy_from_slice(&image[XMM_OFFSET..XMM_OFFSET + XMM_SIZE]);
        }
        xmm
    }
}

fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    bytes[offset..offset + 4].iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn read_u64(bytes: &[u8], offset: usize) -> u64 {
    bytes[offset..offset + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVX: Format = Format { components: 7, size: 832 };

    fn image(present: u64, size: usize) -> Vec<u8> {
        let mut image = vec![0x11; size.max(LEGACY_SIZE + HEADER_SIZE)];
        image[MXCSR_OFFSET..MXCSR_OFFSET + 4].copy_from_slice(&0x1f80_u32.to_le_bytes());
        image[LEGACY_SIZE..LEGACY_SIZE + HEADER_SIZE].fill(0);
        image[LEGACY_SIZE..LEGACY_SIZE + 8].copy_from_slice(&present.to_le_bytes());
        image.truncate(size);
        image
    }

    #[test]
    fn a_good_image_is_accepted_whole() {
        let accepted = AVX.accept(&image(7, 832)).unwrap();
        assert_eq!(accepted.len(), 832);
        assert_eq!((accepted[0], accepted[831], accepted[LEGACY_SIZE]), (0x11, 0x11, 7));
        assert_eq!(accepted[LEGACY_SIZE - 1], 0, "software's part is left out");
    }

    #[test]
    fn the_legacy_part_alone_is_accepted() {
        let accepted = AVX.accept(&image(0, 512)).unwrap();
        assert_eq!((accepted.len(), accepted[LEGACY_SIZE]), (832, 3));
        let legacy_only = Format::new(0, 512);
        assert_eq!(legacy_only.accept(&image(3, 576)).unwrap().len(), 512);
    }

    #[test]
    fn reserved_header_bytes_are_refused_one_by_one() {
        for offset in 8..HEADER_SIZE {
            let mut bad = image(7, 832);
            bad[LEGACY_SIZE + offset] = 1;
            assert_eq!(AVX.accept(&bad), Err(BadFpuImage::ReservedBits), "byte {offset}");
        }
    }

    #[test]
    fn components_we_do_not_switch_are_refused() {
        for bit in 3..64 {
            assert_eq!(AVX.accept(&image(1 << bit, 832)), Err(BadFpuImage::UnknownComponents));
        }
        assert_eq!(Format::new(3, 576).accept(&image(7, 832)), Err(BadFpuImage::UnknownComponents));
    }

    #[test]
    fn short_images_are_refused_unless_they_hold_no_more() {
        for size in [0, 511, 513, 575] {
            assert_eq!(AVX.accept(&image(3, size)), Err(BadFpuImage::Truncated), "{size} bytes");
        }
        assert!(AVX.accept(&image(3, 576)).is_ok());
        assert_eq!(AVX.accept(&image(7, 831)), Err(BadFpuImage::Truncated));
    }

    #[test]
    fn mxcsr_bits_beyond_the_mask_are_refused() {
        let mut bad = image(7, 832);
        bad[MXCSR_OFFSET + 2] = 1;
        assert_eq!(AVX.accept(&bad), Err(BadFpuImage::BadMxcsr));
    }

    #[test]
    fn sse_state_goes_in_and_out() {
        let mut bytes = AVX.accept(&image(0, 832)).unwrap();
        assert_eq!(AVX.extract_sse(&bytes), [0; XMM_SIZE], "not present: initial");
        AVX.insert_sse(&mut bytes, &[0x77; XMM_SIZE]);
        assert_eq!(AVX.extract_sse(&bytes), [0x77; XMM_SIZE]);
        assert_eq!(bytes[LEGACY_SIZE], 2);
    }
}
