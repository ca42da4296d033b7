//! The machine: the only crate of Wayfarer with `unsafe` code. It turns the hardware of a microVM
//! into a small safe interface and knows nothing of processes, files or migration.

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
pub use memory::page_table::{Access, KernelHalf, Mapping, PageTable, UserPage};
pub use memory::pool::{FrameCounts, FramePool, FrameReservation, OutOfFrames};
pub use time::Clock;
pub use trap::interrupts_taken;
pub use user::{Registers, Trap, UserContext};
