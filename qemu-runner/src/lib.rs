#![forbid(unsafe_code)]
//! Boots Wayfarer nodes in QEMU, wires them to each other, and runs Linux programs on them.
//!
//! ```text
//! artifacts  initrd        what nodes run: the kernel, guest programs, a file system
//!      \      /
//!      builder  -> qemu    one command line per node; wiring, shared and namespace give its
//!         |                network
//!         |
//!      cluster  -> vm      the started nodes, each a QEMU process with a console of frames
//!         |
//!      program             one program on one node, its input and output pumped
//! ```
//!
//! Everything started here ends with this process, however it ends: see `children`.

pub mod artifacts;
pub mod builder;
mod children;
pub mod cluster;
mod console;
pub mod control;
pub mod cpio;
pub mod elf;
pub mod initrd;
mod languages;
pub mod libraries;
pub mod linux;
mod namespace;
mod pcap;
pub mod placement;
pub mod program;
mod qemu;
mod reporter;
mod rundir;
mod share;
mod shared;
mod uplink;
mod vm;
mod wiring;

pub use builder::ClusterBuilder;
pub use cluster::{Cluster, ClusterError, Interrupter};
pub use console::ConsoleSender;
pub use initrd::{Initrd, InitrdError};
pub use namespace::TapError;
pub use placement::Placement;
pub use program::{Outcome, ProgramError};
pub use qemu::Accel;
pub use share::{Share, ShareError};
pub use shared::{Channel, NoSharedMemory};
pub use uplink::{BadPorts, Published};
pub use vm::Ending;
pub use wiring::{NodeLimit, Others, check_nodes};
