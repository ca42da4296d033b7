//! `wander INPUT OUTPUT ROUTE [anywhere]`: hashes a file while it walks from node to node, where
//! others may move it too if `anywhere` says so.
//!
//! The route is a list of node numbers, the first being home: `1,2,3,2,1`. At each stop it hashes
//! one piece of the input, catches an alarm, asks a process that stayed at home for a signal,
//! talks to a child of its own over a pipe, and says on its terminal where it is. The files stay
//! at home all the while. On an ordinary Linux, which knows no `migrate()`, it runs through with
//! the same output: that run is the reference.

mod helper;
mod stop;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use guest_common::{node, say, signal};
use helper::Helper;
use sha2::{Digest, Sha256};

/// Bytes of one read: small enough that a stop makes many calls.
const CHUNK: usize = 64 * 1024;

/// What the command line asks for.
struct Journey {
    input: PathBuf,
    output: PathBuf,
    route: Vec<u16>,
    anywhere: bool,
}

impl Journey {
    fn from_args() -> Result<Self, String> {
        let mut args = std::env::args().skip(1);
        let mut next = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
        let (input, output) = (next("/home/input.bin"), next("/home/output.txt"));
        let route: Result<Vec<u16>, _> = next("1,2,3,2,1").split(',').map(str::parse).collect();
        let anywhere = match &*next("") {
            "" => false,
            "anywhere" => true,
            other => return Err(format!("{other} means nothing after the route")),
        };
        match route {
            Ok(route) => Ok(Self { input: input.into(), output: output.into(), route, anywhere }),
            Err(error) => Err(format!("the route is node numbers with commas: {error}")),
        }
    }
}

fn main() -> ExitCode {
    guest_common::fail_on_panic();
    let journey = match Journey::from_args() {
        Ok(journey) => journey,
        Err(why) => {
            eprintln!("wander: {why}\nusage: wander [INPUT [OUTPUT [ROUTE [anywhere]]]]");
            return ExitCode::from(2);
        }
    };
    match travel(&journey) {
        Ok(digest) => {
            say(&format!("{digest}  {}", journey.input.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("wander: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Walks the whole route; returns the digest of the whole input in hexadecimal.
fn travel(journey: &Journey) -> io::Result<String> {
    signal::count(libc::SIGALRM, libc::SA_RESTART);
    signal::count(libc::SIGUSR1, libc::SA_RESTART);
    let helper = Helper::start()?;
    let mut input = File::open(&journey.input)?;
    let mut output = File::create(&journey.output)?;
    let length = input.metadata()?.len();
    let stops = journey.route.len() as u64;
    let mut hash = Sha256::new();
    let mut own = stop::Own::now();
    for (index, node) in (0..).zip(&journey.route) {
        if index > 0 {
            go(*node, journey.anywhere)?;
        }
        say(&format!("stop {} of {stops}: node {node}", index + 1));
        own.compare()?;
        stop::expect_alarm();
        let piece = length * index / stops..length * (index + 1) / stops;
        hash_piece(&mut input, &mut hash, piece.end - piece.start)?;
        stop::wait_for_alarm();
        stop::ask_helper(&helper)?;
        stop::talk_to_child()?;
        let so_far = hex(&hash.clone().finalize());
        writeln!(output, "node {node} bytes {}-{} sha256 {so_far}", piece.start, piece.end)?;
    }
    helper.finish()?;
    Ok(hex(&hash.finalize()))
}

/// Moves to `node` and makes sure of it, unless it may be moved on.
fn go(node: u16, anywhere: bool) -> io::Result<()> {
    let moved = node::migrate(node)
        .map_err(|error| io::Error::new(error.kind(), format!("migrate({node}): {error}")))?;
    match (moved, node::current()?) {
        (node::Moved::There, Some(here)) if here != node && !anywhere => {
            Err(io::Error::other(format!("migrate({node}) succeeded, but this is node {here}")))
        }
        _ => Ok(()),
    }
}

/// Feeds the next `length` bytes of the input to the hash.
fn hash_piece(input: &mut File, hash: &mut Sha256, length: u64) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        let want = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        input.read_exact(&mut chunk[..want])?;
        hash.update(&chunk[..want]);
        left -= want as u64;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
