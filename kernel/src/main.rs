//! The Wayfarer kernel as a bootable image.
#![no_std]
#![no_main]

use bootloader_api::BootInfo;
use wayfarer_machine::{Machine, SUCCESS, exit, println};

wayfarer_machine::image!(main);

/// Says what the machine is. Everything else is the library's, as soon as it has an entry.
fn main(_: &'static mut BootInfo, machine: Machine) -> ! {
    println!("wayfarer: {:?}, command line {:?}", machine.frames.counts(), machine.command_line);
    exit(SUCCESS)
}
