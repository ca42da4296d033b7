//! The machine: the only crate of Wayfarer with `unsafe` code. It turns the hardware of a microVM
//! into a small safe interface and knows nothing of processes, files or migration.

#![cfg_attr(not(test), no_std)]

#[cfg_attr(test, macro_use)]
extern crate alloc;

pub mod memory;

pub use memory::frame::Frame;
pub use memory::page_table::{Access, KernelHalf, Mapping, PageTable, UserPage};
pub use memory::pool::{FrameCounts, FramePool, FrameReservation, OutOfFrames};
