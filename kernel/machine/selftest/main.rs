//! An image that tests the machine from inside. `tests/qemu.rs` boots it, once for each word of
//! [`main`]'s match on the command line.
#![no_std]
#![no_main]

extern crate alloc;

mod devices;
mod memory;
mod sandbox;
mod timing;
mod user_mode;
mod vectors;

use wayfarer_machine::bootloader_api::BootInfo;
use wayfarer_machine::{FAILURE, Machine, SUCCESS, exit, println};

wayfarer_machine::image!(main);

/// A named test.
type Test = (&'static str, fn(&Machine));

const TESTS: &[&[Test]] = &[user_mode::TESTS, vectors::TESTS, timing::TESTS, memory::TESTS];

fn main(boot: &'static mut BootInfo, machine: Machine) -> ! {
    println!("{:?}", &boot.memory_regions[..]);
    println!("{machine:?}");
    let mut words = machine.command_line.split(' ');
    match words.next() {
        Some("panic") => panic!("as asked"),
        Some("fault") => write_constant(),
        Some("overflow") => println!("{}", overflow(1)),
        Some("devices") => devices::test(machine),
        Some("console") => devices::echo(machine),
        _ => {
            // A second word selects the tests whose names contain it.
            let word = words.next().filter(|word| !word.contains('=')).unwrap_or("");
            for (name, test) in TESTS.iter().copied().flatten().filter(|t| t.0.contains(word)) {
                println!("test {name}");
                test(&machine);
            }
            println!("all tests passed");
            exit(SUCCESS)
        }
    }
    println!("the kernel survived what it should not");
    exit(FAILURE)
}

/// Writes where the image's constants are.
fn write_constant() {
    static CONSTANT: u64 = 7;
    // SAFETY: none: this is the fault to be tested, and it does not return.
    unsafe { (&raw const CONSTANT).cast_mut().write_volatile(8) };
}

/// Uses up the stack.
#[expect(unconditional_recursion, reason = "that is the point")]
fn overflow(depth: u64) -> u64 {
    let padding = core::hint::black_box([depth; 64]);
    overflow(depth + 1) + padding[depth as usize % 64]
}
