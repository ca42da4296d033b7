//! Linux's x86-64 constants and structure layouts, one file per header or manual page section.
//!
//! Facts only: values as the kernel's uapi headers give them, and structures that read from and
//! write to bytes in their ABI layout.

#[macro_use]
mod layout;

pub use layout::{Field, Layout};

pub mod auxv;
pub mod calls;
pub mod capability;
pub mod dirent;
pub mod elf;
pub mod event;
pub mod fcntl;
pub mod inotify;
pub mod ipc;
pub mod mman;
pub mod poll;
pub mod process;
pub mod signal;
pub mod socket;
pub mod stat;
pub mod termios;
pub mod time;
