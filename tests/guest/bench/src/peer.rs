//! Two Linux guests that are compared with two nodes: what the other one does when asked, and what
//! their network carries.
//!
//! A question is a connection whose first line says what is wanted; then follow the bytes.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use guest_common::say;

use crate::clock::Clock;
use crate::frames::Frames;
use crate::tell_samples;

/// Where [`serve`] listens.
const PORT: u16 = 7000;

/// How long the other guest may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ping-pongs that are timed, with the bytes of each way.
const PING_PONGS: [(&str, usize); 3] = [("tcp_64", 64), ("tcp_1k", 1024), ("tcp_8k", 8192)];

/// Bytes of the stream that is timed.
const STREAM: u64 = 64 << 20;

/// Answers questions for ever, one at a time.
pub(crate) fn serve() {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).expect("the port is free");
    say("ready");
    for stream in listener.incoming().flatten() {
        if let Err(error) = answer(stream) {
            say(&format!("a question was broken off: {error}"));
        }
    }
}

fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // One byte of buffer: what follows the line is for who reads then.
    let mut reader = BufReader::with_capacity(1, &stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let (what, words) = line.trim_end().split_once(' ').unwrap_or_default();
    let numbers: Vec<usize> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
    match (what, &numbers[..]) {
        ("run", _) => run(&stream, words),
        ("echo", &[request, reply]) => echo(&stream, request, reply),
        ("frames", &[reply, count]) => answer_frames(&stream, reply, count),
        ("take", &[count]) => {
            io::copy(&mut (&stream).take(count as u64), &mut io::sink())?;
            (&stream).write_all(&[1])
        }
        _ => Err(io::Error::other(line)),
    }
}

/// Answers so many bytes with so many, until there are no more.
fn echo(mut stream: &TcpStream, request: usize, reply: usize) -> io::Result<()> {
    let (mut request, reply) = (vec![0; request], vec![0; reply]);
    while stream.read_exact(&mut request).is_ok() {
        stream.write_all(&reply)?;
    }
    Ok(())
}

/// Answers `count` frames; the connection says from when on.
fn answer_frames(mut stream: &TcpStream, reply: usize, count: usize) -> io::Result<()> {
    let (frames, reply) = (Frames::open()?, Frames::frame(reply));
    stream.write_all(&[1])?;
    for _ in 0..count {
        frames.receive(&mut [0; 1])?;
        frames.send(&reply)?;
    }
    Ok(())
}

/// Runs a command of the shell with the connection as its input; its output is the answer.
fn run(mut stream: &TcpStream, command: &str) -> io::Result<()> {
    let input = OwnedFd::from(stream.try_clone()?);
    let output = Command::new("sh").args(["-c", command]).stdin(Stdio::from(input)).output()?;
    stream.write_all(&output.stdout)?;
    let end = if output.status.success() { "done" } else { "failed" };
    writeln!(stream, "{end}")
}

/// Asks the guest at `address` something.
pub(crate) fn ask(address: &str, question: &str) -> TcpStream {
    let began = Instant::now();
    loop {
        if let Ok(mut stream) = TcpStream::connect((address, PORT)) {
            stream.set_nodelay(true).expect("a connection has options");
            stream.write_all(format!("{question}\n").as_bytes()).expect("the other guest listens");
            return stream;
        }
        assert!(began.elapsed() < PATIENCE, "no guest at {address}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits for the end of a command that the guest at `address` was asked to run; what it said.
pub(crate) fn hear(mut stream: TcpStream) -> String {
    stream.shutdown(Shutdown::Write).expect("the connection is open");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).expect("the other guest answers");
    let said = heard.trim_end().strip_suffix("done");
    said.unwrap_or_else(|| panic!("the other guest said {heard}")).trim().to_owned()
}

/// Times ping-pongs with the guest at `address`, and streams to it.
pub(crate) fn wire(address: &str, count: usize) {
    for (name, size) in PING_PONGS {
        ping_pong(address, name, (size, size), count);
    }
    let clock = Clock::calibrate();
    // The first one is not counted: the connection's window grows with what was heard.
    let samples: Vec<u64> = (0..=count.min(5)).map(|_| stream_once(&clock, address)).collect();
    tell_samples("stream_64m", "away", &samples[1..]);
}

/// Times a ping-pong of bytes over a connection.
pub(crate) fn ping_pong(address: &str, name: &str, (request, reply): (usize, usize), count: usize) {
    let mut stream = ask(address, &format!("echo {request} {reply}"));
    let (request, mut reply) = (vec![1; request], vec![1; reply]);
    time(name, count, || {
        stream.write_all(&request).expect("the other guest listens");
        stream.read_exact(&mut reply).expect("the other guest answers");
    });
}

/// Times one of bare frames.
pub(crate) fn ping_pong_frames(
    address: &str,
    name: &str,
    (request, reply): (usize, usize),
    count: usize,
) {
    let (frames, request) = (Frames::open().expect("root may"), Frames::frame(request));
    let mut stream = ask(address, &format!("frames {reply} {}", warm_up(count) + count));
    stream.read_exact(&mut [0]).expect("the other guest answers");
    time(name, count, || {
        frames.send(&request).expect("the device sends");
        frames.receive(&mut [0; 1]).expect("the other guest answers");
    });
}

/// How many are made before any is counted.
fn warm_up(count: usize) -> usize {
    count.div_ceil(10)
}

fn time(name: &str, count: usize, mut there_and_back: impl FnMut()) {
    let clock = Clock::calibrate();
    (0..warm_up(count)).for_each(|_| there_and_back());
    let samples: Vec<u64> = (0..count).map(|_| clock.time(&mut there_and_back).0).collect();
    tell_samples(name, "away", &samples);
}

fn stream_once(clock: &Clock, address: &str) -> u64 {
    let mut stream = ask(address, &format!("take {STREAM}"));
    let bytes = vec![1; 1 << 20];
    let (taken, ()) = clock.time(|| {
        for _ in 0..STREAM >> 20 {
            stream.write_all(&bytes).expect("the other guest listens");
        }
        stream.read_exact(&mut [0]).expect("the other guest answers");
    });
    taken
}
