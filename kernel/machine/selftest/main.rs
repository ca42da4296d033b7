//! An image that tests the machine from inside: `tests/qemu.rs` boots it.
#![no_std]
#![no_main]

use wayfarer_machine::bootloader_api::BootInfo;
use wayfarer_machine::{Machine, SUCCESS, exit, println};

wayfarer_machine::image!(main);

fn main(boot: &'static mut BootInfo, machine: Machine) -> ! {
    println!("{boot:#x?}");
    println!("{machine:?}");
    exit(SUCCESS)
}
