//! What an image is given: the parts of the machine, once.

use crate::cpu::features::CpuFeatures;
use crate::devices::Devices;
use crate::interrupts::devices::IoApic;
use crate::memory::kernel_map::DirectMap;
use crate::memory::page_table::KernelHalf;
use crate::memory::pool::FramePool;
use crate::memory::shared::SharedMemory;
use crate::time::{Calibration, Clock};

/// The machine, as the image's `main` receives it. There is one; take it apart.
#[derive(Debug)]
pub struct Machine {
    /// The loader's command line, with the words QEMU adds for its devices.
    pub command_line: &'static str,
    /// The initial file system the loader was given; empty without one.
    pub initial_files: &'static [u8],
    /// All free memory.
    pub frames: FramePool,
    /// The kernel's part of every page table.
    pub kernel_half: KernelHalf,
    /// The monotonic clock; 0 was at the start.
    pub clock: Clock,
    /// What the processor can do.
    pub cpu: CpuFeatures,
    /// The virtio devices.
    pub devices: Devices,
    /// What the command line says is shared with other machines.
    pub shared: Option<SharedMemory>,
}

impl Machine {
    pub(crate) fn new(
        command_line: &'static str,
        initial_files: &'static [u8],
        frames: FramePool,
        kernel_half: KernelHalf,
        calibration: Calibration,
        mut interrupts: IoApic,
        map: DirectMap,
    ) -> Machine {
        let devices = Devices::discover(command_line, &mut interrupts, map, &frames);
        Machine {
            command_line,
            initial_files,
            frames,
            kernel_half,
            clock: calibration.end(),
            cpu: CpuFeatures::read(),
            devices,
            shared: None,
        }
    }
}
