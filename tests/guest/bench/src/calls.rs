//! The calls that are timed.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU32;
use std::thread;

use guest_common::{child, node, say};
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::{io, pipe, thread::futex};

use crate::clock::Clock;
use crate::counts::Counts;
use crate::marks::Marks;
use crate::{tell_samples, wait_for_input};

/// The file that calls are about.
const FILE: &str = "bench.dat";

/// Bytes of it.
const FILE_SIZE: usize = 256 * 1024;

/// A file that is read in order, and its bytes.
const IN_ORDER: (&str, usize) = ("bench.seq", 1024 * 1024);

/// Sizes in bytes of the writes that show how the cost grows.
const SIZES: [(&str, usize); 7] = [
    ("write_64", 64),
    ("write_256", 256),
    ("write_2k", 2 * 1024),
    ("write_4k", 4 * 1024),
    ("write_16k", 16 * 1024),
    ("write_64k", 64 * 1024),
    ("write_256k", FILE_SIZE),
];

/// A call by its name, and how often it is made for each of the calls asked for: the large ones
/// are made less often.
struct Case<'a> {
    name: &'static str,
    divisor: usize,
    /// Makes it once, and says how long it took.
    call: Box<dyn FnMut(&Clock) -> u64 + 'a>,
}

impl<'a> Case<'a> {
    fn new<T>(name: &'static str, mut call: impl FnMut() -> T + 'a) -> Self {
        let call = Box::new(move |clock: &Clock| clock.time(|| black_box(call())).0);
        Self { name, divisor: 1, call }
    }

    fn rarely(self, divisor: usize) -> Self {
        Self { divisor, ..self }
    }

    fn samples(&mut self, clock: &Clock, count: usize) -> Vec<u64> {
        let count = (count / self.divisor).max(1);
        for _ in 0..count.div_ceil(10) {
            (self.call)(clock);
        }
        (0..count).map(|_| (self.call)(clock)).collect()
    }
}

/// What the calls need.
struct Stage {
    file: File,
    /// Nobody can write to it.
    in_order: File,
    /// What is written here a process at home reads.
    pipe: OwnedFd,
    bytes: Vec<u8>,
    word: AtomicU32,
}

impl Stage {
    fn new() -> Self {
        fs::write(FILE, vec![7; FILE_SIZE]).expect("the directory can be written");
        let file = OpenOptions::new().read(true).write(true).open(FILE).expect("just written");
        let (read_end, pipe) = pipe::pipe().expect("a pipe");
        let pipe = empty_at_home(read_end, pipe);
        let (name, size) = IN_ORDER;
        fs::write(name, vec![3; size]).expect("the directory can be written");
        let in_order = File::open(name).expect("just written");
        fs::remove_file(name).expect("just written");
        Self { file, in_order, pipe, bytes: vec![5; FILE_SIZE], word: AtomicU32::new(0) }
    }

    fn write_to_pipe(&self, length: usize) -> usize {
        io::write(&self.pipe, &self.bytes[..length]).expect("a pipe with a reader takes bytes")
    }

    fn write(&self, length: usize) -> usize {
        io::pwrite(&self.file, &self.bytes[..length], 0).expect("a file takes bytes")
    }

    fn read(&self, length: usize, buffer: &mut [u8]) -> usize {
        io::pread(&self.file, &mut buffer[..length], 0).expect("a file gives bytes")
    }

    /// Reads in order, and from the beginning again.
    fn read_in_order<'a>(&'a self, name: &'static str, length: usize) -> Case<'a> {
        let mut buffer = vec![0; length];
        let call = move |clock: &Clock| {
            let (took, count) = clock.time(|| io::read(&self.in_order, &mut buffer));
            if count.expect("a file gives bytes") == 0 {
                rustix::fs::seek(&self.in_order, SeekFrom::Start(0)).expect("a file has positions");
            }
            took
        };
        Case { name, divisor: 1, call: Box::new(call) }
    }

    /// The calls of the thesis's table 5.1, and their like.
    fn cases(&self) -> Vec<Case<'_>> {
        let (mut small, mut large) = (vec![0; 1024], vec![0; 8192]);
        vec![
            Case::new("close", close_nothing),
            Case::new("lseek", || rustix::fs::seek(&self.file, SeekFrom::Start(0))),
            open_case(),
            Case::new("write_1k", || self.write(1024)),
            Case::new("write_8k", || self.write(8192)),
            Case::new("read_1k", move || self.read(1024, &mut small)),
            Case::new("read_8k", move || self.read(8192, &mut large)),
            self.read_in_order("seq_read_4k", 4096),
            Case::new("pipe_1k", || self.write_to_pipe(1024)),
            Case::new("pipe_8k", || self.write_to_pipe(8192)),
            Case::new("stat", || rustix::fs::stat(FILE)),
            Case::new("getpid", rustix::process::getpid),
            Case::new("clock_gettime", || {
                rustix::time::clock_gettime(rustix::time::ClockId::Monotonic)
            }),
            Case::new("futex_wake", || futex::wake(&self.word, futex::Flags::PRIVATE, 1)),
        ]
    }

    /// Writes of every size, and a large read.
    fn sizes(&self) -> Vec<Case<'_>> {
        let write =
            |(name, size)| Case::new(name, move || self.write(size)).rarely(size / 8192 + 1);
        let mut buffer = vec![0; FILE_SIZE];
        let read = Case::new("read_256k", move || self.read(FILE_SIZE, &mut buffer));
        let read = read.rarely(FILE_SIZE / 8192 + 1);
        SIZES.into_iter().map(write).chain([read]).collect()
    }
}

/// Leaves a process at home that reads a pipe until its end; the end to write to.
fn empty_at_home(read_end: OwnedFd, write_end: OwnedFd) -> OwnedFd {
    let mut write_end = Some(write_end);
    child::fork(|| {
        drop(write_end.take());
        let mut bytes = vec![0; 1 << 16];
        while io::read(&read_end, &mut bytes).is_ok_and(|count| count > 0) {}
        0
    });
    write_end.take().expect("the parent has it")
}

/// close(2) of what is not open: the smallest call there is.
fn close_nothing() -> i32 {
    // SAFETY: -1 is no descriptor, so nothing is closed.
    unsafe { libc::close(-1) }
}

/// What [`on_files`] times beside open and close.
const ON_FILES: [&str; 9] = [
    "lseek",
    "open",
    "stat",
    "write_1k",
    "write_8k",
    "write_256k",
    "read_1k",
    "read_8k",
    "read_256k",
];

/// Times the calls on files of this directory, which are `here` or `away`.
pub(crate) fn on_files(place: &str, count: usize) {
    let (stage, clock) = (Stage::new(), Clock::calibrate());
    for mut case in cases_on_files(&stage) {
        tell_samples(case.name, place, &case.samples(&clock, count));
    }
    fs::remove_file(FILE).expect("the file is there");
}

/// Makes each of those calls `count` times, marked for who captures what they send to the guest at
/// `address`.
pub(crate) fn count_on_files(address: &str, count: usize) {
    let (stage, clock) = (Stage::new(), Clock::calibrate());
    let (marks, marking) = (Marks::to(address), Clock::calibrate().marking(Marks::to(address)));
    for mut case in cases_on_files(&stage) {
        // What only the first call asks is no part of the others.
        (case.call)(&clock);
        marks.series(case.name);
        (0..count).for_each(|_| _ = (case.call)(&marking));
    }
    fs::remove_file(FILE).expect("the file is there");
}

fn cases_on_files(stage: &Stage) -> Vec<Case<'_>> {
    let open = || rustix::fs::open(FILE, OFlags::RDONLY, Mode::empty()).expect("the file is there");
    let call = move |clock: &Clock| {
        let file = open();
        clock.time(|| drop(file)).0
    };
    let close = Case { name: "close", divisor: 1, call: Box::new(call) };
    let both = Case::new("open_close", move || drop(open()));
    let cases = stage.cases().into_iter().chain(stage.sizes());
    let cases = cases.filter(|case| ON_FILES.contains(&case.name));
    [close, both].into_iter().chain(cases).collect()
}

/// Closes what it opened only when there is too much of it: opening is what is counted.
fn open_case<'a>() -> Case<'a> {
    const MOST: usize = 256;
    let mut opened = Vec::with_capacity(MOST);
    let call = move |clock: &Clock| {
        if opened.len() == MOST {
            opened.clear();
        }
        let open = || rustix::fs::open(FILE, OFlags::RDONLY, Mode::empty());
        let (taken, file) = clock.time(open);
        opened.push(file.expect("the file is there"));
        taken
    };
    Case { name: "open", divisor: 1, call: Box::new(call) }
}

/// Times everything here, then on `node`, and counts there.
pub(crate) fn here_and_there(node: u16, count: usize) {
    let stage = Stage::new();
    everything(&stage, "here", count);
    node::migrate(node).expect("the node takes this process");
    everything(&stage, "away", count);
    count_all(&stage, count.min(200));
    fs::remove_file(FILE).expect("the file is there");
}

/// Times one call on `node`, between two lines of standard input.
pub(crate) fn one_there(name: &str, node: u16, count: usize) {
    let stage = Stage::new();
    node::migrate(node).expect("the node takes this process");
    let clock = Clock::calibrate();
    let mut cases = stage.cases().into_iter().chain(stage.sizes());
    let mut case = cases.find(|case| case.name == name).expect("a call of that name");
    say("begin");
    wait_for_input();
    let samples = case.samples(&clock, count);
    say("ready");
    wait_for_input();
    tell_samples(name, "away", &samples);
    fs::remove_file(FILE).expect("the file is there");
}

fn everything(stage: &Stage, place: &str, count: usize) {
    let clock = Clock::calibrate();
    for mut case in stage.cases().into_iter().chain(stage.sizes()) {
        tell_samples(case.name, place, &case.samples(&clock, count));
    }
    tell_samples("pipe", place, &pipe_ping_pong(&clock, count));
}

/// How long a byte takes to another thread and back.
fn pipe_ping_pong(clock: &Clock, count: usize) -> Vec<u64> {
    let (theirs, to_them) = pipe::pipe().expect("a pipe");
    let (ours, to_us) = pipe::pipe().expect("a pipe");
    let echo = thread::spawn(move || {
        let mut byte = [0; 1];
        while io::read(&theirs, &mut byte) == Ok(1) {
            io::write(&to_us, &byte).expect("the other end is open");
        }
    });
    let there_and_back = || {
        let mut byte = [1; 1];
        io::write(to_them.as_fd(), &byte).expect("the other end is open");
        io::read(&ours, &mut byte).expect("the other end is open")
    };
    let samples = Case::new("pipe", there_and_back).samples(clock, count);
    drop(to_them);
    echo.join().expect("it ends with the pipe");
    samples
}

/// Counts what calls cost on the network, which is what is left when reading the counts is taken
/// off.
fn count_all(stage: &Stage, count: usize) {
    let clock = Clock::calibrate();
    let Some(first) = Counts::now() else { return };
    let Some(second) = Counts::now() else { return };
    let reading = second.since(first);
    for mut case in stage.cases().into_iter().chain(stage.sizes()) {
        let count = (count / case.divisor).max(1);
        let before = Counts::now().unwrap_or_default();
        for _ in 0..count {
            (case.call)(&clock);
        }
        let cost = Counts::now().unwrap_or_default().since(before).since(reading);
        let Counts { round_trips, frames, home, away } = cost;
        say(&format!("counts {} {count} {round_trips} {frames} {home} {away}", case.name));
    }
}

/// Times the calls of a whole process that a Linux is compared with.
pub(crate) fn whole(count: usize) {
    let stage = Stage::new();
    let clock = Clock::calibrate();
    let (mut small, mut large) = (vec![0; 1024], vec![0; 8192]);
    let open_and_close = || drop(rustix::fs::open(FILE, OFlags::RDONLY, Mode::empty()));
    let cases = [
        Case::new("close", close_nothing),
        Case::new("lseek", || rustix::fs::seek(&stage.file, SeekFrom::Start(0))),
        Case::new("open_close", open_and_close),
        Case::new("pread_1k", || stage.read(1024, &mut small)),
        Case::new("pread_8k", || stage.read(8192, &mut large)),
        Case::new("pwrite_1k", || stage.write(1024)),
        Case::new("pwrite_8k", || stage.write(8192)),
        Case::new("stat", || rustix::fs::stat(FILE)),
    ];
    for mut case in cases {
        tell_samples(case.name, "here", &case.samples(&clock, count));
    }
    tell_samples("pipe", "here", &pipe_ping_pong(&clock, count));
    fs::remove_file(FILE).expect("the file is there");
}
