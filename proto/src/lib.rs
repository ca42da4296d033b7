//! What both halves of a process, every node and the runner must agree on.
//!
//! Three kinds of facts live here and nowhere else: what Linux says ([`errno`], [`linux`]), what
//! Wayfarer says about each system call (the [`table`](mod@table)), and what travels on a wire
//! (ids, messages, codec, limits). Nothing here does anything: no clock, no socket, no allocation
//! beyond the decoded message itself, and no `unsafe`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod boot;
pub mod codec;
pub mod console;
pub mod errno;
pub mod handshake;
pub mod id;
pub mod image;
pub mod limits;
pub mod linux;
pub mod message;
pub mod node;
pub mod roam;
pub mod session;
pub mod share;
pub mod shared;
pub mod sorted;
pub mod table;
pub mod time;
