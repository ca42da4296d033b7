//! The process at home that sets a child up to block, moves it, and decides what becomes of it.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use guest_common::child::{self, End};
use guest_common::{node, signal};
use libc::SIGUSR1;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::blocker::Blocker;
use crate::outcome::Outcome;

/// Long enough for the child to be asleep in its call, as a rule.
const SETTLE: Duration = Duration::from_millis(40);

/// How long a move may take.
const MOVE_LIMIT: Duration = Duration::from_secs(100);

/// The child's statuses.
const COMPLETED: i32 = 0;
const INTERRUPTED: i32 = 10;

/// Does one row of the matrix. `nodes`: where the child goes first, and then is sent.
pub(crate) fn conduct(mut blocker: Box<dyn Blocker>, outcome: Outcome, nodes: &[u16]) {
    let (mut ready, mut tell) = io::pipe().unwrap();
    let child = child::fork(|| {
        prepare(blocker.as_mut(), outcome, nodes.first());
        tell.write_all(b"!").unwrap();
        block(blocker.as_mut(), outcome, nodes.last())
    });
    drop(tell);
    ready.read_exact(&mut [0]).expect("the child got ready");
    std::thread::sleep(SETTLE);
    let mover = send_round(child, nodes, blocker.moves_at_once());
    let interrupted = blocker.effect().interrupts(outcome);
    let nagger = interrupted.then(|| signal_again_and_again(child));
    if !interrupted {
        decide(blocker.as_mut(), child, outcome);
    }
    let expected = match outcome {
        Outcome::Killed => End::Killed(libc::SIGKILL),
        _ if interrupted => End::Exited(INTERRUPTED),
        _ => End::Exited(COMPLETED),
    };
    assert_eq!(child::wait(child), expected);
    if expected == End::Exited(COMPLETED) {
        blocker.check();
    } else {
        blocker.clean_up();
    }
    for helper in mover.into_iter().chain(nagger) {
        kill_process(helper, Signal::KILL).unwrap();
        child::wait(helper);
    }
}

/// Sends the child to every node after the first. A child that cannot move yet is sent by a
/// helper, since the request may block until it can.
fn send_round(child: Pid, nodes: &[u16], at_once: bool) -> Option<Pid> {
    let moves = nodes.get(1..).unwrap_or_default();
    if at_once {
        for target in moves {
            node::send_and_wait(child, *target, MOVE_LIMIT)
                .unwrap_or_else(|error| panic!("sending the child to {target}: {error}"));
        }
        return None;
    }
    let mover = child::fork(|| {
        for target in moves {
            node::send(child, *target).expect("a child that cannot move yet is sent later");
        }
        0
    });
    std::thread::sleep(SETTLE);
    Some(mover)
}

/// Signals the child until it has ended: one of the signals will come in the middle of its call,
/// however late that begins.
fn signal_again_and_again(child: Pid) -> Pid {
    child::fork(move || {
        while kill_process(child, Signal::USR1).is_ok() {
            std::thread::sleep(SETTLE);
        }
        0
    })
}

/// Kills the child, or causes what it waits for, with a signal before it or without.
fn decide(blocker: &mut dyn Blocker, child: Pid, outcome: Outcome) {
    match outcome {
        Outcome::Completes => {}
        Outcome::Restarted | Outcome::Interrupted => {
            signal::kill(child.as_raw_pid(), SIGUSR1);
            std::thread::sleep(SETTLE);
        }
        Outcome::Killed => {
            kill_process(child, Signal::KILL).unwrap();
            return;
        }
    }
    blocker.cause(child);
}

/// Child: goes where it shall block.
fn prepare(blocker: &mut dyn Blocker, outcome: Outcome, start: Option<&u16>) {
    signal::count(SIGUSR1, outcome.handler_flags());
    if let Some(start) = start {
        node::migrate(*start).unwrap_or_else(|error| panic!("migrate({start}): {error}"));
    }
    blocker.prepare();
}

/// Child: blocks; returns its exit status.
fn block(blocker: &mut dyn Blocker, outcome: Outcome, last: Option<&u16>) -> i32 {
    let result = blocker.block();
    let signalled = matches!(outcome, Outcome::Restarted | Outcome::Interrupted);
    assert_eq!(signal::caught(SIGUSR1) > 0, signalled, "whether a handler ran");
    if let Some(last) = last {
        arrive(*last);
    }
    match result {
        Ok(()) => COMPLETED,
        Err(Errno::INTR) => INTERRUPTED,
        Err(error) => panic!("the call ended with {error}"),
    }
}

/// Child: makes sure that it is on the node it was sent to last.
fn arrive(last: u16) {
    let deadline = Instant::now() + MOVE_LIMIT;
    while let Some(here) = node::current().unwrap()
        && here != last
    {
        assert!(Instant::now() < deadline, "still on node {here}, not {last}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
