//! Memory: mapping and unmapping, protection, copy-on-write, the stack, the heap.

mod faulting;
mod files;
mod heap;
mod maps;
mod shared;

use std::process::ExitCode;

fn main() -> ExitCode {
    guest_common::run(&[
        ("anonymous_is_zero", maps::anonymous_is_zero),
        ("fixed_replaces", maps::fixed_replaces),
        ("unmapped_middle", maps::unmapped_middle),
        ("protect_part", maps::protect_part),
        ("remap_grows_and_moves", maps::remap_grows_and_moves),
        ("remap_shrinks", maps::remap_shrinks),
        ("dont_need_zeroes", maps::dont_need_zeroes),
        ("wrong_arguments", maps::wrong_arguments),
        ("huge_reservation_costs_nothing", maps::huge_reservation),
        ("many_mappings", maps::many_mappings),
        ("copy_on_write", faulting::copy_on_write),
        ("copy_on_write_chain", faulting::copy_on_write_chain),
        ("shared_after_fork", faulting::shared_after_fork),
        ("no_access_no_write_no_execute", faulting::protections),
        ("stack_grows", faulting::stack_grows),
        ("guard_below_the_stack", faulting::guard_below_the_stack),
        ("call_with_a_bad_pointer", faulting::bad_pointers),
        ("break_moves", heap::break_moves),
        ("large_allocations", heap::large_allocations),
        ("fragmented_heap", heap::fragmented_heap),
        ("bss_and_data", heap::bss_and_data),
        ("private_file_mapping", files::private_mapping),
        ("shared_file_mapping", files::shared_mapping),
        ("mapping_outlives_descriptor", files::outlives_descriptor),
        ("end_of_file_in_a_mapping", files::end_of_file),
        ("cut_file_in_a_mapping", shared::cut_file),
        ("file_shared_with_a_child", shared::with_a_child),
        ("shared_mapping_permissions", shared::permissions),
        ("msync_arguments", shared::msync_arguments),
        ("files_in_maps", shared::in_maps),
        ("zero_device", shared::zero_device),
        ("futex_between_processes", shared::futex_between_processes),
        ("shared_memory_moves_along", shared::moves_along),
    ])
}

/// A mapping that is unmapped when dropped.
struct Region {
    base: *mut u8,
    length: usize,
}

const PAGE: usize = 4096;

impl Region {
    /// New anonymous private memory.
    fn new(pages: usize) -> Self {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        let length = pages * PAGE;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address the kernel picks.
        let base =
            unsafe { mmap_anonymous(std::ptr::null_mut(), length, access, MapFlags::PRIVATE) };
        Self { base: base.unwrap().cast(), length }
    }

    /// The byte at `offset`, read as the program sees it now.
    fn read(&self, offset: usize) -> u8 {
        assert!(offset < self.length);
        // SAFETY: inside the mapping.
        unsafe { self.base.add(offset).read_volatile() }
    }

    fn write(&self, offset: usize, byte: u8) {
        assert!(offset < self.length);
        // SAFETY: inside the mapping, which no reference points into.
        unsafe { self.base.add(offset).write_volatile(byte) }
    }

    /// The address of page `index`.
    fn page(&self, index: usize) -> *mut std::ffi::c_void {
        assert!(index * PAGE <= self.length);
        self.base.wrapping_add(index * PAGE).cast()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours; parts of it may be gone already, which is no error.
        unsafe { rustix::mm::munmap(self.base.cast(), self.length).unwrap() };
    }
}
