//! The memory of programs: address spaces with Linux's semantics (mmap(2), brk(2), fork(2)).
//!
//! ```text
//!   system calls   map unmap protect remap set_break advise
//!                      |
//!                  RegionMap: what the program asked for        (no page is touched)
//!                      |  fault, the only way a page appears
//!                  PageTable: what has been used of it          (wayfarer-machine)
//!                      |
//!        copies    read write read_string probe_*               images   next_run, Arrival
//! ```
//!
//! Nothing here waits and nothing here does input: what lacks a page of a file says so
//! ([`FaultOutcome::NeedsPage`], [`Blocked::NeedsPage`]) and is tried again once somebody has
//! called [`AddressSpace::install`]. That somebody reads a local file if the process is whole, or
//! asks the deputy if the body is away; nothing here can tell.
//!
//! Absent on purpose: swap, huge pages, randomised addresses, `mlock` accounting.

mod address_space;
mod ages;
mod arrival;
mod attach;
mod brk;
mod coherent;
mod copy;
mod fault;
mod file_cache;
mod fork;
mod futex;
mod image;
mod kept;
mod map;
mod maps_text;
mod page_range;
mod page_set;
mod protect;
mod region;
mod region_map;
mod remap;
mod source;
mod steps;

pub use address_space::{AddressSpace, Layout, MMAP_BASE, MappedFile, STACK_LIMIT, page_up};
pub use arrival::Arrival;
pub use coherent::{Changes, CopiedFile, OnTheWay};
pub use copy::{Blocked, Progress, StringProgress};
pub use fault::{FaultOutcome, FaultSignal, Installed, PageRequest};
pub use file_cache::{FileCache, FileContent};
pub use fork::ForkStep;
pub use futex::{FutexKey, SpaceId};
pub use image::{CleanFilePages, Footprint, FootprintCount, ImageError, PageRun, Travel};
pub use kept::Kept;
pub use map::{FileMapping, MapRequest, protection_from_raw};
pub(crate) use maps_text::STACK_NAME;
pub use maps_text::maps_text;
pub use page_range::{END_PAGE, PAGE, PageRange};
pub use region::{AccessKind, Backing, Region, RegionFlags, STACK_GUARD_PAGES};
pub use region_map::RegionMap;
pub use source::MemorySource;

#[cfg(test)]
mod tests;
