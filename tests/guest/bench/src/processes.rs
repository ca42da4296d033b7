//! Whole processes: made, moved, and asleep.

use std::ffi::CString;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use guest_common::child::{self, End};
use guest_common::{node, say};
use rustix::process::{Signal, kill_process};
use rustix::{io as raw, pipe};

use crate::clock::Clock;
use crate::{tell_samples, wait_for_input};

/// Longer than any benchmark lasts.
const ASLEEP: Duration = Duration::from_secs(3600);

/// Bytes of a page.
const PAGE: usize = 4096;

/// Children or threads of a process that has many.
const MANY: usize = 64;

/// What travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pages that are written before each move.
    Touched,
    /// Pages that were written once.
    Unchanged,
    /// Pages that were written with zeros.
    Zero,
    /// Pages that were never written.
    Untouched,
    /// Written pages, shared with children that stay.
    Forks,
    /// Written pages, with threads that sleep.
    Threads,
}

impl Kind {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "touched" => Some(Self::Touched),
            "unchanged" => Some(Self::Unchanged),
            "zero" => Some(Self::Zero),
            "untouched" => Some(Self::Untouched),
            "forks" => Some(Self::Forks),
            "threads" => Some(Self::Threads),
            _ => None,
        }
    }
}

/// Times making a process, and executing a program in one.
pub(crate) fn whole(count: usize) {
    let clock = Clock::calibrate();
    let count = (count / 10).max(1);
    let fork = || assert_eq!(child::fork_and_wait(|| 0), End::Exited(0));
    let samples: Vec<u64> = (0..count).map(|_| clock.time(fork).0).collect();
    tell_samples("fork_exit", "here", &samples);
    let path = std::env::args().next().and_then(|path| CString::new(path).ok());
    let path = path.expect("a program has a name");
    let execute = || assert_eq!(child::fork_and_wait(|| execute_nothing(&path)), End::Exited(0));
    let samples: Vec<u64> = (0..count).map(|_| clock.time(execute).0).collect();
    tell_samples("fork_exec", "here", &samples);
}

/// Becomes `bench nothing`.
fn execute_nothing(path: &CString) -> i32 {
    let arguments = [path.as_ptr(), c"nothing".as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null()];
    // SAFETY: both lists end with a null pointer, and what they point to outlives the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    1
}

/// Starts children that sleep on `node` until standard input ends.
pub(crate) fn sleepers(count: usize, node: u16) {
    let (there, arrived) = pipe::pipe().expect("a pipe");
    say("begin");
    wait_for_input();
    let sleep = || {
        node::migrate(node).expect("the node takes this process");
        raw::write(&arrived, &[1]).expect("the parent reads");
        thread::sleep(ASLEEP);
        0
    };
    let children: Vec<_> = (0..count).map(|_| child::fork(sleep)).collect();
    for _ in 0..count {
        assert_eq!(raw::read(&there, &mut [0]), Ok(1));
    }
    say("ready");
    wait_for_input();
    for child in children {
        kill_process(child, Signal::KILL).expect("it sleeps");
        child::wait(child);
    }
}

/// Moves with `kib` KiB of memory to `node` and back, `moves` times in all.
pub(crate) fn travel(kib: usize, moves: usize, node: u16, kind: Kind) {
    let byte = if kind == Kind::Zero { |_| 0 } else { mark };
    let mut memory = vec![0; kib * 1024];
    if kind != Kind::Untouched {
        write(&mut memory, byte);
    }
    let children: Vec<_> = match kind {
        Kind::Forks => (0..MANY).map(|_| child::fork(sleep)).collect(),
        _ => Vec::new(),
    };
    if kind == Kind::Threads {
        (0..MANY).for_each(|_| drop(thread::spawn(sleep)));
    }
    for index in 0..moves {
        if !matches!(kind, Kind::Untouched | Kind::Unchanged) {
            write(&mut memory, byte);
        }
        let target = if index % 2 == 0 { node } else { 1 };
        node::migrate(target).expect("the node takes this process");
    }
    for child in children {
        kill_process(child, Signal::KILL).expect("it sleeps");
        child::wait(child);
    }
}

/// Memory of `kib` KiB in which every page was written and no two neighbours are alike.
pub(crate) fn touched(kib: usize) -> Vec<u8> {
    let mut memory = vec![0; kib * 1024];
    write(&mut memory, mark);
    memory
}

/// Whether every page of what [`touched`] gave is as it was.
pub(crate) fn is_touched(memory: &[u8]) -> bool {
    black_box(memory).chunks(PAGE).enumerate().all(|(index, page)| page[0] == mark(index))
}

fn mark(index: usize) -> u8 {
    (index % 255) as u8 + 1
}

/// Writes a byte of every page.
fn write(memory: &mut [u8], byte: fn(usize) -> u8) {
    for (index, page) in memory.chunks_mut(PAGE).enumerate() {
        // SAFETY: the byte is the page's own. Volatile, so that zeros are written, too.
        unsafe { std::ptr::write_volatile(&mut page[0], byte(index)) };
    }
}

fn sleep() -> i32 {
    thread::sleep(ASLEEP);
    0
}
