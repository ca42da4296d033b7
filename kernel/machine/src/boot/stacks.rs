//! Kernel stacks: mapped one by one in their window, with a page of nothing below each, so that an
//! overflow is a double fault with its registers on the log and not silent damage.

use crate::cpu::segments;
use crate::memory::PAGE_SIZE;
use crate::memory::kernel_map::{FrameSource, KernelMap, Kind, STACKS};
use crate::memory::pool::OutOfFrames;

/// Bytes of the stack `main` runs on. Unoptimised futures are large.
pub(super) const MAIN_SIZE: usize = 1024 * 1024;
/// Bytes of an interrupt stack. The handlers push less than one page; reporting an exception
/// formats text.
const INTERRUPT_SIZE: usize = 16 * 1024;

/// The tops of all stacks.
pub(super) struct Stacks {
    pub(super) main: u64,
    pub(super) interrupt: [u64; segments::STACKS],
}

/// Bytes of all stacks.
pub(super) const SIZE: u64 = (MAIN_SIZE + segments::STACKS * INTERRUPT_SIZE) as u64;

/// Maps all stacks to the [`SIZE`] bytes of physical memory from `physical` on.
pub(super) fn map(
    map: &mut KernelMap,
    mut physical: u64,
    frames: FrameSource<'_>,
) -> Result<Stacks, OutOfFrames> {
    let mut next = STACKS;
    let mut stack = |size: usize| -> Result<u64, OutOfFrames> {
        let bottom = next + PAGE_SIZE as u64;
        map.map_run(bottom, physical, size as u64, Kind::Data, frames)?;
        physical += size as u64;
        next = bottom + size as u64;
        Ok(next)
    };
    let main = stack(MAIN_SIZE)?;
    let mut interrupt = [0; segments::STACKS];
    for top in &mut interrupt {
        *top = stack(INTERRUPT_SIZE)?;
    }
    Ok(Stacks { main, interrupt })
}
