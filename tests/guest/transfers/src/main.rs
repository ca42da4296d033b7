//! Transfers between descriptors, files in memory and without names, restricted paths, locked
//! memory. Every answer is printed, so that the transcript on Linux is the reference.

mod call;
mod large;
mod memory;
mod names;
mod notices;
mod splice;
mod unnamed;
mod vectors;

use std::process::ExitCode;

fn main() -> ExitCode {
    guest_common::run(&[
        ("splice", splice::splice),
        ("tee", splice::tee),
        ("vmsplice", splice::vmsplice),
        ("splice_waits", splice::waits),
        ("copy_file_range", splice::copy_file_range),
        ("sendfile", splice::sendfile),
        ("large_transfers", large::transfers),
        ("vectors_with_flags", vectors::flags),
        ("fallocate", vectors::fallocate),
        ("advice_on_files", vectors::advice),
        ("seals", unnamed::seals),
        ("memory_files", unnamed::memory_files),
        ("files_without_names", unnamed::unnamed),
        ("openat2", names::openat2),
        ("names_only", names::names_only),
        ("modes", names::modes),
        ("attributes", names::attributes),
        ("old_directory_entries", names::old_entries),
        ("notices_in_directories", notices::in_directories),
        ("notices_of_files", notices::of_files),
        ("notice_arguments", notices::arguments),
        ("locked_memory", memory::locked),
        ("residence", memory::residence),
        ("advice_on_memory", memory::advice),
    ])
}
