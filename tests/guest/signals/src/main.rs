//! Signals as signal(7) has them.

mod deliver;
mod faults;
mod interrupt;
mod send;
mod threads;
mod timers;

use std::process::ExitCode;

fn main() -> ExitCode {
    guest_common::run(&[
        ("handler_runs", deliver::handler_runs),
        ("blocked_stays_pending", deliver::blocked_stays_pending),
        ("standard_signals_merge", deliver::standard_signals_merge),
        ("real_time_signals_queue", deliver::real_time_signals_queue),
        ("mask_while_handling", deliver::mask_while_handling),
        ("no_defer_nests", deliver::no_defer_nests),
        ("reset_hand", deliver::reset_hand),
        ("nested_handlers", deliver::nested_handlers),
        ("alternate_stack", deliver::alternate_stack),
        ("kill_cannot_be_caught", deliver::kill_cannot_be_caught),
        ("fork_inherits", deliver::fork_inherits),
        ("busy_loop_is_interrupted", deliver::busy_loop_is_interrupted),
        ("segv_unmapped", faults::segv_unmapped),
        ("segv_protected", faults::segv_protected),
        ("segv_not_canonical", faults::segv_not_canonical),
        ("divide_error", faults::divide_error),
        ("illegal_instruction", faults::illegal_instruction),
        ("breakpoint", faults::breakpoint),
        ("fault_without_handler", faults::without_handler),
        ("fault_while_blocked", faults::while_blocked),
        ("stack_overflow_on_alternate_stack", faults::stack_overflow),
        ("restarted_read", interrupt::restarted_read),
        ("interrupted_read", interrupt::interrupted_read),
        ("interrupted_write", interrupt::interrupted_write),
        ("poll_is_never_restarted", interrupt::poll_is_never_restarted),
        ("restarted_wait", interrupt::restarted_wait),
        ("interrupted_wait", interrupt::interrupted_wait),
        ("interrupted_sleep", interrupt::interrupted_sleep),
        ("ignored_signal_interrupts_nothing", interrupt::ignored_interrupts_nothing),
        ("stop_interrupts_nothing", interrupt::stop_interrupts_nothing),
        ("suspend", interrupt::suspend),
        ("pause", interrupt::pause),
        ("sender_is_told", send::sender_is_told),
        ("child_is_told", send::child_is_told),
        ("child_stop_is_told", send::child_stop_is_told),
        ("ignored_children_vanish", send::ignored_children_vanish),
        ("broken_pipe", send::broken_pipe),
        ("timed_wait", send::timed_wait),
        ("default_actions", send::default_actions),
        ("alarm", timers::alarm),
        ("interval_timer", timers::interval_timer),
        ("timer_is_called_off", timers::called_off),
        ("virtual_timer", timers::virtual_timer),
        ("to_one_thread", threads::to_one_thread),
        ("to_the_thread_that_takes_it", threads::to_the_thread_that_takes_it),
        ("masks_are_per_thread", threads::masks_are_per_thread),
    ])
}
