//! What the processor can do, as far as the kernel or a migrating program needs to know.

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;

/// The CPUID words that tell user code which instructions it may use, with the state behind them.
///
/// glibc reads them once, at start, and then uses what it saw for ever: a program may only move to
/// a node whose own words cover these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuFeatures {
    /// CPUID leaf 1, ECX then EDX (without the bits that describe the kernel's set-up).
    pub basic: [u32; 2],
    /// CPUID leaf 7, subleaf 0: EBX, ECX, EDX.
    pub extended: [u32; 3],
    /// CPUID leaf 0x8000_0001, ECX then EDX.
    pub amd: [u32; 2],
    /// The state components that are switched (XCR0); 0 when the processor has no XSAVE.
    pub xcr0: u64,
    /// Bytes of the state image ([`crate::UserContext::fpu_image`]).
    pub state_size: usize,
}

/// CPUID leaf 1 ECX: OSXSAVE mirrors CR4, not the processor.
const OSXSAVE: u32 = 1 << 27;

impl CpuFeatures {
    /// Reads them from the processor; the floating-point part as [`crate::fpu`] has set it up.
    pub(crate) fn read() -> CpuFeatures {
        let (one, seven, amd) = (cpuid(1, 0), cpuid(7, 0), cpuid(0x8000_0001, 0));
        let format = crate::fpu::Format::current();
        CpuFeatures {
            basic: [one.ecx & !OSXSAVE, one.edx],
            extended: [seven.ebx, seven.ecx, seven.edx],
            amd: [amd.ecx, amd.edx],
            xcr0: format.components(),
            state_size: format.size(),
        }
    }

    /// Whether a program that was shown `needed` can run on a processor with `self`.
    pub fn covers(&self, needed: &CpuFeatures) -> bool {
        let covers = |have: &[u32], need: &[u32]| have.iter().zip(need).all(|(h, n)| n & !h == 0);
        covers(&self.basic, &needed.basic)
            && covers(&self.extended, &needed.extended)
            && covers(&self.amd, &needed.amd)
            && needed.xcr0 & !self.xcr0 == 0
            && needed.state_size <= self.state_size
    }
}

/// The answer to a CPUID query.
pub(crate) use core::arch::x86_64::CpuidResult;

/// Asks about a leaf; a leaf beyond the processor's last one yields zeroes.
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    let last = __cpuid_count(leaf & 0xf000_0000, 0).eax;
    if leaf > last {
        return CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    }
    __cpuid_count(leaf, subleaf)
}

/// 64 bits from the processor's generator, if it has one and it delivers.
///
/// RDSEED first, then RDRAND, each with the ten tries the Intel SDM recommends (volume 1, 7.3.17).
pub fn hardware_random() -> Option<u64> {
    const TRIES: usize = 10;
    let has_rdseed = cpuid(7, 0).ebx & 1 << 18 != 0;
    let has_rdrand = cpuid(1, 0).ecx & 1 << 30 != 0;
    let seed = || has_rdseed.then(|| (0..TRIES).find_map(|_| rdseed())).flatten();
    let rand = || has_rdrand.then(|| (0..TRIES).find_map(|_| rdrand())).flatten();
    seed().or_else(rand)
}

fn rdseed() -> Option<u64> {
    let (value, ok): (u64, u8);
    // SAFETY: called only when CPUID announces the instruction; it touches registers only.
    unsafe {
        asm!("rdseed {}", "setc {}", out(reg) value, out(reg_byte) ok, options(nomem, nostack))
    };
    (ok != 0).then_some(value)
}

fn rdrand() -> Option<u64> {
    let (value, ok): (u64, u8);
    // SAFETY: called only when CPUID announces the instruction; it touches registers only.
    unsafe {
        asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) ok, options(nomem, nostack))
    };
    (ok != 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features() -> CpuFeatures {
        CpuFeatures {
            basic: [0xff, 0xff],
            extended: [0xf0, 0xf, 1],
            amd: [3, 3],
            xcr0: 7,
            state_size: 832,
        }
    }

    #[test]
    fn a_processor_covers_itself_and_less() {
        let all = features();
        assert!(all.covers(&all));
        assert!(all.covers(&CpuFeatures { xcr0: 3, state_size: 576, ..all }));
    }

    #[test]
    fn each_missing_piece_is_noticed() {
        let all = features();
        for less in [
            CpuFeatures { basic: [0xfe, 0xff], ..all },
            CpuFeatures { extended: [0xf0, 0xf, 0], ..all },
            CpuFeatures { amd: [3, 1], ..all },
            CpuFeatures { xcr0: 3, ..all },
            CpuFeatures { state_size: 576, ..all },
        ] {
            assert!(!less.covers(&all), "{less:?}");
        }
    }
}
