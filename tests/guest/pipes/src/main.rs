//! Pipes (pipe(7)), and waiting for descriptors (poll(2), select(2)).

mod data;
mod ready;

use std::process::ExitCode;

fn main() -> ExitCode {
    guest_common::run(&[
        ("order_and_end", data::order_and_end),
        ("blocking_read", data::blocking_read),
        ("blocking_write", data::blocking_write),
        ("small_writes_are_atomic", data::small_writes_are_atomic),
        ("large_transfer", data::large_transfer),
        ("no_reader", data::no_reader),
        ("not_blocking", data::not_blocking),
        ("vectors", data::vectors),
        ("no_seeking", data::no_seeking),
        ("duplicates", data::duplicates),
        ("pipeline_of_processes", data::pipeline),
        ("flags", data::flags),
        ("named_pipe", data::named_pipe),
        ("poll_events", ready::poll_events),
        ("poll_timeout", ready::poll_timeout),
        ("poll_wakes", ready::poll_wakes),
        ("poll_many", ready::poll_many),
        ("poll_odd_descriptors", ready::poll_odd_descriptors),
        ("poll_with_a_mask", ready::poll_with_a_mask),
        ("select_sets", ready::select_sets),
        ("select_timeout", ready::select_timeout),
    ])
}
