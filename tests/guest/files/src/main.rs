//! Guest: calls on files and what they answer, each printed as `call: result`.
//!
//! It judges nothing: what the host's Linux prints is right, and every other place must print the
//! same. The cases say no inode number, no time, no pid.

mod call;
mod descriptors;
mod locks;
mod names;
mod pipes;
mod ready;
mod transfer;

use std::process::ExitCode;

fn main() -> ExitCode {
    // What an earlier case leaves open would change the numbers of a later one, so each closes its
    // own; standard input is not looked at.
    guest_common::run(&[
        ("paths", names::paths),
        ("opening", names::opening),
        ("making", names::making),
        ("removing", names::removing),
        ("renaming", names::renaming),
        ("linking", names::linking),
        ("attributes", names::attributes),
        ("directories", names::directories),
        ("reading-and-writing", transfer::reading_and_writing),
        ("vectors", transfer::vectors),
        ("bad-addresses", transfer::bad_addresses),
        ("seeking", transfer::seeking),
        ("sizes", transfer::sizes),
        ("sending", transfer::sending),
        ("large", transfer::large),
        ("duplicating", descriptors::duplicating),
        ("flags", descriptors::flags),
        ("ranges", descriptors::ranges),
        ("limits", descriptors::limits),
        ("devices", descriptors::devices),
        ("pipes", pipes::pipes),
        ("fifos", pipes::fifos),
        ("broken-pipes", pipes::broken),
        ("record-locks", locks::record_locks),
        ("whole-file-locks", locks::whole_file_locks),
        ("polling", ready::polling),
        ("selecting", ready::selecting),
    ])
}
