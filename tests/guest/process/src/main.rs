//! Processes: fork, exec, the wait family, exit statuses, orphans, zombies, groups, sessions.

mod exec;
mod family;
mod forks;
mod waits;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = exec::as_new_image() {
        return code;
    }
    guest_common::run(&[
        ("exit_statuses", waits::exit_statuses),
        ("killed_statuses", waits::killed_statuses),
        ("wait_any_then_none", waits::any_then_none),
        ("wait_without_hanging", waits::without_hanging),
        ("waitid_leaves_the_zombie", waits::waitid_leaves_the_zombie),
        ("wait_for_a_group", waits::for_a_group),
        ("stopped_and_continued", waits::stopped_and_continued),
        ("zombie_until_collected", waits::zombie_until_collected),
        ("memory_is_copied", forks::memory_is_copied),
        ("file_offset_is_shared", forks::file_offset_is_shared),
        ("directory_and_umask_are_copied", forks::directory_and_umask_are_copied),
        ("exit_closes_descriptors", forks::exit_closes_descriptors),
        ("chain_of_forks", forks::chain),
        ("many_children", forks::many_children),
        ("orphan_goes_to_init", family::orphan_goes_to_init),
        ("groups", family::groups),
        ("sessions", family::sessions),
        ("kill_a_group", family::kill_a_group),
        ("kill_nobody", family::kill_nobody),
        ("exec_arguments_and_environment", exec::arguments_and_environment),
        ("exec_failures", exec::failures),
        ("exec_closes_on_exec", exec::closes_on_exec),
        ("exec_keeps_pid_and_mask", exec::keeps_pid_and_mask),
        ("exec_resets_handlers", exec::resets_handlers),
        ("exec_script", exec::script),
        ("spawn", exec::spawn),
    ])
}
