//! The Wayfarer microVM kernel: policy over the mechanisms of `wayfarer-machine`.
//!
//! It runs unmodified Linux programs and moves them between nodes: `body` travels, `home` stays.
//! Everything is single threaded (decision D11): state is `Rc` and `RefCell`, every activity is a
//! task of the [`executor`], and no borrow is held across an await.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod console;
pub mod event;
pub mod exec;
pub mod executor;
pub mod extensions;
pub mod files;
pub mod fs;
pub mod futex;
pub mod ipc;
pub mod kernel;
pub mod laps;
pub mod memory;
pub mod net;
pub mod node;
mod patience;
pub mod probe;
pub mod proc_source;
pub mod process;
pub mod random;
pub mod runner;
pub mod shares;
pub mod signal;
pub mod socket;
pub mod split;
pub mod start;
pub mod stdio;
pub mod syscall;
pub mod tty;
