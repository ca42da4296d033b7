//! The machine: the only crate of Wayfarer with `unsafe` code. It turns the hardware of a microVM
//! into a small safe interface and knows nothing of processes, files or migration.
//!
//! # What a kernel sees
//!
//! [`image!`] makes a bootable image of a `main`, which receives a [`Machine`] and takes it apart:
//!
//! * [`FramePool`] and [`Frame`]: 4 KiB frames with counted owners;
//! * [`PageTable`]: what user code sees where; [`KernelHalf`], the part all tables share;
//! * [`UserContext`]: a user thread's state, and [`run`](UserContext::run), which enters user mode
//!   and returns the next [`Trap`];
//! * [`SharedMemory`]: what another machine of the host sees, too;
//! * [`Clock`]: time, the preemption tick, the idle wait;
//! * [`devices`]: network cards, the console, the source of entropy;
//! * [`CpuFeatures`]: what a migrating program depends on; the log ([`println!`]) and [`exit()`].
//!
//! # How it works
//!
//! There is one processor and one kernel stack. Kernel code runs with interrupts off; they are on
//! in user mode, where they end `run()`, and in the idle halt, where they are counted:
//!
//! ```text
//!            run()                      syscall, fault, interrupt
//!   kernel ----------> user code ---------------------------------> run() returns a Trap
//!   kernel ----------> idle halt -- interrupt: count, acknowledge --> idle_until() returns
//! ```
//!
//! So kernel data needs no locks, and nothing in this crate is reentrant. An exception in the
//! kernel is a bug; it is reported on the log and ends the machine.
//!
//! # How to run an image
//!
//! QEMU loads the image's ELF file directly (PVH), here as a microVM under TCG:
//!
//! ```text
//! qemu-system-x86_64 \
//!   -machine microvm,accel=tcg,isa-serial=on,pcie=off,acpi=off,ioapic2=off \
//!   -machine pic=off,pit=off,rtc=off -cpu max -m 256 \
//!   -nodefaults -no-user-config -no-reboot -display none -monitor none \
//!   -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
//!   -global virtio-mmio.force-legacy=false \
//!   -kernel IMAGE -append "WORDS" -initrd ARCHIVE \
//!   -netdev dgram,id=n0,local.type=unix,local.path=A,remote.type=unix,remote.path=B \
//!   -device virtio-net-device,netdev=n0,mac=52:54:00:00:00:01 \
//!   -chardev socket,id=c0,path=C,server=on,wait=off \
//!   -device virtio-serial-device,max_ports=2 -device virtserialport,nr=1,chardev=c0 \
//!   -device virtio-rng-device
//! ```
//!
//! `acpi=off` makes QEMU announce its devices on the command line, which is where they are looked
//! for. Memory that two machines share is RAM of a NUMA node of its own over a file that both map
//! (`memory-backend-file,share=on`); the word `shared=BYTES@ADDRESS` sets it aside. With `-machine
//! q35` they are found on the PCI bus: `virtio-net-pci`, `virtio-serial-pci`,
//! `virtio-rng-pci`. QEMU's exit status is twice the code given to [`exit()`] plus one: 33 for
//! [`SUCCESS`], 35 for [`FAILURE`], 37 for a panic, 39 for an exception in the kernel.

#![cfg_attr(not(test), no_std)]

#[cfg_attr(test, macro_use)]
extern crate alloc;

mod boot;
mod cpu;
pub mod devices;
mod exit;
pub mod fpu;
pub mod image;
mod interrupts;
mod machine;
pub mod memory;
pub mod serial;
pub mod time;
mod trap;
pub mod user;

#[doc(hidden)]
pub use bootloader_api;

pub use cpu::features::{CpuFeatures, hardware_random};
pub use exit::{EXCEPTION, FAILURE, PANIC, SUCCESS, exit};
pub use fpu::BadFpuImage;
pub use machine::Machine;
pub use memory::frame::Frame;
pub use memory::page_table::{Access, KernelHalf, MapError, Mapping, PageTable, Present, UserPage};
pub use memory::pool::{FrameCounts, FramePool, FrameReservation, OutOfFrames, Spare};
pub use memory::room::Room;
pub use memory::shared::SharedMemory;
pub use time::Clock;
pub use trap::interrupts_taken;
pub use user::{Registers, Trap, UserContext};
