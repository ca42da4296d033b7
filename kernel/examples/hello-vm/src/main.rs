//! A microVM of your own: the Wayfarer kernel and one system call that Linux does not have.
//!
//! ```text
//! cargo run -- run --kernel hello-vm --nodes 2 kernel/examples/hello-vm/hello.c
//! ```
//!
//! boots two nodes of this image and runs a program that makes the call on each.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;

use bootloader_api::BootInfo;
use wayfarer_kernel::extensions::{Answer, Extensions, ExtraCall};
use wayfarer_kernel::process::Running;
use wayfarer_machine::Machine;
use wayfarer_proto::id::UserAddr;

wayfarer_machine::image!(main);

/// The calls this microVM adds.
static CALLS: [ExtraCall; 1] = [ExtraCall::new(0x2000, greet)];

/// Hands the machine to the kernel, with the calls.
fn main(_: &'static mut BootInfo, machine: Machine) -> ! {
    wayfarer_kernel::node::run_with(machine, Extensions { calls: &CALLS })
}

/// `ssize_t greet(char *buffer, size_t length)`: writes a greeting into `buffer`, cut at `length`,
/// and gives how many bytes it wrote. EFAULT if they cannot be written.
fn greet(caller: &Running, args: [u64; 6]) -> Answer<'_> {
    Box::pin(async move {
        let process = caller.body.key;
        let text = format!("hello, process {process}: this is node {}\n", caller.kernel.node);
        let length = usize::try_from(args[1]).unwrap_or(usize::MAX).min(text.len());
        let buffer = UserAddr(args[0]);
        caller.local_memory().write(buffer, &text.as_bytes()[..length]).await?;
        Ok(length as u64)
    })
}
