//! Memory: frames, page tables, the kernel's own map and heap, and the byte routines.

pub mod bytes;
pub(crate) mod entry;
pub mod frame;
pub mod heap;
pub(crate) mod kernel_map;
pub mod mixing;
pub mod page_table;
pub mod pool;
pub mod room;
pub mod shared;
mod size_classes;
pub(crate) mod tlb;

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: usize = 4096;
