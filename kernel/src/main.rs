//! The Wayfarer kernel as a bootable image: the library, and nothing else.
#![no_std]
#![no_main]

use bootloader_api::BootInfo;
use wayfarer_machine::Machine;

wayfarer_machine::image!(main);

/// Hands the machine to the kernel.
fn main(_: &'static mut BootInfo, machine: Machine) -> ! {
    wayfarer_kernel::node::run(machine)
}
